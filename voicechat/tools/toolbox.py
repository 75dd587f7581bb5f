"""All tools of a conversation, by the names that the model knows them by."""

import re
from collections.abc import Iterable, Iterator

from voicechat.realtime.commands import Tool
from voicechat.tools.spec import ToolSpec

MOST_TOOLS = 128
"""The most that a service takes (openai-realtime)."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def good_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


class Toolbox:
    """Tools in the order in which they came. A name belongs to who had it first."""

    def __init__(self, tools: Iterable[ToolSpec] = ()):
        self._tools: dict[str, ToolSpec] = {}
        self.add(tools)

    def add(self, tools: Iterable[ToolSpec]) -> list[str]:
        """Take these in; a line about each that was left out."""
        complaints = []
        for spec in tools:
            if (other := self._tools.get(spec.name)) is not None:
                complaints.append(f"The tool {spec.name} of {spec.origin} is left out: {other.origin} has one, too.")
            elif len(self._tools) >= MOST_TOOLS:
                complaints.append(f"The tool {spec.name} of {spec.origin} is left out: {MOST_TOOLS} are the most.")
            else:
                self._tools[spec.name] = spec
        return complaints

    def remove(self, origin: str) -> bool:
        """Without the tools of this origin; False when there were none."""
        kept = {name: spec for name, spec in self._tools.items() if spec.origin != origin}
        changed, self._tools = len(kept) < len(self._tools), kept
        return changed

    def find(self, name: str) -> ToolSpec | None:
        return self._tools.get(name)

    def __iter__(self) -> Iterator[ToolSpec]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    @property
    def declared(self) -> tuple[Tool, ...]:
        return tuple(spec.declared for spec in self._tools.values())
