"""What a conversation costs: prices and meters by value, and where prices come from."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from voicechat import prices
from voicechat.conversation.budget import Budget
from voicechat.conversation.notices import UsageNotice, money
from voicechat.conversation.usage import UsageMeter
from voicechat.prices import price_of, understood
from voicechat.realtime.events import Usage
from voicechat.realtime.price import Price

GA = Price(
    "USD",
    input_text=4.0,
    input_audio=32.0,
    input_image=5.0,
    cached_text=0.4,
    cached_audio=0.4,
    output_text=16.0,
    output_audio=64.0,
)


def per_million(usage: Usage, price: Price = GA) -> float | None:
    cost = price.cost(usage)
    return None if cost is None else round(cost * 1_000_000, 6)


# --- What a use costs ---


def test_every_modality_has_its_price_and_the_cached_part_its_own() -> None:
    usage = Usage(
        input_tokens=111,
        output_tokens=30,
        input_text_tokens=60,
        input_audio_tokens=50,
        input_image_tokens=1,
        cached_tokens=30,
        cached_text_tokens=20,
        cached_audio_tokens=10,
        output_text_tokens=10,
        output_audio_tokens=20,
    )
    spent = 40 * 4 + 20 * 0.4 + 40 * 32 + 10 * 0.4 + 1 * 5 + 10 * 16 + 20 * 64
    assert per_million(usage) == pytest.approx(spent)


def test_what_is_cached_costs_as_much_as_the_rest_where_no_price_for_it_is_named() -> None:
    usage = Usage(input_tokens=100, input_text_tokens=100, cached_tokens=60, cached_text_tokens=60)
    assert per_million(usage, Price("CNY", input_text=2.0)) == 200
    assert per_million(usage, Price("CNY", input_text=2.0, cached_text=1.0)) == 140


def test_a_cached_part_without_a_kind_is_of_the_only_kind_there_is() -> None:
    assert per_million(Usage(input_tokens=100, input_text_tokens=100, cached_tokens=60)) == 40 * 4 + 60 * 0.4
    mixed = Usage(input_tokens=100, input_text_tokens=50, input_audio_tokens=50, cached_tokens=60)
    assert per_million(mixed) is None


@pytest.mark.parametrize(
    "usage",
    [
        Usage(input_tokens=10),  # of no modality
        Usage(output_tokens=10, output_text_tokens=4),
        Usage(input_tokens=1, input_text_tokens=1, cached_tokens=3, cached_text_tokens=3),  # more than there is
        Usage(seconds=3.0),
    ],
)
def test_what_is_not_known_is_not_guessed(usage: Usage) -> None:
    assert GA.cost(usage) is None


def test_an_unknown_price_of_what_was_not_used_does_not_matter() -> None:
    price = Price("USD", input_text=1.0, output_text=1.0)
    assert per_million(Usage(2, 3, input_text_tokens=2, output_text_tokens=3), price) == 5
    assert per_million(Usage(2, 3, input_text_tokens=2, output_audio_tokens=3), price) is None


def test_the_text_of_a_spoken_answer_may_be_free() -> None:
    price = Price("CNY", output_text=10.0, output_audio=20.0, spoken_text_free=True)
    assert per_million(Usage(0, 8, output_text_tokens=5, output_audio_tokens=3), price) == 60
    assert per_million(Usage(0, 5, output_text_tokens=5), price) == 50


def test_seconds_and_messages_have_their_price() -> None:
    assert Price("USD", second=0.001, message=0.004).cost(Usage(seconds=60.0, messages=2)) == pytest.approx(0.068)
    assert Price("USD").cost(Usage(messages=2)) == 0  # a message is its tokens, mostly


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (0.01234, "USD", "$0.0123"),
        (1.5, "CNY", "¥1.50"),
        (0.0, "USD", "$0.00"),
        (2.0, "SEK", "SEK 2.00"),
        (0.5, None, "0.50"),
    ],
)
def test_money_is_written_short(amount: float, currency: str | None, shown: str) -> None:
    assert money(amount, currency) == shown


# --- The meters ---


def test_the_meters_tell_each_turn_and_the_session() -> None:
    meter = UsageMeter()
    meter.charge(Price("USD", input_text=1e6, output_audio=2e6))
    meter.typed(1)
    first = meter.add(1, Usage(3, 1, input_text_tokens=3, output_audio_tokens=1))
    second = meter.add(2, Usage(2, 0, input_text_tokens=2, seconds=0.0))
    assert (first.cost, first.session_cost, first.messages, first.currency) == (5.0, 5.0, 1, "USD")
    assert (second.cost, second.session_cost, second.messages) == (2.0, 7.0, 0)
    assert (second.session_input_tokens, second.session_output_tokens, second.session_messages) == (5, 1, 1)


def test_what_was_used_before_the_price_was_known_is_charged_too() -> None:
    meter = UsageMeter()
    early = meter.add(1, Usage(3, input_text_tokens=3))
    meter.charge(Price("USD", input_text=1e6))
    late = meter.add(2, Usage(2, input_text_tokens=2))
    assert (early.cost, early.session_cost, early.currency) == (None, None, None)
    assert (late.cost, late.session_cost) == (2.0, 5.0)


def test_costs_are_added_up_response_by_response() -> None:
    """The sum of what was used would make the text of the written answer free, and the cached part nobody's."""
    meter = UsageMeter()
    meter.charge(
        Price("CNY", input_text=1e6, input_audio=1e6, output_text=1e6, output_audio=1e6, spoken_text_free=True)
    )
    meter.add(1, Usage(4, 3, input_text_tokens=4, cached_tokens=2, output_text_tokens=3))
    notice = meter.add(
        2, Usage(4, 6, input_audio_tokens=4, cached_tokens=2, output_text_tokens=3, output_audio_tokens=3)
    )
    assert notice.session_cost == 7.0 + 7.0


