"""Which dialect a client speaks, and what a server is told about the service it stands for."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

Dialect = Literal["ga", "beta"]
Manner = Literal["openai", "dashscope"]
"""Whose Beta: DashScope's has sound of 16 kHz on the way in, pictures in a buffer of their own, the user's words whole
each time, and an end of its own (qwen-dashscope reference, section 18.2)."""


def chosen_dialect(headers: Mapping[str, str], subprotocols: Collection[str], path: str = "") -> Dialect | None:
    """What a client's handshake says (reference, sections 1 and 2.1); None where it says nothing: then the session is
    in GA's form until the shape of the first `session.update` tells.

    The names of `headers` are in lower case, as on every modern server. `path` is Azure's way to tell: its preview
    has no `/v1`, and is asked with `api-version`.
    """
    if headers.get("openai-beta", "").replace(" ", "").startswith("realtime=v1"):
        return "beta"
    if "openai-beta.realtime-v1" in subprotocols:
        return "beta"
    if "/openai/realtime" in path and "api-version=" in path:
        return "beta"
    return None


@dataclass(frozen=True, slots=True)
class ServerProfile:
    """The service behind the codec, as its clients see it."""

    model: str = ""
    """As its session is shown. An update may name any other: what was dialled stays."""
    voice: str = "alloy"
    """In force until the client chooses one."""
    knows_voice: Callable[[str], bool] = lambda voice: True
    voices: str = "the voices of this service"
    """What to say to a client that asked for another."""
    manner: Manner = "openai"
    asides: bool = False
    """Answers can be asked for that are no part of the conversation."""
