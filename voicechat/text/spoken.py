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
_OF_ADDRESS = r"[^\s/<>\"'()\[\]\u2013-\u2026\u2e80-\uffef]"
"""No Chinese: it needs no space after an address, and is written in percents within one."""
_ADDRESS = re.compile(
    rf"(?:https?://(?:www\.)?|www\.)({_OF_ADDRESS}+|(?=[\u2e80-\uffef]))"
    rf"(?:/(?:{_OF_ADDRESS}|/|\((?:{_OF_ADDRESS}|/)*\))*)?(?<![.,!?;:])"
)
_ENDS = ".!?…:;,。！？：；，、"
_LATIN_ENDS = (".", "!", "?", "…", ":", ";", ",")
_WIDE = {".": "。", ",": "，"}
_SENTENCE = re.compile(r"[.!?…,;:]+[\"”’)*_`\]]*\s|[。！？，：；]")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_BLOCK_SIGN = re.compile(r"^[ \t]*(?:[-+*]|\d{1,2}[.)]|#{1,6}|>)(?=\s|$)", re.MULTILINE)
_TABLE = re.compile(r"^[ \t]*(?:\||:?-+:?[ \t]*\|)", re.MULTILINE)
_LARGE_NUMBER = re.compile(r"^([ \t]*\d{3,9})(?=\.\s)", re.MULTILINE)
"""Begins a sentence (a year, most often), and no list."""
_TAG = re.compile(
    r"</?(?:a|b|big|br|center|code|div|em|font|h[1-6]|hr|i|kbd|li|mark|ol|p|s|small|span|strong|sub|sup|u|ul)"
    r"(?:\s[^<>\n]*|/)?>",
    re.IGNORECASE,
)
_BOX = re.compile(r"^\[[ xX]\] ")
_HOPELESS = 120
"""Letters. So long is waited for the other half of a sign."""
_PAIRED = re.compile(r"[*_~`\[<]")
_OTHER_HALVES = (" x** x* x__ x_ x~~ x](y) x>", " x``` x`` x`")
"""Closes every sign that may be open. Code goes by itself, because nothing else is closed within it."""
_TIMES = re.compile(r"(?<=[\d)])(?:\*| \* )(?=[\d(])|(?:(?<=\b[A-Za-z])|(?<=[\d)]))\*(?=[A-Za-z]\b|\d)")
_POWER = re.compile(r"(?:(?<=[\w)])\^|(?<=\d)\*\*(?=\d))(?:(-?[A-Za-z0-9]+)|\(([^()\n]+)\))")
_SIGN = re.compile("℃|℉|°C|°F|㎡|№ ?")
_SIGNS = {
    "℃": ("°C", "摄氏度"), "°C": ("°C", "摄氏度"), "℉": ("°F", "华氏度"), "°F": ("°F", "华氏度"),
    "㎡": (" square metres", "平方米"), "№": ("number ", "第"),
}  # fmt: skip
_CLAUSE = re.compile(r"[^.!?…,;:。！？，：；\n]*")
_LONG = 500
"""Letters. Longer text is cut where a paragraph has ended, or a sentence of a plain one, because it is read anew with
every sentence."""
_BEFORE = {"": "x ", "zh": "一，"}
"""Stands for the sentences before, so that what follows is not read as the beginning of a line, by their language."""
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
        end, sure = _settled(self._text)
        settled = self._text[:end]
        spoken = to_speech(settled)
        if settled[-1:].isspace() and spoken[-1:] in _LATIN_ENDS and not _wide(spoken):
            spoken += " "  # it stands before whatever follows, and tells that the sentence has ended
        given = self._take(spoken)
        if len(settled) > _LONG and (blanks := _blank_lines(settled)):
            # Read to here it reads the same with anything after it, so the beginning need not be read again.
            head, self._text = self._text[: blanks[-1]], self._text[blanks[-1] :]
            before = to_speech(f"{head}x")[:-1]
            given += before[self._given :]
            self._given = max(0, self._given - len(before))
        elif not sure or (len(settled) > _LONG and not _BLOCK_SIGN.search(settled) and not _FENCE.search(settled)):
            before = _BEFORE.get(script_language(settled), _BEFORE[""])
            self._text, self._given = before + self._text[len(settled) :].lstrip(), len(before)
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
    for token in _parser().parse(_LARGE_NUMBER.sub(r"\1\\", _in_words(markdown))):
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
                said.add(_BOX.sub("", _inline(token.children or ())))
            case "paragraph_close" | "heading_close" | "tr_close":
                said.end()
            case "th_close" | "td_close":
                said.pause()
            case "fence":
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
            wide = _wide(self.text)
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


