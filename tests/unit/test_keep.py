"""Settings that the program writes for the user: what was there stays, and nobody else may read it."""

import stat
import tomllib
from pathlib import Path

import pytest

from voicechat.config import default_path, load, logins
from voicechat.config.keep import forget_keys, keep_keys, write_settings
from voicechat.errors import ConfigError

HERS = """\
# hers
voice = "Cherry"  # the best

[providers.qwen]
region = "singapore"
# api_key = ""

[personas.cook]
instructions = "Cook."
"""


@pytest.fixture(autouse=True)
def _an_empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")


@pytest.fixture
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(provider: str, keys: object) -> None:
        raise ConfigError("There is no usable system keyring on this machine.")

    monkeypatch.setattr(logins, "store", refuse)


def test_a_file_is_made_for_your_eyes_only() -> None:
    path = write_settings({("provider",): "qwen", ("providers", "qwen", "api_key"): "sk-1234567890"})
    assert path == default_path()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert tomllib.loads(path.read_text()) == {
        "provider": "qwen",
        "providers": {"qwen": {"api_key": "sk-1234567890"}},
    }


def test_what_is_there_stays_as_it_stands() -> None:
    default_path().parent.mkdir(parents=True)
    default_path().write_text(HERS)
    write_settings({("provider",): "openai", ("providers", "openai", "api_key"): "sk-1234567890"})
    write_settings({("providers", "openai", "api_key"): None})
    text = default_path().read_text()
    for line in HERS.splitlines():
        assert line in text.splitlines()
    assert tomllib.loads(text) == tomllib.loads(HERS) | {
        "provider": "openai",
        "providers": {"qwen": {"region": "singapore"}, "openai": {}},
    }
    assert load().settings.provider == "openai"


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    target = tmp_path / "dotfiles" / "voicechat.toml"
    target.write_text(HERS)
    default_path().parent.mkdir(parents=True)
    default_path().symlink_to(target)
    write_settings({("provider",): "openai"})
    assert default_path().is_symlink()
    assert 'provider = "openai"' in target.read_text()


@pytest.mark.usefixtures("no_keyring")
def test_keys_are_kept_in_the_file_where_no_keyring_takes_them_and_forgotten_again() -> None:
    file, why = keep_keys("doubao", {"app_id": "12345678", "access_key": "an-access-token"})
    assert file == default_path()
    assert "no usable system keyring" in why
    assert load().settings.provider_settings("doubao").access_key.get_secret_value() == "an-access-token"
    assert forget_keys("doubao") == [str(default_path())]
    assert not load().settings.provider_settings("doubao").access_key.get_secret_value()
    assert forget_keys("doubao") == []


@pytest.mark.usefixtures("no_keyring")
def test_a_keyring_that_has_gone_is_not_asked_again_when_the_key_is_in_the_file() -> None:
    default_path().parent.mkdir(parents=True)
    logins.marker_path().write_text("openai.api_key\n")
    with pytest.raises(ConfigError):
        load(flags={"provider": "openai"})
    keep_keys("openai", {"api_key": "sk-1234567890"})
    assert logins.logins() == {}
    assert load().settings.provider_settings("openai").api_key.get_secret_value() == "sk-1234567890"


def test_a_file_that_is_no_toml_is_left_alone() -> None:
    default_path().parent.mkdir(parents=True)
    default_path().write_text("voice = Cherry\n")
    with pytest.raises(ConfigError, match="line 1"):
        write_settings({("provider",): "qwen"})
    assert default_path().read_text() == "voice = Cherry\n"
