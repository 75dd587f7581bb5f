"""`python -m voicechat` is `voicechat`."""

from voicechat.cli import main

main()