def _wide(text: str) -> bool:
    """Whether no space comes after a sentence that ends here."""
    return script_language(text[-12:]) in ("zh", "ja")


def _inline(tokens: "Iterable[Token]") -> str:
    said = ""
    for token in tokens:
        match token.type:
            case "text":
                said += _ADDRESS.sub(r"\1", _TAG.sub(" " if "<br" in token.content else "", token.content))
            case "code_inline":
                said += _ADDRESS.sub(r"\1", token.content)
            case "image":
                said += token.content
            case "softbreak" | "hardbreak":
                said += "" if said and script_language(said[-1]) in ("zh", "ja") else " "
    shown = (letter for letter in said if letter in _SAID_SIGNS or unicodedata.category(letter) not in _INVISIBLE)
    return re.sub(r" +", " ", "".join(shown)).strip()


def _in_words(text: str) -> str:
    """The signs of arithmetic that markdown would take for its own, and units that have a letter of their own."""

    def signs(match: "re.Match[str]") -> str:
        return _SIGNS[match[0].strip()][_chinese(match)]

    def power(match: "re.Match[str]") -> str:
        exponent = match[1] or match[2]
        return f"的{exponent}次方" if _chinese(match) else f" to the power of {exponent}"

    text = _TIMES.sub(lambda match: "乘" if _chinese(match) else " times ", text)
    return _SIGN.sub(signs, _POWER.sub(power, text))


def _chinese(match: "re.Match[str]") -> bool:
    """Whether a Chinese text goes on at a match, by its line so far or by the rest of its clause: no more of it, so
    that it does not matter what follows."""
    text = match.string
    before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
    clause = _CLAUSE.match(text, match.end())
    return "zh" in (script_language(before), script_language(clause[0] if clause else ""))


def _settled(text: str) -> tuple[int, bool]:
    """How much of the beginning of `text` can be given, and whether it reads the same whatever follows: a sign that
    waits for its other half for too long is not waited for."""
    fences = [match.start() for match in _FENCE.finditer(text)]
    if len(fences) % 2:
        return fences[-1], True
    begin = max([0, *_blank_lines(text)])
    if _TABLE.search(text, begin):
        return begin, True
    begin = max([begin, *(match.start() for match in _BLOCK_SIGN.finditer(text, begin))])
    ends = [match.end() for match in _SENTENCE.finditer(text, begin)]
    settled = next((end for end in reversed(ends) if _balanced(text[begin:end])), begin)
    if ends and ends[-1] - settled > _HOPELESS:
        return ends[-1], False
    return settled, "|" not in text[begin:settled]


def _blank_lines(text: str) -> list[int]:
    """The ends of the empty lines outside of code."""
    fences = [match.start() for match in _FENCE.finditer(text)]
    ends = [match.end() for match in _BLANK_LINE.finditer(text)]
    return [end for end in ends if sum(fence < end for fence in fences) % 2 == 0]


def _balanced(text: str) -> bool:
    """Whether no sign in it waits for its other half: it reads the same before any of them."""
    if not _PAIRED.search(text):
        return True
    spoken = to_speech(text)
    return all(to_speech(text.rstrip() + halves).startswith(spoken) for halves in _OTHER_HALVES)


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("code")
