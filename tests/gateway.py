"""`voicechat serve` inside the test's own process: the real application, served by uvicorn on a free port."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from voicechat.config import load
from voicechat.serve.budget import LEASE_S
from voicechat.serve.gateway import Gateway, Limits
from voicechat.serve.models import Models
from voicechat.serve.server import Address, bind, server_on
from voicechat.serve.store import MemoryStore, Store
from voicechat.serve.tokens import Tokens

NOTHING = Path(os.devnull)


class Served:
    def __init__(self, gateway: Gateway, port: int):
        self.gateway = gateway
        self.port = port

    @property
    def here(self) -> str:
        return f"//127.0.0.1:{self.port}"

    def official(self, key: str = "none") -> AsyncOpenAI:
        """The unmodified client."""
        return AsyncOpenAI(api_key=key, base_url=f"http:{self.here}/v1", websocket_base_url=f"ws:{self.here}/v1")


@asynccontextmanager
async def served(
    config: Path,
    *,
    limits: Limits = Limits(),
    aliases: Mapping[str, str] = {},
    origins: tuple[str, ...] = (),
    store: Store | None = None,
    lease_s: float = LEASE_S,
) -> AsyncIterator[Served]:
    """A server with the settings of a file that need not say anything; its sessions are over when it is left."""
    loaded = load(config if config.is_file() else NOTHING)  # noqa: ASYNC240 - once
    settings = loaded.settings.serve
    models = Models(loaded, {**settings.models, **aliases})
    gateway = Gateway(
        models, Tokens(settings.tokens), limits, store=store or MemoryStore(), lease_s=lease_s, origins=origins
    )
    listener = bind(Address("127.0.0.1", 0))
    server = server_on(gateway, Address("127.0.0.1", 0))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield Served(gateway, listener.getsockname()[1])
    finally:
        await gateway.drain()
        server.should_exit = True
        await running
        await gateway.close()
        listener.close()


async def until(connection: Any, kind: str, *, errors: bool = False) -> list[Any]:
    """The events up to the first of that kind."""
    seen = []
    async with asyncio.timeout(30):
        async for event in connection:
            assert errors or event.type != "error", event
            seen.append(event)
            if event.type == kind:
                break
    return seen
