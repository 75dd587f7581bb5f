"""Keys from a file and from the keyring, where they may be sent, and that they are taken out of what is written."""

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest

from tests.file_keyring import FileKeyring
from voicechat import redaction
from voicechat.config import Loaded, choose_provider, default_path, load, logins, with_key_file
from voicechat.errors import ConfigError, CredentialsError, UsageError
from voicechat.providers.catalogue import providers
from voicechat.redaction import RedactingFormatter, redact, remember
from voicechat.wire.urls import is_loopback, realtime_url, refuse_plain, shown
from voicechat.wire.wirelog import described

CANARY = "sk-CANARY-4f2a-of-the-file"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A home, a working directory and an environment without any setting, and an empty keyring."""
    variables = {name for info in providers().values() for name in (*info.environment.values(), *info.aliases)}
    for name in [*os.environ]:
        if name.startswith("VOICECHAT_") or name in variables:
            monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("TEST_KEYRING_FILE", str(tmp_path / "keyring.json"))
    monkeypatch.setattr(redaction, "_known", set())
    monkeypatch.chdir(tmp_path)
    before = keyring.get_keyring()
    keyring.set_keyring(FileKeyring())
    yield
    keyring.set_keyring(before)


def key_file(text: str | bytes = f"{CANARY}\n", mode: int = 0o600) -> Path:
    path = Path("key")
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def with_file(provider: str, text: str = f"{CANARY}\n") -> Loaded:
    return with_key_file(load(None, {"provider": provider}), key_file(text))


# -- --api-key-file --------------------------------------------------------------------------------------------


def test_the_key_file_wins_over_every_other_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    loaded = with_file("openai", f"\ufeff  {CANARY} \r\n")
    assert choose_provider(loaded).options.api_key == CANARY
    assert loaded.origins["providers.openai.api_key"] == "flag --api-key-file"


def test_no_key_file_changes_nothing() -> None:
    loaded = load()
    assert with_key_file(loaded, None) is loaded


def test_another_credential_of_the_service_does_not_win_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "ey-of-the-environment")
    loaded = with_file("azure")
    options = choose_provider(loaded).options
    assert (options.api_key, options.token) == (CANARY, "")
    assert "providers.azure.token" not in loaded.origins


def test_with_an_app_id_it_is_the_access_token_that_belongs_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_provider(with_file("doubao")).options.api_key == CANARY
    monkeypatch.setenv("API_APP_ID", "1234")
    monkeypatch.setenv("DOUBAO_API_KEY", "of-the-environment")
    options = choose_provider(with_file("doubao")).options
    assert (options.app_id, options.access_key, options.api_key) == ("1234", CANARY, "")


def test_the_offline_companions_chat_model_may_have_one_too() -> None:
    assert choose_provider(with_file("offline")).chat.key == CANARY


def test_a_key_file_needs_to_know_its_service() -> None:
    with pytest.raises(UsageError, match="--provider NAME"):
        with_key_file(load(), key_file())
    default_path().parent.mkdir(parents=True)
    default_path().write_text('persona = "p"\n[personas.p]\nprovider = "qwen"\n')
    assert choose_provider(with_key_file(load(), key_file())).options.api_key == CANARY


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_file_that_others_can_read_is_refused_with_the_remedy(mode: int) -> None:
    with pytest.raises(CredentialsError, match="chmod 600 key"):
        with_key_file(load(None, {"provider": "qwen"}), key_file(mode=mode))


@pytest.mark.parametrize("content", ["", " \n", "two words", "a\nb", "schlüssel", b"\xff\xfe\x00", "x" * 20_000])
def test_a_file_that_holds_no_key_is_refused_without_showing_it(content: str | bytes) -> None:
    with pytest.raises(CredentialsError) as caught:
        with_key_file(load(None, {"provider": "qwen"}), key_file(content))
    assert str(caught.value) == "key does not hold a key.\nIt must hold one key and nothing else."


@pytest.mark.parametrize("path", ["none", "."])
def test_a_key_file_that_is_none_is_a_usage_error(path: str) -> None:
    with pytest.raises(UsageError, match="key file"):
        with_key_file(load(None, {"provider": "qwen"}), Path(path))


def test_a_pipe_may_hold_the_key() -> None:
    reading, writing = os.pipe()
    threading.Thread(target=lambda: (os.write(writing, CANARY.encode()), os.close(writing))).start()
    loaded = with_key_file(load(None, {"provider": "qwen"}), Path(f"/dev/fd/{reading}"))
    os.close(reading)
    assert choose_provider(loaded).options.api_key == CANARY


# -- the keyring -----------------------------------------------------------------------------------------------


def test_what_was_stored_is_used_until_it_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    logins.store("qwen", {"api_key": CANARY})
    loaded = load()
    assert loaded.origins["providers.qwen.api_key"] == "keyring"
    choice = choose_provider(loaded)
    assert (choice.name, choice.options.api_key) == ("qwen", CANARY)
    assert CANARY not in logins.marker_path().read_text()
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-of-the-environment")
    assert choose_provider(load()).options.api_key == "sk-of-the-environment"
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    assert logins.forget("qwen")
    assert not logins.forget("qwen")
    assert not logins.marker_path().exists()
    assert json.loads(Path("keyring.json").read_text()) == {}
    assert choose_provider(load()).name == "offline"


def test_a_new_login_leaves_nothing_of_the_one_before() -> None:
    logins.store("doubao", {"app_id": "1234", "access_key": CANARY})
    options = choose_provider(load()).options
    assert (options.app_id, options.access_key) == ("1234", CANARY)
    logins.store("doubao", {"api_key": "new-console-key"})
    assert json.loads(Path("keyring.json").read_text()) == {"voicechat/doubao.api_key": "new-console-key"}
    assert logins.logins() == {"doubao": ("api_key",)}


def test_the_keyring_is_not_asked_without_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)  # an import would fail
    assert "providers.qwen.api_key" not in load().origins
    with pytest.raises(ConfigError, match="extra `keyring`"):
        logins.store("openai", {"api_key": "sk-0123456789"})


class Locked(FileKeyring):
    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        raise LookupError(f"the daemon says no to {CANARY}")


def test_a_keyring_that_fails_matters_only_to_those_who_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    logins.store("qwen", {"api_key": CANARY})
    keyring.set_keyring(Locked())
    with pytest.raises(ConfigError) as caught:
        load()
    assert "the daemon says no to ***" in str(caught.value)
    assert "voicechat logout qwen" in str(caught.value)
    assert CANARY not in str(caught.value)
    assert load(None, {"provider": "offline"}).settings.provider == "offline"
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-of-the-environment")
    assert choose_provider(load()).options.api_key == "sk-of-the-environment"
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    with pytest.raises(ConfigError, match="not used any more"):
        logins.forget("qwen")
    assert choose_provider(load()).name == "offline"  # and it does not stand in the way any longer


def test_a_keyring_that_only_pretends_is_no_login() -> None:
    from keyring.backends import null

    keyring.set_keyring(null.Keyring())
    with pytest.raises(ConfigError, match="does not keep"):
        logins.store("qwen", {"api_key": CANARY})
    assert logins.logins() == {}


# -- where a key may go ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["ws://example.com/x", "http://10.0.0.1", "WS://0.0.0.0:1", "ws://localhost.evil.com", "ws://127.0.0.1.nip.io"],
)
def test_a_key_does_not_travel_in_the_open(url: str) -> None:
    with pytest.raises(CredentialsError, match="--insecure"):
        refuse_plain(url)


@pytest.mark.parametrize(
    "url", ["wss://example.com", "https://10.0.0.1", "ws://localhost:8000/v1", "ws://127.8.0.1", "ws://[::1]:9/x"]
)
def test_a_key_may_travel_encrypted_or_within_the_machine(url: str) -> None:
    refuse_plain(url)
    assert is_loopback(url) == url.startswith("ws:")


def test_the_refusal_shows_no_secret_of_the_address() -> None:
    with pytest.raises(CredentialsError) as caught:
        refuse_plain(f"ws://user:{CANARY}@example.com/x?key={CANARY}")
    assert CANARY not in str(caught.value)


# -- what is written -------------------------------------------------------------------------------------------


def test_known_keys_are_taken_out_of_texts_and_tracebacks() -> None:
    remember(CANARY, f"{CANARY}-longer", "short", "")
    assert redact(f"a {CANARY} b {CANARY}-longer, short") == "a *** b ***, short"
    try:
        raise ValueError(f"bad {CANARY}")
    except ValueError as error:
        record = logging.LogRecord("x", 10, "f", 1, "said %s", (CANARY,), (type(error), error, error.__traceback__))
    text = RedactingFormatter("%(message)s").format(record)
    assert text.startswith("said ***\n")
    assert "ValueError: bad ***" in text
    assert CANARY not in text


def test_short_keys_are_taken_out_where_they_stand_alone_and_words_never() -> None:
    remember("pa5s", "x-77=y", "EMPTY", "ab1")
    assert redact("key 'pa5s', Bearer pa5s; x-77=y") == "key '***', Bearer ***; ***"
    assert redact("pa5sage pa5s-port EMPTY ab1") == "pa5sage pa5s-port EMPTY ab1"


def test_a_user_and_password_are_taken_out_of_every_address() -> None:
    assert redact("/home/me/sk-learn-data, wss://sk-gateway.example, Bearer x, 'sk-abcdefgh'") == (
        "/home/me/sk-learn-data, wss://sk-gateway.example, Bearer ***, '***'"
    )
    assert redact("no way to ftp://user:pw@proxy:1/x, a@b") == "no way to ftp://***@proxy:1/x, a@b"


@pytest.mark.parametrize(
    ("address", "left"),
    [
        ("wss://user:CANARY@host/x?k=CANARY#CANARY", "wss://host/x"),
        ("user:CANARY@host/x", "host/x"),
        ("https://user:CANARY@host/to/https://x", "https://host/to/https://x"),
        ("wss://user:a?CANARY@host/x", "wss://host/x"),
        ("wss://user:a#CANARY@host/x", "wss://host/x"),
        ("wss://user:a/CANARY@host/x", "wss://host/x"),
        ("wss://[::1]:9/x?mail=a@CANARY", "wss://[::1]:9/x"),
        ("host:9?to=https://u:CANARY@host", "host:9"),
        ("wss://[::1?CANARY", "wss://[::1"),
    ],
)
def test_what_is_shown_of_an_address(address: str, left: str) -> None:
    assert shown(address) == left


def test_an_address_that_is_none_is_refused_without_its_password() -> None:
    with pytest.raises(ConfigError) as caught:
        realtime_url("wss://user:CANARY/x@host", "/v1/realtime", {})
    assert "CANARY" not in str(caught.value)


def test_a_log_line_commands_no_terminal() -> None:
    said = "\x1b]0;title\x07 \x9b31m \u202egnp.exe \r \udce9 今天 é\n\tnext"
    text = RedactingFormatter("%(message)s").format(logging.LogRecord("x", 10, "f", 1, "%s", (said,), None))
    assert text == "\\x1b]0;title\\x07 \\x9b31m \\u202egnp.exe \\r \\udce9 今天 é\n\tnext"


def test_every_key_that_is_loaded_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "token-of-azure")
    monkeypatch.setenv("API_ACCESS_KEY", "access-key-of-doubao")
    monkeypatch.setenv("VOICECHAT_CHAT_KEY", "chat-key-of-offline")
    Path(".env").write_text("OPENAI_API_KEY=key-in-dotenv\n")
    with_file("qwen")
    assert (
        redact(f"token-of-azure access-key-of-doubao chat-key-of-offline key-in-dotenv {CANARY}")
        == "*** *** *** *** ***"
    )


SOUND = "AAAA" * 100


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ({"type": "input_audio_buffer.append", "audio": SOUND}, "input_audio_buffer.append 450 B"),
        ({"type": "input_audio_buffer.append", "audio": "AAAA"}, "input_audio_buffer.append 54 B"),
        ({"type": "response.output_audio.delta", "delta": "AAAA"}, "response.output_audio.delta 56 B"),
        (
            {"item": {"type": "message", "content": [{"audio": SOUND}]}, "type": "conversation.item.create"},
            "item.create",
        ),
    ],
)
def test_a_frame_is_logged_without_its_sound(frame: dict[str, object], says: str) -> None:
    line = described(json.dumps(frame))
    assert says in line
    assert "AAAA" not in line
    assert "AAAA" in described(json.dumps(frame), keep_audio=True)


def test_the_words_of_a_frame_are_kept_and_inert() -> None:
    words = {"type": "response.output_audio_transcript.delta", "delta": "晴 \x1b[2J\x9b"}
    assert described(json.dumps(words)).endswith('"delta": "晴 \\u001b[2J\\x9b"}')
    assert described("no json \x07") == "text 9 B no json \\x07"
    assert described('["\x1b"]').startswith("text")
    assert described(b"\x00\x01\x02") == "binary 3 B"
    assert described(b"\x00\x01\x02", keep_audio=True) == "binary 3 B AAEC"
    assert len(described(json.dumps({"type": "x", "text": "word " * 9000}))) < 2100
