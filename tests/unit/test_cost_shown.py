"""What a conversation costs, as it is shown: the status line, the last line, `/stats`."""

import asyncio
import io

import pytest

from voicechat.audio.engine import AudioPlan
from voicechat.cli.slash import Controls
from voicechat.conversation import notices as note
from voicechat.conversation.plan import TalkPlan
from voicechat.conversation.talk import Talk
from voicechat.conversation.turn_taking import TurnTaking
from voicechat.providers.base import ProviderOptions
from voicechat.providers.openai import OpenAI
from voicechat.realtime.commands import SessionConfig
from voicechat.ui import wording
from voicechat.ui.plain import PlainView

USED = note.UsageNotice(
    turn=2,
    input_tokens=1200,
    output_tokens=80,
    cached_tokens=900,
    input_audio_tokens=300,
    output_audio_tokens=60,
    session_input_tokens=2400,
    session_output_tokens=150,
    session_messages=3,
    cost=0.0123,
    session_cost=0.151,
    currency="USD",
)


def test_stats_has_a_line_for_each_meter_that_has_run() -> None:
    assert wording.stats(USED, 83.0).splitlines() == [
        "1:23 so far, $0.15",
        "tokens: 2.4k in, 150 out; the last answer 1.2k in (300 of sound, 900 from the cache), 80 out, $0.0123",
        "messages: 3",
    ]
    assert "no usage" in wording.stats(None, 3.0)


def test_a_price_that_is_not_known_is_said_and_not_guessed() -> None:
    unknown = note.UsageNotice(1, 5, 5, 0, 0, 0, 5, 5, session_seconds=1.5)
    assert wording.stats(unknown, 3.0).splitlines()[0] == "0:03 so far, at a price that is not known"
    assert wording.stats(unknown, 3.0).splitlines()[-1] == "seconds: 1.5"
    assert wording.cost(None, "USD") == ""


@pytest.mark.parametrize(("cost", "shown"), [(0.042, "2 turns in 0:09 · $0.0420"), (None, "2 turns in 0:09")])
def test_the_last_line_has_the_cost(cost: float | None, shown: str) -> None:
    assert wording.summary(note.EndNotice("quit", 0, 2, 9.0, cost=cost, currency="USD")) == shown


def test_stats_is_asked_for_while_one_talks() -> None:
    """A remark of the program's own, no warning."""
    provider = OpenAI(ProviderOptions(api_key="k" * 20))
    err = io.StringIO()

    async def main() -> None:
        talk = Talk(provider, lambda: None, TalkPlan(SessionConfig(), TurnTaking(), AudioPlan()))  # type: ignore[arg-type,return-value]
        view = PlainView(io.StringIO(), err)
        talk._views.append(view)
        talk._publish(USED)
        Controls(talk).submit("/stats")
        view.close()

    asyncio.run(main())
    assert err.getvalue().splitlines()[0].endswith("so far, $0.15")
