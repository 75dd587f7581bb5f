"""Markdown as it would be read out: no stars, no addresses, no code; a list item is a sentence."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from voicechat.text.language import script_language

if TYPE_CHECKING:
    from markdown_it.token import Token

_CODE = {"": "Here is a piece of code.", "zh": "这里有一段代码。", "ja": "ここにコードがあります。"}
"""What is said in place of a block of code, by the language of the text before it."""
_ADDRESS = re.compile(r"(?:https?://(?:www\.)?|www\.)([^\s/<>\"')\]]+)(?:/[^\s<>\"')\]]*)?(?<![.,!?;:])")
_ENDS = ".!?…:;,。！？：；，、"
_LATIN_ENDS = (".", "!", "?", "…", ":", ";", ",")
_WIDE = {".": "。", ",": "，"}
_SENTENCE = re.compile(r"[.!?…,;:]+[\"”’)*_`\]]*\s|[。！？，：；]")
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_BLOCK_SIGN = re.compile(r"^[ \t]*(?:[-+*]|\d+[.)]|#{1,6}|>)(?=\s|$)", re.MULTILINE)
_LONG = 1500
"""Letters. Longer text is cut where a paragraph has ended, or a sentence of a plain one, because it is read anew with
every sentence."""
_BEFORE = "x "
"""Stands for the sentences before, so that what follows is not read as the beginning of a line."""
_SAID_SIGNS = "°%€$£¥+=©®™"
_INVISIBLE = ("So", "Sk", "Cs", "Co")


class SpokenText:
    """Takes markdown as it comes, gives what is to be said of it; the pieces joined are the whole.

    Given is what reads the same whatever follows: sentences that have ended, when no sign in them waits for its
    other half (`**so` may become bold) and no table or code has begun.
    """

    def __init__(self) -> None:
        self._text = ""
        self._given = 0
        """How much of what `_text` reads as was given."""

    def feed(self, text: str) -> str:
        self._text += text
        if "\n" not in text and not _SENTENCE.search(self._text, max(0, len(self._text) - len(text) - 8)):
            return ""
        settled = self._text[: _settled(self._text)]
        spoken = to_speech(settled)
        if settled[-1:].isspace() and spoken[-1:] in _LATIN_ENDS:
            spoken += " "  # it stands before whatever follows, and tells that the sentence has ended
        given = self._take(spoken)
        if len(settled) > _LONG and (blanks := _blank_lines(settled)):
            # Read to here it reads the same with anything after it, so the beginning need not be read again.
            head, self._text = self._text[: blanks[-1]], self._text[blanks[-1] :]
            before = to_speech(f"{head}x")[:-1]
            given += before[self._given :]
            self._given = max(0, self._given - len(before))
        elif len(settled) > _LONG and not _BLOCK_SIGN.search(settled) and not _FENCE.search(settled):
            self._text, self._given = _BEFORE + self._text[len(settled) :].lstrip(), len(_BEFORE)
        return given

    def flush(self) -> str:
        """The text has ended."""
        rest = self._take(to_speech(self._text))
        self._text, self._given = "", 0
        return rest

    def _take(self, spoken: str) -> str:
        new = spoken[self._given :]
        self._given = max(self._given, len(spoken))
        return new


def to_speech(markdown: str) -> str:
    """The whole of `markdown` in words. Plain text comes back as it is, but for line breaks and addresses."""
    said = _Said()
    numbers: list[int | None] = []
    for token in _parser().parse(markdown):
        match token.type:
            case "ordered_list_open":
                numbers.append(int(token.attrGet("start") or 1))
            case "bullet_list_open":
                numbers.append(None)
            case "ordered_list_close" | "bullet_list_close":
                numbers.pop()
            case "list_item_open" if numbers and (number := numbers[-1]) is not None:
                said.add(f"{number}: ")
                numbers[-1] = number + 1
            case "inline":
                said.add(_inline(token.children or ()))
            case "paragraph_close" | "heading_close" | "tr_close":
                said.end()
            case "th_close" | "td_close":
                said.pause()
            case "fence" | "code_block":
                said.add(_CODE.get(said.language, _CODE[""]))
                said.end()
    return said.text


class _Said:
    """What is said, with the full stops and commas where the writer left it to the layout to say them; none is
    said before something follows."""

    def __init__(self) -> None:
        self.text = ""
        self._due = ""

    @property
    def language(self) -> str:
        return script_language(self.text)

    def add(self, text: str) -> None:
        if not text:
            return
        if self._due and self.text:
            wide = script_language(self.text[-12:]) in ("zh", "ja")
            if self.text[-1] not in _ENDS:
                self.text += _WIDE[self._due] if wide else self._due
            if not (wide or self.text[-1].isspace()):
                self.text += " "
        self._due = ""
        self.text += text

    def end(self) -> None:
        self._due = "."

    def pause(self) -> None:
        self._due = ","


def _inline(tokens: "Iterable[Token]") -> str:
    said = ""
    for token in tokens:
        match token.type:
            case "text" | "code_inline":
                said += _ADDRESS.sub(r"\1", token.content)
            case "image":
                said += token.content
            case "softbreak" | "hardbreak":
                said += "" if said and script_language(said[-1]) in ("zh", "ja") else " "
    shown = (letter for letter in said if letter in _SAID_SIGNS or unicodedata.category(letter) not in _INVISIBLE)
    return re.sub(r" +", " ", "".join(shown)).strip()


def _settled(text: str) -> int:
    """How much of the beginning of `text` reads the same whatever follows."""
    fences = [match.start() for match in _FENCE.finditer(text)]
    if len(fences) % 2:
        return fences[-1]
    begin = max([0, *_blank_lines(text)])
    if "|" in text[begin:]:
        return begin  # a table, perhaps
    begin = max([begin, *(match.start() for match in _BLOCK_SIGN.finditer(text, begin))])
    ends = [match.end() for match in _SENTENCE.finditer(text, begin)]
    return next((end for end in reversed(ends) if _balanced(text[begin:end])), begin)


def _blank_lines(text: str) -> list[int]:
    """The ends of the empty lines outside of code."""
    fences = [match.start() for match in _FENCE.finditer(text)]
    ends = [match.end() for match in _BLANK_LINE.finditer(text)]
    return [end for end in ends if sum(fence < end for fence in fences) % 2 == 0]


def _balanced(text: str) -> bool:
    pairs = all(text.count(sign) % 2 == 0 for sign in ("**", "*", "_", "`", "~~"))
    return pairs and text.count("[") == text.count("]") and text.count("(") == text.count(")")


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
