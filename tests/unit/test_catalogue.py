"""The catalogue of services, by value."""

from datetime import date

import pytest

from voicechat.providers.catalogue import Model, providers

QWEN_FLASH = "qwen3.5-omni-flash-realtime"
TODAY = date(2026, 11, 20)


def names(provider: str, model: str = "") -> list[str]:
    return [voice.name for voice in providers()[provider].voices(model)]


def test_the_order_is_the_order_auto_looks_in() -> None:
    assert list(providers()) == ["qwen", "openai", "azure", "doubao", "newapi", "offline"]


def test_default_models_and_voices() -> None:
    found = {name: (info.default_model, info.default_voice()) for name, info in providers().items()}
    assert found == {
        "qwen": (QWEN_FLASH, "Cherry"),
        "openai": ("gpt-realtime-2.1", "marin"),
        "azure": ("gpt-realtime", "marin"),
        "doubao": ("1.2.1.1", "zh_female_vv_jupiter_bigtts"),
        "newapi": ("cosyvoice-v2", "alloy"),
        "offline": ("companion", "heart"),
    }


@pytest.mark.parametrize(
    ("model", "count", "default"),
    [
        ("qwen-omni-turbo-realtime", 4, "Cherry"),
        ("qwen3-omni-flash-realtime-2025-09-15", 17, "Cherry"),
        ("qwen3-omni-flash-realtime", 49, "Cherry"),
        ("qwen3-omni-flash-realtime-2025-12-01", 49, "Cherry"),
        (QWEN_FLASH, 58, "Cherry"),
        ("qwen3.5-omni-plus-realtime", 58, "Cherry"),
        ("qwen3.8-omni-flash-realtime", 56, "Tina"),
        ("qwen-audio-3.0-realtime-flash", 5, "longanqian"),
    ],
)
def test_qwens_voices_per_model(model: str, count: int, default: str) -> None:
    assert len(names("qwen", model)) == count
    assert providers()["qwen"].default_voice(model) == default


@pytest.mark.parametrize(
    ("model", "count", "prefixes"),
    [
        ("1.2.1.1", 7, {"zh", "en"}),
        ("1.2.1.0", 4, {"zh"}),
        ("O", 4, {"zh"}),
        ("2.2.0.0", 21, {"saturn"}),
        ("SC", 21, {"ICL"}),
    ],
)
def test_doubaos_voices_per_model(model: str, count: int, prefixes: set[str]) -> None:
    assert len(names("doubao", model)) == count
    assert {name.split("_")[0] for name in names("doubao", model)} == prefixes


def test_which_voice_is_on_which_model() -> None:
    assert names("qwen", "qwen-omni-turbo-realtime") == ["Cherry", "Serena", "Ethan", "Chelsie"]
    assert {"Cherry", "Ethan", "Chelsie", "Tina"} <= set(names("qwen"))
    assert not {"Cherry", "Ethan", "Chelsie", "Sunnybobi", "Harvey"} & set(names("qwen", "qwen3.8-omni-flash-realtime"))
    assert {"Zane", "Cici", "longanlingxin"} <= set(names("qwen", "qwen3.8-omni-flash-realtime"))
    assert "Zane" not in names("qwen")
    assert {"marin", "cedar"} <= set(names("openai"))
    assert not {"marin", "cedar"} & set(names("openai", "gpt-4o-realtime-preview"))


def test_a_voice_in_full() -> None:
    cherry = providers()["qwen"].voices(QWEN_FLASH)[0]
    assert (cherry.name, cherry.local, cherry.gender) == ("Cherry", "芊悦", "female")
    assert cherry.languages == ("zh", "en")
    assert cherry.description == "sunny, friendly, natural"


def test_every_default_voice_is_one_of_its_models() -> None:
    for info in providers().values():
        assert info.model() is not None, info.name
        for model in info.models:
            assert model.default_voice in [voice.name for voice in info.voices(model.id)], model.id


def test_no_voice_or_model_is_listed_twice_and_no_group_is_unused() -> None:
    for info in providers().values():
        assert len({voice.name for voice in info.all_voices}) == len(info.all_voices)
        assert len({model.id for model in info.models}) == len(info.models)
        assert {group for voice in info.all_voices for group in voice.groups} == {m.group for m in info.models}


def test_no_default_model_is_retired() -> None:
    for info in providers().values():
        model = info.model()
        assert model is not None
        assert not model.retired(TODAY), model.id


def test_retirement_dates() -> None:
    retired = {model.id for model in providers()["qwen"].models if model.retired(TODAY)}
    assert retired == {
        "qwen3-omni-flash-realtime",
        "qwen3-omni-flash-realtime-2025-12-01",
        "qwen-omni-turbo-realtime",
        "qwen-omni-turbo-realtime-latest",
        "qwen-omni-turbo-realtime-2025-05-08",
    }
    assert Model("m", retires=date(2027, 1, 20)).retired(date(2027, 1, 19)) is False
    assert Model("m", retires=date(2027, 1, 20)).retired(date(2027, 1, 20)) is True


def test_a_snapshot_nobody_listed_has_the_voices_of_its_model() -> None:
    info = providers()["qwen"]
    assert info.default_voice("qwen3.8-omni-flash-realtime-2027-01-01") == "Tina"
    assert info.default_voice("qwen3-omni-flash-realtime-2026-01-01") == "Cherry"
    assert info.model("qwen9-omni-flash-realtime") is None
    assert info.voices("qwen9-omni-flash-realtime") == ()
    assert info.default_voice("qwen9-omni-flash-realtime") == ""


@pytest.mark.parametrize(
    ("language", "found"),
    [
        ("de", ["Lenn"]),
        ("German", ["Lenn"]),
        ("zh-sichuan", ["Sunny", "Eric"]),
        ("cantonese", ["Rocky", "Kiki"]),
        ("ja-JP", ["Ono Anna"]),
        ("xx", []),
    ],
)
def test_voices_by_language(language: str, found: list[str]) -> None:
    voices = providers()["qwen"].voices("qwen3-omni-flash-realtime")
    assert [voice.name for voice in voices if voice.speaks(language)] == found


def test_a_language_includes_its_dialects() -> None:
    chinese = [voice.name for voice in providers()["qwen"].voices(QWEN_FLASH) if voice.speaks("zh")]
    assert {"Cherry", "Sunny", "Dylan"} <= set(chinese)
    assert "Lenn" not in chinese


def test_the_environment_names() -> None:
    known = {info.name: info.environment for info in providers().values()}
    assert known["qwen"] == {
        "api_key": "DASHSCOPE_API_KEY",
        "workspace": "DASHSCOPE_WORKSPACE",
        "region": "DASHSCOPE_REGION",
    }
    assert known["azure"]["url"] == "AZURE_OPENAI_ENDPOINT"
    assert known["azure"]["model"] == "AZURE_OPENAI_DEPLOYMENT"
    assert known["openai"]["url"] == "OPENAI_BASE_URL"
    assert known["doubao"]["app_id"] == "API_APP_ID"
    every = [name for environment in known.values() for name in environment.values()]
    every += [name for info in providers().values() for name in info.aliases]
    assert len(every) == len(set(every))


def test_every_setting_the_catalogue_names_exists() -> None:
    from voicechat.config.settings import ProviderSettings

    for info in providers().values():
        named = {*info.environment, *info.any_of, *info.all_of, *info.aliases.values(), *info.companions.values()}
        assert named <= set(ProviderSettings.model_fields), info.name
