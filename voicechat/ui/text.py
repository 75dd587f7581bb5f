"""Foreign text made safe for a terminal: everything a service, a person or a device says passes through `clean`."""

import re
from functools import lru_cache

_BREAKS = re.compile("[\t\n\v\f\r\x85\u2028\u2029]+")
_NEWLINES = re.compile("\r\n|[\n\v\f\r\x85\u2028\u2029]")
# C0, DEL and C1 can be commands to the terminal; embeddings, overrides and isolates reorder what stands around
# them; a lone surrogate cannot be encoded.
_HARMFUL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CLOSING = frozenset("，。、；：？！）】》」』〉〕…—～·,.;:?!)]}%’”ー々")
_OPENING = frozenset("（【《「『〈〔([{‘“")
_COLUMNS = re.compile(r"\s*\S+(?: \S+)*\s{2,}(?=\S)")
"""The first column of a row of a table: words, then two spaces at least."""


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def clean(text: str, *, multiline: bool = False) -> str:
    """`text` with control characters written out (`\\x1b[31m`) and bidirectional overrides too (`\\u202e`).

    Line breaks and tabs become one space; with `multiline` the line breaks are kept as `\\n`.
    """
    if multiline:
        return "\n".join(clean(line) for line in _NEWLINES.split(text))
    return _HARMFUL.sub(_escape, _BREAKS.sub(" ", text))


def escape_json(line: str) -> str:
    """A JSON text in which what may harm a terminal or a line reader is written as `\\uXXXX`. Its value is the same."""
    return re.sub(
        "[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", lambda match: f"\\u{ord(match.group()):04x}", line
    )


def cells(text: str) -> int:
    """How many cells a terminal may need for `text`: as many as the most spendthrift one.

    An emoji of several (joined, with a colour of skin, a flag) takes two cells in a terminal that knows it, and two
    for each of its parts in one that does not. Whoever reckons with the more never writes beyond the edge of either.
    """
    from wcwidth import iter_graphemes

    if text.isascii():
        return len(text)
    return sum(map(_cluster_cells, iter_graphemes(text)))


@lru_cache(4096)
def _cluster_cells(cluster: str) -> int:
    from wcwidth import wcwidth, width

    if len(cluster) == 1:
        return max(wcwidth(cluster), 0)
    return max(int(width(cluster)), sum(max(wcwidth(character), 0) for character in cluster))


def plainer(text: str) -> str:
    """`text` with each emoji that terminals disagree about reduced to its first part, about which they agree.

    For what is drawn again and again: there the cursor is moved by a count of cells.
    """
    from wcwidth import iter_graphemes, wcwidth, width

    def agreed(cluster: str) -> str:
        if len(cluster) == 1 or int(width(cluster)) == sum(max(wcwidth(character), 0) for character in cluster):
            return cluster
        return cluster[0]

    return text if text.isascii() else "".join(map(agreed, iter_graphemes(text)))


def shorten(text: str, room: int) -> str:
    """As much of `text` as fits into `room` cells, with `…` for what does not. No cluster is cut through."""
    if cells(text) <= room:
        return text
    from wcwidth import iter_graphemes

    kept, used = "", 0
    for cluster in iter_graphemes(text):
        used += _cluster_cells(cluster)
        if used > room - 1:
            break
        kept += cluster
    return kept.rstrip() + "…"


def wrap(text: str, width: int) -> list[tuple[int, int]]:
    """Where the lines of `text` begin and end when it is broken to `width` cells; one line at least.

    Rich breaks only at spaces. Chinese and Japanese have none: they break between any two wide characters, except
    before closing and after opening punctuation. A word longer than a line is cut, but never through a letter with
    its accents, or an emoji with its parts.
    """
    from wcwidth import iter_graphemes

    lines: list[tuple[int, int]] = []
    start = used = 0
    chance = -1  # where the present line may end
    cells_at_chance = index = 0
    before = ""
    for cluster in text if text.isascii() else iter_graphemes(text):
        if cluster == "\n":
            lines.append((start, index))
            index += 1
            start, used, chance, before = index, 0, -1, cluster
            continue
        size = _cluster_cells(cluster)
        if index > start and _breaks_between(before, cluster):
            chance, cells_at_chance = index, used
        while used + size > width and not cluster.isspace() and index > start:
            if chance > start:
                lines.append((start, chance))
                start, used = chance, used - cells_at_chance
            else:
                lines.append((start, index))
                start, used = index, 0
            chance = -1
        used += size
        index += len(cluster)
        before = cluster
    lines.append((start, len(text)))
    return [(begin, begin + len(text[begin:end].rstrip(" "))) for begin, end in lines]


def _breaks_between(before: str, after: str) -> bool:
    """Whether a line may end between two clusters."""
    if before.isspace():
        return not after.isspace()
    if after[0] in _CLOSING or before[-1] in _OPENING or not _cluster_cells(after):
        return False
    return _is_wide(after) or _is_wide(before)


def _is_wide(cluster: str) -> bool:
    from wcwidth import wcwidth

    return any(wcwidth(character) == 2 for character in cluster)


def fold(text: str, width: int) -> list[str]:
    """`text` in lines of `width` cells, broken at words. What follows the first one hangs two cells further in; in a
    row of a table (`  /mute    silences …`), below its second column.
    """
    folded: list[str] = []
    for line in text.split("\n"):
        indent = _hang(line, width)
        first = wrap(line, width)[0][1]
        hang = indent or len(line) - len(line.lstrip(" ")) + 2
        rest = line[first:].lstrip(" ")
        rows = wrap(rest, max(width - hang, 10)) if rest else []
        folded += [line[:first], *(" " * hang + rest[start:end] for start, end in rows)]
    return folded


def _hang(line: str, width: int) -> int:
    """Where the second column of a row of a table begins; 0 in what is no such row, or too narrow for it."""
    found = _COLUMNS.match(line)
    return found.end() if found and found.end() <= width // 2 else 0
