"""`voicechat say`: one typed turn, answered aloud and in writing."""

import sys
from typing import Annotated

import typer

from voicechat.cli.options import MICROPHONE, TURN_TAKING, TalkOptions, with_talk_options
from voicechat.cli.talking import talk
from voicechat.errors import UsageError


@with_talk_options(*TURN_TAKING, *MICROPHONE, "greeting")
def say(
    options: TalkOptions,
    text: Annotated[str, typer.Argument(help="What to say to the assistant; - reads it from stdin.")],
) -> None:
    """Say one thing in writing: the answer is spoken and printed, then the program ends."""
    if text == "-":
        text = sys.stdin.buffer.read().decode("utf-8", "replace")
    if not text.strip():
        raise UsageError("There is nothing to say.", 'Try: voicechat say "What can you do?"')
    talk("say", options, text.strip())
