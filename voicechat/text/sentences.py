"""Cutting a stream of text into sentences, Chinese and English, and sentences that are too long into clauses."""

import re
import unicodedata

_CLOSING = "”’\"')」』）】》〉]}"
# A Chinese end needs nothing after it; a Latin one is an end only before white space (3.14, example.com).
_CLOSE = f"[{re.escape(_CLOSING)}]*"
_END = re.compile(rf"[。！？…‼⁇⁈⁉]+{_CLOSE}|[.!?]+{_CLOSE}(?=[\s\u2e80-\uffef])|\n\s*\n")
_FINISHED = re.compile(rf"[.。！？!?…]{_CLOSE}\s*$")
_CLAUSE = re.compile(r"[，、；：,;:—](?=\D|$)|\s")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[“‘\"'])(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|cf|al|No|Fig|Vol|approx|e\.g|i\.e|a\.m|p\.m|U\.S|U\.K|[A-Z])\.$"
)
_UNSPEAKABLE = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060\ufeff]")
_ZWJ = "\u200d"


def speakable(text: str) -> bool:
    """Whether there is anything to say in it: a letter or a digit of any script."""
    return any(letter.isalnum() for letter in text)


class SentenceSplitter:
    """Takes text as it comes, gives sentences as soon as they are sure to have ended.

    The sentences hold all that can be spoken, each with the space that belongs after it; none is longer than
    `max_chars`. A line break within a paragraph is a space, or nothing between Chinese letters; an empty line ends
    a sentence.
    """

    def __init__(self, max_chars: int):
        self._max = max_chars
        self._rest = ""
        self._searched = 0

    def feed(self, text: str) -> list[str]:
        """The sentences that end in what has come so far."""
        self._rest += _UNSPEAKABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n"))
        return self._take(last=False)

    def pause(self) -> list[str]:
        """No more text has come for a while: what looks finished is finished."""
        if self._rest.endswith("\n") or _FINISHED.search(self._rest[-80:]):
            return self.flush()
        return []

    def flush(self) -> list[str]:
        """The text has ended: all that is left."""
        return self._take(last=True)

    def clause(self, least: int) -> str:
        """An unfinished sentence up to its last comma or the like, with the space after it, when that is `least`
        letters long; else "". For whoever cannot wait for its end."""
        ends = [match.end() for match in _CLAUSE.finditer(self._rest) if match.group().strip()]
        ends = [end for end in ends if least <= end < len(self._rest)]
        if not ends:
            return ""
        clause, self._rest = _flowing(self._rest[: ends[-1]]), self._rest[ends[-1] :].lstrip()
        self._searched = 0
        return clause

    def _take(self, last: bool) -> list[str]:
        found: list[str] = []
        begin = 0
        text = self._rest
        for match in _END.finditer(text, self._searched):
            if match.end() == len(text) and not last:
                break  # more of the same mark, a closing quote or a second line break may follow
            if match.end() < begin or not _ends_sentence(text, begin, match):
                continue
            found += self._within(text[begin : match.end()], True)
            begin = match.end()
        self._rest = text[begin:]
        if last:
            found += self._within(self._rest, True)
            self._rest = ""
        elif len(self._rest) > self._max:
            pieces = self._within(self._rest, False)
            found += pieces[:-1]
            self._rest = pieces[-1] if pieces else ""
        # Text is searched once, but for the mark that may still grow and the word before it.
        self._searched = max(0, len(self._rest) - 8)
        return [piece for piece in found if piece.strip()]

    def _within(self, sentence: str, whole: bool) -> list[str]:
        text = _flowing(sentence) if whole else sentence
        pieces = []
        while len(text) > self._max:
            cut = _cut(text, self._max)
            piece = _flowing(text[:cut])
            within_word = not (text[cut - 1].isspace() or text[cut].isspace())
            pieces.append(piece.rstrip() if within_word else piece)
            text = text[cut:].lstrip()
        return [*pieces, text] if text else pieces


def _ends_sentence(text: str, begin: int, match: re.Match[str]) -> bool:
    mark = match.group()
    if not mark.startswith(".") or mark.startswith(".."):
        return True
    after = text[match.end() : match.end() + 40].lstrip()
    if after and after[0].islower():
        return False
    before = text[max(begin, match.start() - 12) : match.start() + 1]
    return not _ABBREVIATION.search(before) and not re.fullmatch(r"\s*\d{1,3}\.", text[begin : match.end()])


def _flowing(sentence: str) -> str:
    """One line of it, with a space at its end where the next sentence needs one."""
    words = re.sub(r"(?<=[\u2e80-\u9fff\uff00-\uffef])\s*\n\s*(?=[\u2e80-\u9fff\uff00-\uffef])", "", sentence)
    words = " ".join(words.split())
    if not words:
        return ""
    return words if "\u2e80" <= words[-1] <= "\uffef" else words + " "


def _cut(text: str, most: int) -> int:
    """Where to cut a sentence: after a clause, else after a word, else between two letters."""
    window = text[:most]
    ends = [match.end() for match in _CLAUSE.finditer(window) if match.group().strip() and match.end() > most // 3]
    if ends:
        return ends[-1]
    if (space := max(window.rfind(" "), window.rfind("\n"))) > most // 3:
        return space + 1
    cut = most
    while cut > max(1, most - 32) and (
        unicodedata.combining(text[cut]) or text[cut] in (_ZWJ, "\ufe0f") or text[cut - 1] == _ZWJ
    ):
        cut -= 1
    return cut
