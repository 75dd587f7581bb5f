"""`voicechat say`: one typed turn, answered aloud and in writing."""

import sys
from typing import Annotated

import typer

from voicechat.cli.options import MICROPHONE, TURN_TAKING, TalkOptions, with_talk_options
from voicechat.cli.program import one_text
from voicechat.cli.talking import talk
from voicechat.errors import UsageError


@with_talk_options(*TURN_TAKING, *MICROPHONE, "greeting")
def say(
    options: TalkOptions,
    ctx: typer.Context,
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="What to say to the assistant; - reads it from stdin.", show_default=False),
    ] = None,
) -> None:
    """Say one thing in writing: the answer is spoken and printed, then the program ends."""
    text = one_text(ctx, text)
    if text == "-" or (text is None and not sys.stdin.isatty()):
        text = sys.stdin.buffer.read().decode("utf-8", "replace")
    if text is None or not text.strip():
        raise UsageError("There is nothing to say.", 'Try: voicechat say "What can you do?"')
    talk("say", options, text.strip())
