"""What a session costs, as a client that asks is told it."""

import asyncio
import json
from typing import Any

from voicechat.realtime import events as ev
from voicechat.realtime.price import Price
from voicechat.serve.costs import Costs

USED = ev.Usage(input_tokens=1000, output_tokens=500, input_text_tokens=1000, output_text_tokens=500)
ANSWERED = ev.ResponseFinished("resp_1", "completed", usage=USED)
PRICES = {"": Price("USD", input_text=1.0, output_text=2.0), "words": Price("USD", second=0.01)}


def told(frames: list[str | bytes]) -> list[Any]:
    events = [json.loads(frame) for frame in frames]
    assert all(event.pop("event_id") and event.pop("type") == "voicechat.cost" for event in events)
    return events


def test_what_was_used_before_the_price_was_known_is_told_with_it() -> None:
    async def find(model: str) -> Price | None:
        return PRICES[model]

    async def main() -> None:
        costs = Costs(find)
        assert costs.take(ev.SessionConfigured(transcriber="words")) == []
        assert costs.take(ANSWERED) == []
        assert told(await costs.learn()) == [{"cost": None, "session_cost": 0.002, "currency": "USD"}]
        assert told(costs.take(ANSWERED)) == [{"cost": 0.002, "session_cost": 0.004, "currency": "USD"}]
        heard = ev.UserTranscript("item_1", "hello", final=True, usage=ev.Usage(seconds=2.0))
        assert told(costs.take(heard)) == [{"cost": 0.02, "session_cost": 0.024, "currency": "USD"}]
        late = ev.UsageReported("resp_2", USED)
        assert told(costs.take(late)) == [{"cost": 0.002, "session_cost": 0.026, "currency": "USD"}]

    asyncio.run(main())


def test_a_price_that_nobody_knows_is_null_and_what_is_free_is_not_told() -> None:
    async def unknown(model: str) -> Price | None:
        return None

    async def main() -> None:
        costs = Costs(unknown)
        costs.take(ev.SessionConfigured())
        assert await costs.learn() == []
        assert told(costs.take(ANSWERED)) == [{"cost": None, "session_cost": None, "currency": None}]
        free = Costs(None)
        assert (await free.learn(), free.take(ANSWERED)) == ([], [])

    asyncio.run(main())
