"""The thoughts of a thinking model, which stand in its answer between tags: not part of what it says."""

import re

_NAMES = ("think", "thinking", "thought", "reasoning", "seed:think")
_HARMONY = ("<|start|>", "<|channel|>analysis", "<|channel|>commentary")
"""Of gpt-oss: thoughts and calls, to the channel `final`."""
_OPENING = (*(f"<{name}>" for name in _NAMES), "[think]", "◁think▷", "<|begin_of_thought|>", *_HARMONY)
_CLOSING = (
    *(f"</{name}>" for name in _NAMES), "[/think]", "◁/think▷", "<|end_of_thought|>", "<|channel|>final<|message|>"
)  # fmt: skip
_ENDS = ("<|end|>", "<|return|>")
_TAGS = (*_OPENING, *_CLOSING, *_ENDS)
_TAG = re.compile("|".join(re.escape(tag) for tag in _TAGS), re.IGNORECASE)
_FIRST_SIGNS = "<[◁"


class Thoughts:
    """Takes text as it comes, gives what is outside of thoughts; a tag may come in pieces.

    Thoughts come before the first word: an opening tag after one is written about, and stays. `begins_inside`: the
    text may begin with thoughts although no tag opens them, since some servers give the opening one to the model
    themselves. Then it is kept until a tag tells, or `apart` is called, or the text has ended.
    """

    def __init__(self, *, begins_inside: bool = False):
        self._rest = ""
        self._thinking = False
        self._unsure = begins_inside
        self._begun = False
        """Whether a word has been said."""
        self._written_about = False

    def feed(self, text: str) -> str:
        """What is sure to be said. A closing tag without an opening one takes back what has not been given yet."""
        self._rest += text
        said = ""
        while (found := _TAG.search(self._rest)) is not None:
            before, tag, self._rest = self._rest[: found.start()], found[0], self._rest[found.end() :]
            if self._thinking:
                self._thinking = tag.lower() not in _CLOSING
            elif tag.lower() in _ENDS:
                said += before
            elif tag.lower() in _CLOSING and not self._written_about:
                said = ""
            elif self._begun or self._written_about or ((said + before).strip() and not self._unsure):
                said += before + tag
                self._written_about = True
            else:
                self._thinking = True
            self._unsure = False
        if self._unsure:
            return ""
        keep = _beginning_of_a_tag(self._rest)
        if not self._thinking:
            said += self._rest[: len(self._rest) - keep]
        self._rest = self._rest[len(self._rest) - keep :]
        self._begun = self._begun or bool(said.strip())
        return said

    def apart(self) -> None:
        """The thoughts come in another way: no need to look for them here."""
        self._unsure = False

    def flush(self) -> str:
        """The text has ended: what looked like the beginning of a tag was none."""
        rest, self._rest = self._rest, ""
        return "" if self._thinking else rest


def _beginning_of_a_tag(text: str) -> int:
    """How many letters at the end of the text may become a tag."""
    # A tag of gpt-oss has several of the first signs, so the earliest that may be one counts.
    tails = (text[at:].lower() for at, sign in enumerate(text) if sign in _FIRST_SIGNS)
    return next((len(tail) for tail in tails if any(tag.startswith(tail) for tag in _TAGS)), 0)
