"""The thoughts of a thinking model, which stand in its answer between tags: not part of what it says."""

_NAMES = ("think", "thinking", "thought", "reasoning", "seed:think")
_OPENING = (*(f"<{name}>" for name in _NAMES), "[THINK]", "◁think▷", "<|begin_of_thought|>")
_CLOSING = (*(f"</{name}>" for name in _NAMES), "[/THINK]", "◁/think▷", "<|end_of_thought|>")
_FIRST_SIGNS = "<[◁"


class Thoughts:
    """Takes text as it comes, gives what is outside of thoughts; a tag may come in pieces.

    `begins_inside`: the text may begin with thoughts although no tag opens them, since some servers give the opening
    one to the model themselves. Then it is kept until a tag tells, or `apart` is called, or the text has ended.
    """

    def __init__(self, *, begins_inside: bool = False):
        self._rest = ""
        self._thinking = False
        self._unsure = begins_inside

    def feed(self, text: str) -> str:
        """What is sure to be said. A closing tag without an opening one takes back what has not been given yet."""
        self._rest += text
        said = ""
        while (found := _first(self._rest, (*_OPENING, *_CLOSING))) is not None:
            begin, end = found
            closes = self._rest[begin:end] in _CLOSING
            if not self._thinking and not closes:
                said += self._rest[:begin]
            elif not self._thinking:
                said = ""
            self._thinking, self._unsure = not closes, False
            self._rest = self._rest[end:]
        if self._unsure:
            return ""
        keep = _beginning_of_a_tag(self._rest)
        if not self._thinking:
            said += self._rest[: len(self._rest) - keep]
        self._rest = self._rest[len(self._rest) - keep :]
        return said

    def apart(self) -> None:
        """The thoughts come in another way: no need to look for them here."""
        self._unsure = False

    def flush(self) -> str:
        """The text has ended: what looked like the beginning of a tag was none."""
        rest, self._rest = self._rest, ""
        return "" if self._thinking else rest


def _first(text: str, tags: tuple[str, ...]) -> tuple[int, int] | None:
    places = [(at, at + len(tag)) for tag in tags if (at := text.find(tag)) >= 0]
    return min(places) if places else None


def _beginning_of_a_tag(text: str) -> int:
    """How many letters at the end of the text may become a tag."""
    at = max(text.rfind(sign) for sign in _FIRST_SIGNS)
    tail = text[at:] if at >= 0 else ""
    return len(tail) if tail and any(tag.startswith(tail) for tag in (*_OPENING, *_CLOSING)) else 0
