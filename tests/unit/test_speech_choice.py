"""Which service reads aloud, with what model and voice; and the catalogue it is chosen from."""

from datetime import date
from pathlib import Path

import pytest

from voicechat.config import load
from voicechat.config.speech import SpeechChoice, choose_speech
from voicechat.errors import UsageError
from voicechat.providers.catalogue import providers, speech_providers


@pytest.fixture
def choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for info in providers().values():
        for name in (*info.environment.values(), *info.aliases):
            monkeypatch.delenv(name, raising=False)

    def run(config: str = "", env: dict[str, str] | None = None, **flags: object) -> SpeechChoice:
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        path = tmp_path / "config.toml"
        path.write_text(config)
        path.chmod(0o600)
        return choose_speech(load(path, flags))

    return run


def told(choice: SpeechChoice) -> tuple[str, str, str, str]:
    return choice.name, choice.protocol, choice.options.model, choice.options.voice


def test_defaults(choose) -> None:  # type: ignore[no-untyped-def]
    assert told(choose(provider="qwen")) == ("qwen", "realtime", "qwen3-tts-flash-realtime", "Cherry")
    assert told(choose(provider="openai")) == ("openai", "rest", "gpt-4o-mini-tts", "marin")
    assert told(choose(provider="azure")) == ("azure", "rest", "gpt-4o-mini-tts", "alloy")
    assert told(choose(provider="newapi")) == ("newapi", "rest", "cosyvoice-v2", "alloy")
    assert told(choose(provider="cosyvoice")) == ("cosyvoice", "inference", "cosyvoice-v2", "longxiaochun_v2")
    assert told(choose(provider="doubao")) == ("doubao", "dialogue", "1.2.1.1", "zh_female_vv_jupiter_bigtts")
    assert told(choose(provider="offline")) == ("offline", "local", "local", "heart")


def test_auto_takes_the_first_key_and_else_this_machine(choose) -> None:  # type: ignore[no-untyped-def]
    fallback = choose()
    assert (fallback.name, len(fallback.notes)) == ("offline", 0)
    assert choose(env={"OPENAI_API_KEY": "sk-1"}).name == "openai"
    assert choose(env={"DASHSCOPE_API_KEY": "sk-1"}).name == "qwen"


def test_cosyvoice_uses_the_key_and_address_of_qwen(choose) -> None:  # type: ignore[no-untyped-def]
    choice = choose('[providers.qwen]\nworkspace = "ws"\n', {"DASHSCOPE_API_KEY": "sk-1"}, provider="cosyvoice")
    assert (choice.service, choice.options.api_key, choice.options.workspace) == ("qwen", "sk-1", "ws")
    by_model = choose(provider="qwen", model="cosyvoice-v3-flash")
    assert told(by_model) == ("cosyvoice", "inference", "cosyvoice-v3-flash", "longanyang")


def test_the_conversations_model_is_not_the_one_that_reads(choose) -> None:  # type: ignore[no-untyped-def]
    config = 'provider = "openai"\nmodel = "gpt-realtime"\nvoice = "cedar"\n'
    assert told(choose(config)) == ("openai", "rest", "gpt-4o-mini-tts", "cedar")
    config += '[providers.openai]\nspeech_model = "tts-1"\nspeech_voice = "nova"\n'
    assert told(choose(config)) == ("openai", "rest", "tts-1", "nova")
    assert told(choose(config, model="my-tts", voice="mine")) == ("openai", "rest", "my-tts", "mine")


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (
            "cosyvoice-v2",
            ["longxiaochun_v2", "longnan_v2", "longmiao_v2", "longsanshu", "longyue_v2", "longyuan_v2"],
        ),
        (
            "cosyvoice-v3-flash",
            ["longxiaochun_v3", "longanzhi_v3", "longmiao_v3", "longsanshu_v3", "longyue_v3", "longyuan_v3"],
        ),
        ("cosyvoice-v3-plus", ["alloy", "echo", "fable", "onyx", "nova", "shimmer"]),
    ],
)
def test_the_aliases_of_voices(choose, model: str, names: list[str]) -> None:  # type: ignore[no-untyped-def]
    aliases = ["alloy", "echo", "fable", "onyx", "nova", "shimmer"]
    found = [choose(provider="cosyvoice", model=model, voice=alias).options.voice for alias in aliases]
    assert found == names
    known = {voice.name for voice in speech_providers()["cosyvoice"].voices(model)}
    assert set(names) <= known or names == aliases
    assert choose(provider="cosyvoice", model=model, voice="S_mine").options.voice == "S_mine"


def test_an_unknown_provider(choose) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match="Unknown provider"):
        choose(provider="nobody")


def test_the_catalogue_is_sound() -> None:
    for info in speech_providers().values():
        model = info.model()
        assert model is not None, info.name
        assert not model.retired(date(2026, 11, 20)), info.name
        assert len({voice.name for voice in info.all_voices}) == len(info.all_voices)
        for entry in info.models:
            assert entry.default_voice in [voice.name for voice in info.voices(entry.id)], entry.id
            assert entry.protocol in ("rest", "realtime", "inference", "dialogue", "local"), entry.id
        assert (info.settings_of or info.name) in providers()
        assert set(info.voice_aliases) <= {entry.group for entry in info.models}
    assert len(speech_providers()["cosyvoice"].voices("cosyvoice-v2")) == 108
    assert [voice.name for voice in speech_providers()["cosyvoice"].voices() if voice.speaks("ja")] == [
        "loongyuuna_v2", "loongyuuma_v2", "loongtomoka_v2", "loongtomoya_v2",
    ]  # fmt: skip
