"""`voicechat manual`: Enter begins a turn, Enter ends it."""

from voicechat.cli.options import TURN_TAKING, TalkOptions, with_talk_options
from voicechat.cli.talking import talk


@with_talk_options(*TURN_TAKING)
def manual(options: TalkOptions) -> None:
    """Talk on Enter: Enter begins your turn, Enter ends it; a typed line is a text turn.

    Enter while the assistant speaks interrupts it; /help lists the commands, Ctrl-C ends.
    """
    talk("manual", options)
