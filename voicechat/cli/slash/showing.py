"""Commands that show the service something: `/image`, `/screenshot`."""

import io
import os
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from voicechat.cli.slash.command import Desk

MOST_WORDS = 30
"""So many words may be the name of a file."""


def image(desk: Desk, argument: str) -> None:
    """A file, else the clipboard; what follows is asked about it."""
    place, question = split(argument)
    if place in ("", "-"):
        from voicechat.pictures.source import from_clipboard

        desk.begin(_show(desk, partial(from_clipboard, dict(os.environ)), "clipboard", question))
    else:
        from voicechat.pictures.source import from_file

        desk.begin(_show(desk, partial(from_file, place), Path(place).name, question))


def screenshot(desk: Desk, argument: str) -> None:
    from voicechat.pictures.source import from_screen

    desk.begin(_show(desk, partial(from_screen, dict(os.environ)), "screenshot", argument))


async def _show(desk: Desk, read: Callable[[], bytes], name: str, question: str) -> None:
    from voicechat.audio.background import in_background
    from voicechat.conversation.pictures import Shown
    from voicechat.pictures.prepare import prepare

    talk = desk.talk
    talk.check_sight()
    most_bytes = talk.line.codec.capabilities.image_bytes
    picture = await in_background(lambda: prepare(read(), name, most_bytes), "picture")
    talk.show(Shown(picture.name, picture.jpeg, picture.width, picture.height))
    if question and talk.session.ready:
        talk.session.say(question)
    elif question:
        talk.submit(question)


def split(argument: str) -> tuple[str, str]:
    """The file, and the question after it: as many words as are the name of a file that is there. The name of another
    is one word, or quoted or escaped, as terminals do when one is dropped on them."""
    for blank in reversed([at for at, sign in enumerate(f"{argument} ") if sign == " "][:MOST_WORDS]):
        if os.path.exists(os.path.expanduser(argument[:blank])):
            return argument[:blank], argument[blank:].strip()
    try:
        rest = io.StringIO(argument)
        lexer = shlex.shlex(rest, posix=True)
        lexer.whitespace_split, lexer.commenters = True, ""
        if sys.platform == "win32":
            lexer.escape = ""
        return lexer.get_token() or "", rest.read().strip()
    except ValueError:  # a quote that is not closed
        place, _, question = argument.partition(" ")
        return place, question.strip()
