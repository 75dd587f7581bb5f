"""From settings and flags to the tools of a conversation."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from voicechat.cli import app
from voicechat.cli.options import TalkOptions
from voicechat.cli.tooling import tool_plan
from voicechat.config import load
from voicechat.conversation.workshop import ToolPlan
from voicechat.errors import ConfigError, CredentialsError, UsageError, VoicechatError
from voicechat.realtime.capabilities import Capabilities
from voicechat.redaction import redact

SECRET = "a-long-secret-word"


@pytest.fixture(autouse=True)
def a_home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def plan(config: str = "", capabilities: Capabilities | None = None, **options: object) -> ToolPlan:
    file = Path("config.toml")
    file.write_text(config)
    file.chmod(0o600)
    given = TalkOptions(**options)  # type: ignore[arg-type]
    return tool_plan(given, load(file.absolute()), capabilities or Capabilities(), "somebody")


def test_files_of_the_configuration_are_looked_for_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mine.py").write_text("def a(x: int): ...\n")
    Path("more.py").write_text("def b(x: int): ...\n")
    settings = '[tools]\nfiles = ["mine.py"]\nconfirm = "always"\ntimeout_s = 5.0\nmax_in_a_row = 3\n'
    made = plan(settings, tool_sources=["more.py"])
    assert [spec.name for spec in made.toolbox] == ["current_time", "a", "b"]
    assert (made.confirm, made.timeout_s, made.most_in_a_row, made.interactive) == ("always", 5.0, 3, False)
    assert plan(settings, confirm_tools="never").confirm == "never"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (elsewhere / "mine.py").write_text("raise SystemExit\n")
    kept = tool_plan(TalkOptions(), load(tmp_path / "config.toml"), Capabilities(), "somebody")
    assert (len(kept.toolbox), kept.complaints) == (2, ())


def test_a_service_without_tools_says_so_where_some_were_asked_for() -> None:
    deaf = Capabilities(supports_tools=False)
    assert plan("", deaf).complaints == ()
    Path("mine.py").write_text("raise SystemExit\n")
    made = plan("", deaf, tool_sources=["mine.py"])
    assert made.complaints == ("somebody has no tools: none can be called.",)
    assert len(made.toolbox) == 0


SERVERS = f"""
[mcp.files]
command = "npx"
args = ["-y", "x"]
env = {{ TOKEN = "{SECRET}" }}
[mcp.work]
url = "https://example.com/mcp"
headers = {{ Authorization = "{SECRET}" }}
enabled = false
"""


def test_servers_come_from_the_configuration_by_name_and_from_files() -> None:
    assert [server.name for server in plan(SERVERS).servers] == ["files"]
    Path("mcp.json").write_text(json.dumps({"mcpServers": {"other": {"command": "x", "env": {"K": "of-the-file"}}}}))
    files, work, other = plan(SERVERS, mcp_sources=["work", "mcp.json"]).servers
    assert (files.args, files.env, work.headers) == (("-y", "x"), {"TOKEN": SECRET}, {"Authorization": SECRET})
    assert other.command == "x"
    assert redact(f"it said {SECRET} and of-the-file") == "it said *** and ***"


@pytest.mark.parametrize(
    ("config", "options", "error", "words"),
    [
        ("", {"mcp_sources": ["nothing"]}, UsageError, "neither an MCP server nor a file called nothing"),
        ("[mcp.a]\n", {}, ConfigError, "either a command or a url"),
        ('[mcp.a]\ncommand = "x"\nurl = "http://y"\n', {}, ConfigError, "either a command or a url"),
        ('[mcp."a b"]\ncommand = "x"\n', {}, ConfigError, "a name has 1 to 64"),
        ('[mcp.a]\ncommmand = "x"\n', {}, ConfigError, "unknown key 'commmand'"),
        ('[mcp.a]\nurl = "http://far.example/mcp"\nheaders = {A = "b"}\n', {}, CredentialsError, "not encrypted"),
        ("", {"confirm_tools": "sometimes"}, UsageError, "must be never, writes, always"),
        ("", {"tool_sources": ["nothing.py"]}, UsageError, "no file nothing.py"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(
    config: str, options: dict[str, object], error: type[VoicechatError], words: str
) -> None:
    with pytest.raises(error) as refused:
        plan(config, **options)
    assert words in refused.value.message


def test_a_plain_address_is_taken_where_that_was_asked_for_or_nothing_is_secret() -> None:
    far = '[mcp.a]\nurl = "http://far.example/mcp"\n'
    assert len(plan(far).servers) == 1
    assert len(plan(f'{far}headers = {{A = "b"}}\n', insecure=True).servers) == 1


def test_secrets_of_servers_are_shown_to_nobody() -> None:
    Path("config.toml").write_text(SERVERS)
    Path("config.toml").chmod(0o644)
    with pytest.raises(ConfigError, match="holds a key"):
        load(Path("config.toml"))
    Path("config.toml").chmod(0o600)
    for more in ([], ["--json"]):
        shown = CliRunner().invoke(app.app, ["config", "show", "--config", "config.toml", *more])
        assert shown.exit_code == 0, shown.output
        assert "mcp.files.env" in shown.output
        assert SECRET not in shown.output
