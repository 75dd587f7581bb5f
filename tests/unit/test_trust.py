"""Whose word decides where a key goes: a `.env` of the working directory never sends the user's own one anywhere."""

import os
from pathlib import Path

import pytest

from tests.file_keyring import FileKeyring
from tests.program import Program
from voicechat.config import Choice, choose_provider, default_path, load, with_key_file
from voicechat.config.speech import choose_speech
from voicechat.errors import CredentialsError
from voicechat.providers.catalogue import providers
from voicechat.serve.models import Models

KEY = "sk-of-the-user-0123456789"
EVIL = "wss://evil.example/v1"

ADDRESSES = [
    ("openai", "OPENAI_API_KEY", f"OPENAI_BASE_URL={EVIL}"),
    ("openai", "OPENAI_API_KEY", f"VOICECHAT_URL={EVIL}"),
    ("openai", "OPENAI_API_KEY", "VOICECHAT_CA_FILE=evil.pem"),
    ("azure", "AZURE_OPENAI_API_KEY", f"AZURE_OPENAI_ENDPOINT={EVIL}"),
    ("azure", "AZURE_OPENAI_AD_TOKEN", f"AZURE_OPENAI_ENDPOINT={EVIL}"),
    ("azure", "AZURE_OPENAI_AD_TOKEN", f"AZURE_OPENAI_ENDPOINT={EVIL}\nAZURE_OPENAI_API_KEY=theirs"),
    ("doubao", "DOUBAO_API_KEY", f"DOUBAO_URL={EVIL}"),
    ("doubao", "API_ACCESS_KEY", f"DOUBAO_URL={EVIL}\nAPI_APP_ID=1"),
    ("newapi", "NEWAPI_API_KEY", f"NEWAPI_BASE_URL={EVIL}"),
    ("qwen", "DASHSCOPE_API_KEY", f"VOICECHAT_URL={EVIL}"),
    ("qwen", "DASHSCOPE_API_KEY", "DASHSCOPE_WORKSPACE=evil.example/x"),
    ("qwen", "DASHSCOPE_API_KEY", "DASHSCOPE_REGION=singapore"),
    ("offline", "VOICECHAT_CHAT_KEY", f"VOICECHAT_CHAT_URL={EVIL}"),
    ("offline", "VOICECHAT_CHAT_KEY", "VOICECHAT_CA_FILE=evil.pem"),
]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home, a working directory and an environment without any setting."""
    variables = {name for info in providers().values() for name in (*info.environment.values(), *info.aliases)}
    for name in [*os.environ]:
        if name.startswith("VOICECHAT_") or name in variables:
            monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def dotenv(text: str) -> None:
    Path(".env").write_text(text)


def choose(**flags: object) -> Choice:
    return choose_provider(load(None, flags))


@pytest.mark.parametrize(("provider", "variable", "line"), ADDRESSES)
def test_an_address_of_the_folder_never_gets_a_key_of_the_users(
    provider: str, variable: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dotenv(f"VOICECHAT_PROVIDER={provider}\n{line}")
    monkeypatch.setenv(variable, KEY)
    with pytest.raises(CredentialsError) as caught:
        choose()
    assert f"environment {variable}" in caught.value.message
    assert f".env {line.partition('=')[0]}" in caught.value.message
    assert ".env too" in caught.value.hint
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(("provider", "variable", "line"), ADDRESSES)
def test_one_of_the_users_own_gets_any(
    provider: str, variable: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dotenv(f"{variable}={KEY}")
    for each in f"VOICECHAT_PROVIDER={provider}\n{line}".splitlines():
        name, _, value = each.partition("=")
        monkeypatch.setenv(name, value)
    assert choose().name == provider


@pytest.mark.parametrize(("provider", "variable", "line"), ADDRESSES)
def test_both_of_the_folder_belong_together(provider: str, variable: str, line: str) -> None:
    dotenv(f"VOICECHAT_PROVIDER={provider}\n{line}\n{variable}={KEY}")
    assert choose().name == provider


def test_no_key_of_any_other_source_either(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import keyring

    from voicechat.config.logins import forget, store

    dotenv(f"VOICECHAT_PROVIDER=openai\nOPENAI_BASE_URL={EVIL}")
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(0o600)
    with pytest.raises(CredentialsError, match="api-key-file"):
        choose_provider(with_key_file(load(), file))

    before = keyring.get_keyring()
    monkeypatch.setenv("TEST_KEYRING_FILE", str(tmp_path / "keyring.json"))
    keyring.set_keyring(FileKeyring())
    try:
        store("openai", {"api_key": KEY})
        with pytest.raises(CredentialsError, match="keyring"):
            choose()
        forget("openai")
    finally:
        keyring.set_keyring(before)

    default_path().parent.mkdir(parents=True, exist_ok=True)
    default_path().write_text(f'[providers.openai]\napi_key = "{KEY}"')
    default_path().chmod(0o600)
    with pytest.raises(CredentialsError, match=r"config\.toml"):
        choose()
    with pytest.raises(CredentialsError, match=r"config\.toml"):
        choose_speech(load())


def test_the_address_that_counts_is_the_one_that_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    dotenv(f"VOICECHAT_PROVIDER=openai\nOPENAI_BASE_URL={EVIL}\nDASHSCOPE_WORKSPACE=x\nAZURE_OPENAI_ENDPOINT={EVIL}")
    assert choose(url="wss://mine.example/v1").options.url == "wss://mine.example/v1"  # a flag is the user's
    monkeypatch.setenv("OPENAI_BASE_URL", "wss://mine.example/v1")  # and so is the environment, which wins
    assert choose().options.url == "wss://mine.example/v1"
    assert choose().notes == []


def test_where_a_folder_sends_the_voice_is_told_without_any_key() -> None:
    dotenv("VOICECHAT_URL=wss://me:secret@evil.example/v1?key=secret\nVOICECHAT_SAVE=kept")
    choice = choose()
    assert choice.name == "newapi"
    assert choice.notes == [
        "Talking to wss://evil.example/v1: that address is from .env VOICECHAT_URL in this folder.",
        "Kept in kept, as .env VOICECHAT_SAVE in this folder says.",
    ]
    assert choose_speech(load()).notes == choice.notes[:1]
    dotenv("NEWAPI_BASE_URL=wss://evil.example/v1")
    told = ["Talking to wss://evil.example/v1: that address is from .env NEWAPI_BASE_URL in this folder."]
    assert Models(load()).origins() == told
    dotenv("VOICECHAT_PROVIDER=offline\nVOICECHAT_CHAT_URL=https://evil.example/v1")
    assert "evil.example" in choose().notes[0]


def test_a_proxy_or_certificates_for_other_libraries_are_not_taken_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("https_proxy", "HTTP_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "PYTHONPATH")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    dotenv("".join(f"{name}=http://evil.example\n" for name in names))
    choose()
    assert not any(name in os.environ for name in names)


def test_every_command_says_the_same(tmp_path: Path) -> None:
    dotenv(f"OPENAI_BASE_URL={EVIL}")
    said = {}
    for words in (["say", "hi"], ["speak", "hi"], ["config", "show"], ["doctor", "--no-sound"], ["providers"]):
        with Program([*words], env={"OPENAI_API_KEY": KEY}, home=tmp_path) as program:
            code = program.wait()
        assert "environment OPENAI_API_KEY is not sent where .env OPENAI_BASE_URL says" in program.describe()
        assert "Put the key into that .env too" in program.describe()
        assert KEY not in program.describe()
        said[words[0]] = code
    assert said == {"say": 3, "speak": 3, "config": 0, "doctor": 3, "providers": 3}
