"""Whether a key is still held, where the terminal can tell: kitty's keyboard protocol, found out by asking.

Of its enhancements one is asked for, the reporting of releases: everything else is sent as ever. What comes in that
form all the same is put back into the old one, and the rest of the program never sees it.
https://sw.kovidgoyal.net/kitty/keyboard-protocol
"""

import re
import sys
from collections.abc import Callable
from typing import Any

from prompt_toolkit.input import Input, create_input
from prompt_toolkit.keys import Keys

ASK, PUSH, POP = "\x1b[?u", "\x1b[>2u", "\x1b[<u"
SPACE_UP = Keys.F24
"""The key that stands for "the space bar was let go": no keyboard has it, and it keeps its place among the others."""
_REPORT = re.compile(
    r"\x1b\[(?:\?(?P<flags>\d+)u"
    r"|(?P<code>\d+)(?::[\d:]*)?(?:;(?P<mods>\d*)(?::(?P<kind>[123]))?)?(?:;[\d:]*)?(?P<end>u)"
    r"|(?P<code2>\d+);(?P<mods2>\d+):(?P<kind2>[123])(?P<end2>[A-HPQS~]))"
)
_UNFINISHED = re.compile(r"\x1b\[\??[\d;:]*\Z")
_RELEASED, _SPACE = "3", 32
_SPACE_UP = "\x1b[24;2~"
_SHIFT, _CONTROL = 1, 4


class KeyReports:
    """Takes the terminal's reports out of what it sends. `supported` is called once, if it answers."""

    def __init__(self, supported: Callable[[], None]):
        self._supported = supported
        self._asked = True
        self._rest = ""

    def feed(self, text: str) -> str:
        """The keys in `text`, as a terminal without the protocol sends them."""
        text, self._rest = self._rest + text, ""
        if (unfinished := _UNFINISHED.search(text)) is not None:
            text, self._rest = text[: unfinished.start()], text[unfinished.start() :]
        return _REPORT.sub(self._take, text)

    def _take(self, report: re.Match[str]) -> str:
        if report["flags"] is not None:
            if self._asked:
                self._asked = False
                self._supported()
            return ""
        code, mods = int(report["code"] or report["code2"]), int(report["mods"] or report["mods2"] or 1) - 1
        if _RELEASED in (report["kind"], report["kind2"]):
            return _SPACE_UP if report["end"] and code == _SPACE else ""
        if report["end2"]:
            return _function_key(code, mods, report["end2"])
        if mods & _CONTROL:
            return chr(code & 0x1F) if code < 128 else ""
        return chr(code) if mods & ~_SHIFT == 0 and code < 0xE000 else ""


def _function_key(code: int, mods: int, end: str) -> str:
    if mods:
        return f"\x1b[{code};{mods + 1}{end}"
    return f"\x1b[{code}~" if end == "~" else f"\x1b[{end}"


def keyboard_input(reports: KeyReports) -> Input:
    """The keys of stdin, without the reports."""
    keys: Any = create_input(sys.stdin)
    if sys.platform != "win32":
        from prompt_toolkit.input.posix_utils import PosixStdinReader

        class Reader(PosixStdinReader):
            def read(self, count: int = 1024) -> str:
                return reports.feed(super().read(count))

        keys.stdin_reader = Reader(sys.stdin.fileno(), encoding=sys.stdin.encoding)
    found: Input = keys
    return found