def test_one_use_of_unknown_cost_makes_the_sum_unknown_and_nothing_else() -> None:
    meter = UsageMeter()
    meter.charge(Price("USD", input_text=1e6))
    meter.add(1, Usage(2, input_audio_tokens=2))
    notice = meter.add(2, Usage(2, input_text_tokens=2))
    assert (notice.cost, notice.session_cost) == (2.0, None)
    nobody = UsageMeter()
    nobody.charge(None)
    assert nobody.add(1, Usage(2, input_text_tokens=2)).cost is None


def test_the_words_of_the_user_are_charged_by_the_model_that_writes_them_down() -> None:
    meter = UsageMeter()
    early = meter.add_words(1, Usage(seconds=3.0))
    assert (early.of, early.cost, early.session_cost, early.seconds) == ("transcription", None, None, 3.0)
    meter.charge(Price("USD", input_text=1e6), Price("USD", second=0.5))
    first = meter.add(1, Usage(2, input_text_tokens=2))
    second = meter.add_words(2, Usage(seconds=1.0))
    assert (first.of, first.cost, first.session_cost) == ("response", 2.0, 3.5)
    assert (second.cost, second.session_cost, second.session_seconds) == (0.5, 4.0, 4.0)


@pytest.mark.parametrize("words", [None, Price("CNY", second=0.5)])
def test_words_at_an_unknown_price_or_in_another_currency_leave_no_sum(words: Price | None) -> None:
    meter = UsageMeter()
    meter.charge(Price("USD", input_text=1e6), words)
    assert meter.add(1, Usage(2, input_text_tokens=2)).session_cost == 2.0
    meter.add_words(1, Usage(seconds=1.0))
    notice = meter.add(2, Usage(2, input_text_tokens=2))
    assert (notice.cost, notice.session_cost) == (2.0, None)


# --- The limit ---


def spent(cost: float | None) -> UsageNotice:
    return UsageNotice(1, 0, 0, 0, 0, 0, 0, 0, session_cost=cost, currency="USD")


def budget(limit: float | None) -> tuple[Budget, list[str]]:
    said: list[str] = []
    return Budget(limit, lambda code, message: said.append(f"{code}: {message}")), said


def test_the_limit_warns_once_on_the_way_and_once_when_it_is_reached() -> None:
    limit, said = budget(0.5)
    for cost in (0.1, 0.39, 0.40, 0.45):
        limit.take(spent(cost))
    assert said == ["cost: This conversation has cost $0.40 of $0.50."]
    assert not limit.reached
    for cost in (0.51, 0.6):
        limit.take(spent(cost))
    assert limit.reached
    assert said[1:] == ["cost: This conversation has cost $0.51 of $0.50: it ends after this answer."]


