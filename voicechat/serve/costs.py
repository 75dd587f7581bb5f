"""What a session costs, for clients that ask for it by `?cost=true`: an event of ours beside the dialect's.

    {"type": "voicechat.cost", "event_id": …, "cost": 0.0012, "session_cost": 0.0031, "currency": "USD"}

follows whatever was charged. `cost` is that of the last, `session_cost` of all so far; null where a price is not known.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable

from voicechat.conversation.notices import UsageNotice
from voicechat.conversation.usage import UsageMeter
from voicechat.realtime import events as ev
from voicechat.realtime.codec import WireFrame
from voicechat.realtime.price import Price

FindPrice = Callable[[str], Awaitable[Price | None]]


class Costs:
    """`find` gives the price of a model, "" being the one that is talked with; None: nothing is charged for."""

    def __init__(self, find: FindPrice | None):
        self._find = find
        self._meter = UsageMeter()
        self._settled = False
        self._open = asyncio.Event()
        self._transcriber = ""
        self._last: UsageNotice | None = None

    async def learn(self) -> list[WireFrame]:
        """Find the price when the session is open. What was used before is told then."""
        if self._find is None:
            return []
        await self._open.wait()
        price = await self._find("")
        words = await self._find(self._transcriber) if price and self._transcriber else None
        self._meter.charge(price, words)
        self._settled = True
        return [] if self._last is None else [self._frame(self._last.cost)]

    def take(self, event: ev.Event) -> list[WireFrame]:
        match event:
            case ev.SessionConfigured():
                self._transcriber = self._transcriber or event.transcriber
                self._open.set()
                return []
            case ev.ResponseFinished(usage=ev.Usage() as usage) | ev.UsageReported(usage=usage):
                self._last = self._meter.add(0, usage)
            case ev.UserTranscript(usage=ev.Usage() as usage):
                self._last = self._meter.add_words(0, usage)
            case _:
                return []
        return [self._frame(self._last.cost)] if self._settled and self._last else []

    def _frame(self, cost: float | None) -> WireFrame:
        told = {"cost": cost, "session_cost": self._meter.cost, "currency": self._meter.currency}
        return json.dumps({"type": "voicechat.cost", "event_id": f"event_{secrets.token_hex(8)}", **told})
