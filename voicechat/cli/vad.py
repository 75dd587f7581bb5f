"""`voicechat vad`: hands free."""

from voicechat.cli.options import TalkOptions, with_talk_options
from voicechat.cli.talking import talk


@with_talk_options()
def vad(options: TalkOptions) -> None:
    """Talk hands free: it answers when you pause and falls silent when you speak.

    A typed line is a turn too; Enter interrupts, /help lists the commands, Ctrl-C ends.
    """
    talk("vad", options)