def test_a_limit_that_cannot_be_kept_is_said_once_and_none_is_silent() -> None:
    limit, said = budget(0.5)
    limit.take(spent(None))
    limit.take(spent(None))
    assert len(said) == 1
    assert not limit.reached
    nothing, silent = budget(None)
    nothing.take(spent(99.0))
    assert (nothing.reached, silent) == (False, [])


# --- Where a price comes from ---


def price(model: str, url: str, own: dict[str, Price] | None = None) -> Price | None:
    return asyncio.run(price_of(model, url, own or {}))


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where answers of the package are kept."""
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path)
    return tmp_path / "prices.json"


def test_the_word_of_the_configuration_comes_first(cached: Path) -> None:
    own = Price("EUR", input_text=1.0)
    assert price("qwen3.8-omni-flash-realtime", "wss://dashscope.aliyuncs.com/x", {"m": GA}) != GA
    assert price("qwen3.8-omni-flash-realtime", "wss://x", {"qwen3.8-omni-flash-realtime": own}) is own


@pytest.mark.parametrize(
    ("host", "audio"),
    [
        ("dashscope.aliyuncs.com", 6.0),
        ("ws-1.cn-beijing.maas.aliyuncs.com", 6.0),
        ("dashscope-intl.aliyuncs.com", 6.781),
        ("gateway.example", None),
        ("dashscope.aliyuncs.com.evil.example", None),
    ],
)
def test_the_table_is_for_the_services_own_addresses(host: str, audio: float | None, cached: Path) -> None:
    for model in ("qwen3.8-omni-flash-realtime", "qwen3.8-omni-flash-realtime-2026-11-02"):
        found = price(model, f"wss://{host}/api-ws/v1/realtime?model={model}")
        assert (found.input_audio if found else None) == audio
        assert found is None or (found.currency, found.as_of[:5]) == ("CNY", "2026-")
    assert price("qwen9-omni", f"wss://{host}/") is None


def test_every_entry_of_the_table_is_dated_and_complete(cached: Path) -> None:
    for service in prices._services():
        for entry in service.get("models", ()):
            found = prices._listed(service, entry["id"])
            assert found is not None
            assert found.as_of
            assert None not in (found.input_text, found.input_audio, found.output_text, found.output_audio)


def test_the_package_is_asked_once_in_a_process_of_its_own(cached: Path) -> None:
    """The figures are those of OpenAI's list, in which nothing becomes dearer within one model."""
    first = price("gpt-realtime-2.1", "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1")
    assert first is not None
    assert (first.currency, first.source.split()[0]) == ("USD", "genai-prices")
    assert (first.input_text, first.input_audio, first.output_audio, first.cached_audio) == (4.0, 32.0, 64.0, 0.4)
    kept = json.loads(cached.read_text())
    assert len(kept) == 1
    cached.write_text(json.dumps({key: {"input_text": 7.0, "second": "x", "evil": 1} for key in kept}))
    heard = price("whisper-1", "wss://api.openai.com/v1/realtime")
    assert heard is not None
    assert (heard.second, heard.input_text) == (pytest.approx(0.0001), None)
    again = price("gpt-realtime-2.1", "wss://me.openai.azure.com/openai/v1/realtime")
    assert again == Price("USD", source=first.source, input_text=7.0)
    assert price("gpt-realtime-2.1", "ws://127.0.0.1:9/v1/realtime") is None  # somebody else's


@pytest.mark.parametrize(
    "answer", [None, [], "x", 3, {}, {"input_text": None}, {"input_text": "4"}, {"output_text": 1}]
)
def test_an_answer_that_is_none_is_no_price(answer: object) -> None:
    assert understood(answer, "x") is None


@pytest.mark.parametrize("failure", [OSError("no process"), TimeoutError(), ValueError("no JSON")])
def test_a_package_that_cannot_be_asked_is_asked_again_another_time(
    failure: Exception, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(service: str, model: str) -> object:
        raise failure

    run: Callable[..., object] = prices._run
    monkeypatch.setattr(prices, "_run", fails)
    cached.write_text("not JSON")
    assert price("gpt-realtime", "wss://api.openai.com/v1/realtime") is None
    assert cached.read_text() == "not JSON"
    monkeypatch.setattr(prices, "_run", run)
