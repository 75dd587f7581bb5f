"""Which model answers: the one that is named, or one that Ollama has; a missing one is told with its remedy."""

import asyncio
from dataclasses import dataclass, field
from functools import partial

import pytest

from tests.unit.chat_client import COMPANION, QUESTION
from tests.unit.chat_server import chat_server, words
from tests.unit.offline_client import NOBODY, session, spoken_text
from voicechat.config.choose import Local
from voicechat.engine.chat import FAILED, ChatAnswerer, ChatEndpoint, ollama_models, talker
from voicechat.engine.chat_messages import MANNER
from voicechat.engine.engine import OfflineSettings, connect
from voicechat.engine.provider import offline_service
from voicechat.errors import ConfigError
from voicechat.providers.base import ProviderOptions
from voicechat.wire.network import Network


@pytest.mark.parametrize(
    ("port", "told"),
    [
        (
            "11434",
            "Ollama has no model big-model: fetch it with `ollama pull big-model`. It has little-model, other-model.",
        ),
        ("1", "There is no model big-model at {url}. It has little-model, other-model."),
    ],
)
def test_a_missing_model_is_explained(port: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        body = b'{"error": {"message": "model \'big-model\' not found"}}'
        async with chat_server(status=404, error=body, models=("little-model", "other-model")) as chat:
            if port == "11434":
                monkeypatch.setattr("voicechat.engine.chat._OLLAMA_PORT", int(chat.url.split(":")[2].split("/")[0]))
            lines: list[str] = []
            answerer = ChatAnswerer(ChatEndpoint(chat.url, "big-model"), COMPANION, lines.append)
            assert "".join([piece async for piece in answerer.answer(QUESTION, "")]) == f"{FAILED}It is 3:04 PM."
            await answerer.close()
            assert lines == [told.format(url=chat.url)]

    asyncio.run(main())


def test_ollamas_models_are_found() -> None:
    async def main() -> None:
        async with chat_server(models=("little-model", "other-model")) as chat:
            assert await ollama_models(chat.url, timeout_s=5) == ["little-model", "other-model"]
        assert await ollama_models(chat.url, timeout_s=5) == []
        async with chat_server(models=()) as chat:
            assert await ollama_models(chat.url, timeout_s=5) == []

    asyncio.run(main())


@pytest.mark.parametrize(("wanted", "used"), [("", "little-model"), ("little-model", "little-model")])
def test_a_session_uses_the_ollama_it_finds(wanted: str, used: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A busy machine does not answer within the moment that a start may take.
    monkeypatch.setattr("voicechat.engine.engine.ollama_models", partial(ollama_models, timeout_s=5))

    async def main() -> None:
        async with (
            chat_server(words("Found.")) as chat,
            session(OfflineSettings(ollama_url=chat.url, chat_model=wanted)) as client,
        ):
            assert spoken_text((await client.say("hello"))["response"]) == "Found."
            assert chat.requests[0]["model"] == used

    asyncio.run(main())


def test_a_missing_extra_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="not installed") as error:
        connect(NOBODY)
    assert "pip install '.[offline]'" in error.value.hint


@dataclass(frozen=True)
class Choice:
    options: ProviderOptions
    chat: ChatEndpoint
    local: Local = field(default_factory=Local)
    network: Network = field(default_factory=Network)


@pytest.mark.parametrize(
    ("model", "url", "expected"),
    [("companion", "", "companion"), ("companion", "http://x/v1", "m"), ("flagged", "http://x/v1", "flagged")],
)
def test_the_provider_is_named_after_who_answers(model: str, url: str, expected: str) -> None:
    options = ProviderOptions(model=model, voice="en-gb")
    provider, _ = offline_service(Choice(options, ChatEndpoint(url, "m", "k")))
    assert (provider.name, provider.model, provider.voice) == ("offline", expected, "en-gb")


def test_a_session_talks_with_the_endpoint_and_names_its_model() -> None:
    async def main() -> None:
        async with (
            chat_server(words("Nice to hear. Tell me more."), words("Fine.")) as chat,
            session(OfflineSettings(chat_url=chat.url, chat_model="big-model")) as client,
        ):
            updated = await client.update(instructions="Be kind.")
            assert updated["session"]["model"] == "big-model"
            done = await client.say("I am tired")
            assert spoken_text(done["response"]) == "Nice to hear. Tell me more."
            await client.say("no")
            assert [turn["content"] for turn in chat.requests[1]["messages"]] == [
                f"{MANNER}\nBe kind.",
                "I am tired",
                "Nice to hear. Tell me more.",
                "no",
            ]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        (("nomic-embed-text:latest", "llama3.2:3b"), "llama3.2:3b"),
        (("qwen3:4b", "bge-m3:latest"), "qwen3:4b"),
        (("bge-m3",), "bge-m3"),
    ],
)
def test_a_model_that_answers_nobody_is_not_chosen(listed: tuple[str, ...], chosen: str) -> None:
    assert talker(listed) == chosen


@pytest.mark.parametrize(
    ("wanted", "listed", "told"),
    [
        ("qwen3:4b", (), "Ollama does not run here, or has no model: `ollama serve`, then `ollama pull qwen3:4b`."),
        ("qwen3:4b", ("a", "b"), "Ollama has no model qwen3:4b: fetch it with `ollama pull qwen3:4b`. It has a, b."),
        ("llama3.2", ("llama3.2:latest",), ""),
        ("", (), ""),
    ],
)
def test_a_model_that_ollama_does_not_have_is_told_before_anybody_speaks(
    wanted: str, listed: tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicechat.engine.engine.ollama_models", partial(ollama_models, timeout_s=5))

    async def main() -> None:
        async with chat_server(models=listed) as chat:
            settings = OfflineSettings(ollama_url=chat.url, chat_model=wanted)
            async with session(settings) as client:
                if told:
                    assert (await client.until("error"))["error"]["message"] == told
                else:
                    await client.update(instructions="Be kind.")
                    assert client.of("error") == []

    asyncio.run(main())
