"""Settings: precedence, origins, and errors with file, line and key; the example that comes with the program."""

import os
from datetime import date
from pathlib import Path

import pytest

from voicechat.config import Chat, Choice, Loaded, choose_provider, default_path, load
from voicechat.config.settings import (
    TABLES,
    Connection,
    History,
    Persona,
    PriceSettings,
    ProviderSettings,
    Serve,
    ServeToken,
    Settings,
    ToolSettings,
)
from voicechat.config.sources import line_of
from voicechat.errors import ConfigError, UsageError
from voicechat.providers.catalogue import providers

ROOT = Path(__file__).parents[2]
CANARY = "sk-CANARY-4f2a"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home, a working directory and an environment without any setting."""
    variables = {name for info in providers().values() for name in info.environment.values()}
    for name in [*os.environ]:
        if name.startswith("VOICECHAT_") or name in variables:
            monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def write(text: str, path: Path | None = None, mode: int = 0o600) -> Path:
    path = path or default_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def choose(text: str = "", **flags: object) -> Choice:
    write(text)
    return choose_provider(load(None, flags), today=date(2026, 11, 20))


def refused(text: str) -> str:
    write(text)
    with pytest.raises(ConfigError) as caught:
        load()
    return str(caught.value)


def test_without_anything_everything_is_default() -> None:
    loaded = load()
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}
    connection = {f"connection.{name}" for name in Connection.model_fields}
    history = {f"history.{name}" for name in History.model_fields}
    tools = {f"tools.{name}" for name in ToolSettings.model_fields}
    assert loaded.origins.keys() == set(Settings.model_fields) - TABLES | connection | history | tools
    assert loaded.path == default_path()
    assert not loaded.found


def test_each_source_wins_over_the_one_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = [(load().settings.voice, load().origins["voice"])]
    write('voice = "file"')
    seen.append((load().settings.voice, load().origins["voice"]))
    (tmp_path / ".env").write_text("VOICECHAT_VOICE=dotenv\n", encoding="utf-8")
    seen.append((load().settings.voice, load().origins["voice"]))
    monkeypatch.setenv("VOICECHAT_VOICE", "environment")
    seen.append((load().settings.voice, load().origins["voice"]))
    flagged = load(None, {"voice": "flag", "model": None})
    seen.append((flagged.settings.voice, flagged.origins["voice"]))
    assert seen == [
        ("", "default"),
        ("file", "config.toml"),
        ("dotenv", ".env VOICECHAT_VOICE"),
        ("environment", "environment VOICECHAT_VOICE"),
        ("flag", "flag --voice"),
    ]
    assert flagged.origins["model"] == "default"


def test_values_of_every_type_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SILENCE_MS": "700",
        "THRESHOLD": "0.25",
        "AEC": "off",
        "TURN": "local",
        "LOG_AUDIO": "1",
    }.items():
        monkeypatch.setenv(f"VOICECHAT_{name}", value)
    settings = load().settings
    assert (settings.silence_ms, settings.threshold, settings.aec, settings.turn, settings.log_audio) == (
        700,
        0.25,
        False,
        "local",
        True,
    )


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICECHAT_PROVIDER", " ")
    assert load().origins["provider"] == "default"


def test_no_flags_are_named_as_they_are_typed() -> None:
    assert load(None, {"barge_in": False}).origins["barge_in"] == "flag --no-barge-in"
    assert load(None, {"silence_ms": 300}).origins["silence_ms"] == "flag --silence-ms"


@pytest.mark.parametrize(
    ("variable", "provider", "setting"),
    [
        ("DASHSCOPE_API_KEY", "qwen", "api_key"),
        ("DASHSCOPE_WORKSPACE", "qwen", "workspace"),
        ("DASHSCOPE_REGION", "qwen", "region"),
        ("OPENAI_API_KEY", "openai", "api_key"),
        ("OPENAI_BASE_URL", "openai", "url"),
        ("OPENAI_ORG_ID", "openai", "organization"),
        ("OPENAI_PROJECT_ID", "openai", "project"),
        ("AZURE_OPENAI_API_KEY", "azure", "api_key"),
        ("AZURE_OPENAI_ENDPOINT", "azure", "url"),
        ("AZURE_OPENAI_DEPLOYMENT", "azure", "model"),
        ("AZURE_OPENAI_API_VERSION", "azure", "api_version"),
        ("AZURE_OPENAI_AD_TOKEN", "azure", "token"),
        ("API_APP_ID", "doubao", "app_id"),
        ("API_ACCESS_KEY", "doubao", "access_key"),
        ("API_APP_KEY", "doubao", "app_key"),
        ("DOUBAO_APP_ID", "doubao", "app_id"),
        ("DOUBAO_ACCESS_KEY", "doubao", "access_key"),
        ("DOUBAO_APP_KEY", "doubao", "app_key"),
        ("DOUBAO_API_KEY", "doubao", "api_key"),
        ("DOUBAO_LOCATION", "doubao", "location"),
        ("NEWAPI_API_KEY", "newapi", "api_key"),
        ("NEWAPI_BASE_URL", "newapi", "url"),
    ],
)
def test_the_services_own_variables(
    monkeypatch: pytest.MonkeyPatch, variable: str, provider: str, setting: str
) -> None:
    write(f'[providers.{provider}]\n{setting} = "from-file"\n')
    monkeypatch.setenv(variable, "value")
    loaded = load(None, {"provider": provider})
    assert loaded.origins[f"providers.{provider}.{setting}"] == f"environment {variable}"
    assert getattr(choose_provider(loaded).options, setting) == "value"


def test_the_chat_endpoint_of_the_offline_companion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICECHAT_CHAT_URL", "http://h/v1")
    monkeypatch.setenv("VOICECHAT_CHAT_MODEL", "m")
    monkeypatch.setenv("VOICECHAT_CHAT_KEY", CANARY)
    chat = choose(provider="offline").chat
    assert chat == Chat("http://h/v1", "m", CANARY)
    assert CANARY not in repr(chat)


# --- Errors ---


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('voice = "a"\nviocee = "b"\n', 2, "unknown key 'viocee'.\nDid you mean 'voice'?"),
        (
            '\n[providers.qwen]\n# c\napikey = "x"\n',
            4,
            "unknown key 'apikey' in [providers.qwen].\nDid you mean 'api_key'?",
        ),
        ('[providers.qwn]\nmodel = "x"\n', 1, "unknown provider 'qwn' in [providers].\nDid you mean 'qwen'?"),
        ('[personas.a]\n\nvoise = "x"\n', 3, "unknown key 'voise' in [personas.a].\nDid you mean 'voice'?"),
        ("aec = true\nsilence_ms = 50\n", 2, "silence_ms: must be greater than or equal to 200."),
        ('silence_ms = "500"\n', 1, "silence_ms: must be a valid integer."),
        ("barge_in = 1\n", 1, "barge_in: must be a valid boolean."),
        ('turn = "never"\n', 1, "turn: must be 'server', 'semantic' or 'local'."),
        ("providers = 3\n", 1, "providers: must be a table."),
        ("[connection]\nping_time_s = 3\n", 2, "unknown key 'ping_time_s' in [connection].\nDid you mean 'ping_time"),
        ("[connection]\n\nretry_delays_s = [1.0, -1.0]\n", 3, "connection.retry_delays_s.1: must be greater"),
        ("voice = 'a'\n\nmodel = \n", 3, "model: Invalid value."),
        ("voice = 'a'\nvoice = 'b'\n", 2, "voice: Cannot overwrite a value."),
        ('instructions = """\nvoyce = 1\n"""\nvoyce = 2\n', 4, "unknown key 'voyce'.\nDid you mean 'voice'?"),
        ('providers.qwen.voise = "x"\n', 1, "unknown key 'voise' in [providers.qwen].\nDid you mean 'voice'?"),
        ('personas = { a = { voice = "v", mood = 1 } }\n', 1, "unknown key 'mood' in [personas.a].\nKnown: "),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_key(text: str, line: int, says: str) -> None:
    message = refused(text)
    assert message.startswith(f"{default_path()}, line {line}"), message
    assert says in message


def test_text_that_is_not_utf8_is_named_with_its_line() -> None:
    write("").write_bytes(b'voice = "a"\nmodel = "\xff"\n')
    with pytest.raises(ConfigError, match="line 2: not UTF-8"):
        load()


def test_a_byte_order_mark_is_no_error() -> None:
    write('\ufeffvoice = "a"')
    assert load().settings.voice == "a"


def test_a_config_asked_for_by_name_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.toml does not exist"):
        load(tmp_path / "nothing.toml")


def test_a_config_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_another_file_is_named_as_the_origin(tmp_path: Path) -> None:
    path = write('voice = "a"', tmp_path / "mine.toml")
    assert load(path).origins["voice"] == "mine.toml"
    assert load(path).path == path


def test_a_key_that_others_can_read_is_refused() -> None:
    path = write(f'[providers.qwen]\napi_key = "{CANARY}"\n', mode=0o644)
    with pytest.raises(ConfigError) as caught:
        load()
    assert caught.value.hint == f"Run: chmod 600 {path}"
    assert CANARY not in str(caught.value)
    path.chmod(0o600)
    assert load().settings.provider_settings("qwen").api_key.get_secret_value() == CANARY
    write('voice = "a"', mode=0o644)
    assert load().settings.voice == "a"


def test_a_flag_or_variable_out_of_range_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--silence-ms: must be less than or equal to 6000"):
        load(None, {"silence_ms": 9000})
    monkeypatch.setenv("VOICECHAT_VAD_AGGRESSIVENESS", "much")
    with pytest.raises(ConfigError, match=r"VOICECHAT_VAD_AGGRESSIVENESS \(environment\): must be a valid integer"):
        load()


@pytest.mark.parametrize(
    "text",
    [
        f"voice = [{CANARY!r}]\n",
        f"[providers.qwen]\napi_key = {{ a = {CANARY!r} }}\n",
        f"[providers.qwen]\napi_key = {CANARY}\n",
        f'[providers.qwen]\napi_key = "{CANARY}\n',
        f'silence_ms = "{CANARY}"\n',
    ],
)
def test_no_error_shows_a_value(text: str) -> None:
    assert "CANARY" not in refused(text)


def test_no_secret_is_in_a_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", CANARY)
    monkeypatch.setenv("VOICECHAT_CHAT_KEY", CANARY)
    loaded = load()
    choice = choose_provider(loaded)
    assert choice.options.api_key == CANARY
    for value in (loaded, loaded.settings, choice, choice.options, choice.chat):
        assert CANARY not in repr(value)
        assert CANARY not in str(value)


def test_the_line_of_a_key() -> None:
    text = 'a = 1\n\n[t]\n# b = 0\nb = """\nx\n"""\nc.d = 2\n'
    assert [line_of(text, key) for key in [("a",), ("t",), ("t", "b"), ("t", "c", "d"), ("z",)]] == [1, 3, 5, 8, None]


# --- The example ---


def uncommented() -> str:
    lines = (ROOT / "config.example.toml").read_text(encoding="utf-8").splitlines()
    return "\n".join(line[1:] if line[:1] == "#" and line[1:2] not in ("", " ") else line for line in lines)


def test_the_example_loads_when_everything_is_uncommented() -> None:
    path = write(uncommented())
    loaded: Loaded = load()
    assert loaded.found
    assert loaded.path == path
    named = {key for key in loaded.origins if loaded.origins[key] == "config.toml"}
    assert named >= set(Settings.model_fields) - TABLES, "a setting is not in the example"
    assert {f"connection.{name}" for name in Connection.model_fields} <= named
    assert {f"history.{name}" for name in History.model_fields} <= named
    assert {f"personas.teacher.{name}" for name in Persona.model_fields} <= named
    assert {f"prices.gpt-realtime.{name}" for name in PriceSettings.model_fields} <= named
    assert {f"serve.{name}" for name in Serve.model_fields if name not in ("models", "tokens")} <= named
    assert {f"serve.tokens.anna.{name}" for name in ServeToken.model_fields} <= named
    assert {key.rpartition(".")[2] for key in named if key.startswith("providers.")} == set(
        ProviderSettings.model_fields
    )
    assert {key.split(".")[1] for key in named if key.startswith("providers.")} == set(providers())


def test_the_example_shows_the_defaults() -> None:
    write(uncommented())
    settings = load().settings
    for name in set(Settings.model_fields) - {"instructions", "mcp", "personas", "prices", "providers", "serve"}:
        default = getattr(Settings(), name)
        if default is not None:
            assert getattr(settings, name) == default, name
    for name in set(Serve.model_fields) - {"models", "tokens", "offline_sessions"}:
        assert getattr(settings.serve, name) == getattr(Serve(), name), name


def test_the_example_as_it_is_changes_nothing() -> None:
    write((ROOT / "config.example.toml").read_text(encoding="utf-8"))
    assert load().settings == Settings()


def test_the_package_holds_the_same_example() -> None:
    packaged = ROOT / "voicechat" / "config" / "example.toml"
    assert packaged.read_bytes() == (ROOT / "config.example.toml").read_bytes()
