"""Foreign text made safe for a terminal: everything a service, a person or a device says passes through `clean`."""

import re

_BREAKS = re.compile("[\t\n\v\f\r\x85\u2028\u2029]+")
_NEWLINES = re.compile("\r\n|[\n\v\f\r\x85\u2028\u2029]")
# C0, DEL and C1 can be commands to the terminal; embeddings, overrides and isolates reorder what stands around
# them; a lone surrogate cannot be encoded.
_HARMFUL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CLOSING = frozenset("，。、；：？！）】》」』〉〕…—～·,.;:?!)]}%’”ー々")
_OPENING = frozenset("（【《「『〈〔([{‘“")
_JOINER = "\u200d"


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


def wrap(text: str, width: int) -> list[tuple[int, int]]:
    """Where the lines of `text` begin and end when it is broken to `width` cells; one line at least.

    Rich breaks only at spaces. Chinese and Japanese have none: they break between any two wide characters, except
    before closing and after opening punctuation. A word longer than a line is cut.
    """
    from rich.cells import get_character_cell_size

    lines: list[tuple[int, int]] = []
    start = used = 0
    chance = -1  # where the present line may end
    cells_at_chance = 0
    for index, character in enumerate(text):
        if character == "\n":
            lines.append((start, index))
            start, used, chance = index + 1, 0, -1
            continue
        cells = get_character_cell_size(character)
        if index > start and _breaks_between(text[index - 1], character, cells):
            chance, cells_at_chance = index, used
        while used + cells > width and not character.isspace() and index > start:
            if chance > start:
                lines.append((start, chance))
                start, used = chance, used - cells_at_chance
            else:
                lines.append((start, index))
                start, used = index, 0
            chance = -1
        used += cells
    lines.append((start, len(text)))
    return [(begin, begin + len(text[begin:end].rstrip(" "))) for begin, end in lines]


def _breaks_between(before: str, after: str, cells_after: int) -> bool:
    from rich.cells import get_character_cell_size

    if before.isspace():
        return not after.isspace()
    if cells_after == 0 or before == _JOINER or after in _CLOSING or before in _OPENING:
        return False
    return cells_after == 2 or get_character_cell_size(before) == 2
