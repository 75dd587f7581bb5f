"""What a client's handshake says: which model it wants, whose key it shows, and how it expects to be refused.

The same socket is dialled in several ways (reference, sections 2 and 15): OpenAI's address, and Azure's two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from voicechat.dialects.openai.server.profile import Dialect, Manner, chosen_dialect

DASHSCOPE_PATH = "/api-ws/v1/realtime"
PATHS = ("/v1/realtime", "/openai/v1/realtime", "/openai/realtime", DASHSCOPE_PATH)
_KEY_ITEM = "openai-insecure-api-key."
_SUBPROTOCOL = "realtime"


@dataclass(frozen=True, slots=True)
class Handshake:
    model: str
    """As the client calls it; "" when it named none."""
    key: str = field(repr=False)
    """What it shows to be let in; "" when it shows nothing."""
    dialect: Dialect | None
    subprotocol: str | None
    """To be answered with; a browser that offered some goes away without."""
    manner: Manner
    refused_by_status: bool
    """A refusal is an HTTP status, as Azure's and DashScope's; else the upgrade is granted, and then an `error` and a
    close tell why."""


def read_handshake(
    path: str, query: Mapping[str, str], headers: Mapping[str, str], subprotocols: Sequence[str]
) -> Handshake:
    """`headers` have names in lower case."""
    versioned = f"{path}?api-version=" if "api-version" in query else path
    return Handshake(
        model=query.get("model") or query.get("deployment", ""),
        key=shown_key(headers, query, subprotocols),
        dialect="beta" if path == DASHSCOPE_PATH else chosen_dialect(headers, subprotocols, versioned),
        subprotocol=_SUBPROTOCOL if _SUBPROTOCOL in subprotocols else None,
        manner="dashscope" if path == DASHSCOPE_PATH else "openai",
        refused_by_status=path.startswith(("/openai/", DASHSCOPE_PATH)),
    )


def shown_key(headers: Mapping[str, str], query: Mapping[str, str], subprotocols: Sequence[str] = ()) -> str:
    """The key of a request: a bearer's, Azure's header or query, or a browser's among its subprotocols."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer.strip():
        return bearer.strip()
    if key := headers.get("api-key", "").strip() or query.get("api-key", "").strip():
        return key
    return next((name.removeprefix(_KEY_ITEM) for name in subprotocols if name.startswith(_KEY_ITEM)), "")
