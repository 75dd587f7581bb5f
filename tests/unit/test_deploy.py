"""The files of deploy/: they parse, and what they call and lean on is there."""

import configparser
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from tests.program import ROOT
from voicechat.cli.app import app
from voicechat.config.settings import Serve
from voicechat.errors import ConfigError
from voicechat.serve.gateway import Limits

DEPLOY = ROOT / "deploy"
NAMES = ("Containerfile", "compose.yaml", "Caddyfile", "nginx.conf")
FILES = {name: (DEPLOY / name).read_text("utf-8") for name in NAMES}
UNIT = (DEPLOY / "voicechat.service").read_text("utf-8")
PORT = Serve().port


def taken(words: list[str]) -> dict[str, Any]:
    """The parameters of a call of the program; it fails for any that the program does not have."""
    command: Any = get_command(app)
    context = command.make_context("voicechat", list(words))
    name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
    assert name == "serve"
    parameters: dict[str, Any] = command.make_context(name, rest, parent=context).params
    return parameters


def unit() -> dict[str, list[str]]:
    """What the [Service] of the unit sets; a name may stand there more than once."""
    parser = configparser.RawConfigParser(strict=True, interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    unique = iter(range(1000))
    parser.read_string(re.sub(r"^(\w+)=", lambda found: f"{found[1]}.{next(unique)}=", UNIT, flags=re.MULTILINE))
    found: dict[str, list[str]] = {}
    for name, value in parser["Service"].items():
        found.setdefault(name.partition(".")[0], []).append(value)
    return found


def instructions() -> list[tuple[str, str]]:
    whole = FILES["Containerfile"].replace("\\\n", " ")
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in whole.splitlines()) if word.isupper()]


def test_the_container_starts_a_command_that_there_is() -> None:
    found = dict(instructions())
    assert json.loads(found["ENTRYPOINT"]) == ["/opt/voicechat/bin/voicechat"]
    parameters = taken(json.loads(found["CMD"]))
    assert (parameters["host"], parameters["port"]) == ("0.0.0.0", PORT)
    assert (str(parameters["log_file"]), parameters["as_json"]) == ("-", True)
    assert f"http://127.0.0.1:{PORT}/api/health" in found["HEALTHCHECK"]
    assert int(found["EXPOSE"]) == PORT


def test_the_container_is_made_of_files_and_extras_that_there_are() -> None:
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    names = [name for group in copied for name in group]
    assert names
    assert all((ROOT / name).exists() for name in names)
    kept = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {f"!{name}" for name in names} <= set(kept)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (extras,) = re.findall(r"/src\[([\w,-]+)\]", FILES["Containerfile"])
    assert set(extras.split(",")) <= project["optional-dependencies"].keys()
    (python,) = set(re.findall(r"FROM python:(\d\.\d+)", FILES["Containerfile"]))
    assert tuple(map(int, python.split("."))) >= (3, 11)


def test_the_composition_names_files_and_ports_that_there_are() -> None:
    compose = FILES["compose.yaml"]
    assert "\t" not in compose
    assert (DEPLOY / re.findall(r"context: (\S+)", compose)[0]).resolve() == ROOT
    assert (ROOT / re.findall(r"dockerfile: (\S+)", compose)[0]).is_file()
    assert re.findall(r"\./(Caddyfile):/etc/caddy/Caddyfile:ro", compose)
    assert f"VOICECHAT_BEHIND: voicechat:{PORT}" in compose
    folder = Path(taken(json.loads(dict(instructions())["CMD"]))["config"]).parent.as_posix()
    assert f"./config:{folder}:ro" in compose
    grace_s = int(re.findall(r"stop_grace_period: (\d+)s", compose)[0])
    assert grace_s > Serve().drain_s + 10  # and the sessions may take a moment to be gone


@pytest.mark.parametrize("name", ["Caddyfile", "nginx.conf"])
def test_the_proxies_lead_to_the_port_and_keep_what_is_inside(name: str) -> None:
    text = re.sub(r"\s#.*", "", FILES[name])
    assert text.count("{") == text.count("}")
    assert f"127.0.0.1:{PORT}" in text
    assert "/metrics" in text
    ((size, unit),) = re.findall(r"(?:max_size|client_max_body_size) (\d+)(\w+)", text)
    assert int(size) * {"m": 1 << 20, "MiB": 1 << 20, "MB": 1_000_000}[unit] > Limits().upload_bytes


def test_the_unit_starts_a_command_that_there_is_and_gives_answers_time() -> None:
    service = unit()
    (start,) = service["ExecStart"]
    program, *words = shlex.split(start)
    assert program == "/opt/voicechat/bin/voicechat"
    parameters = taken(words)
    credential = service["LoadCredential"][0].partition(":")[0]
    assert str(parameters["config"]) == f"${{CREDENTIALS_DIRECTORY}}/{credential}"
    assert (str(parameters["log_file"]), parameters["as_json"]) == ("-", True)
    assert parameters["host"] is None  # the proxy is what others reach
    assert int(service["TimeoutStopSec"][0]) > Serve().drain_s + 10
    assert service["RestartPreventExitStatus"] == [str(ConfigError.exit_code)]
    for name, value in {"DynamicUser": "yes", "ProtectSystem": "strict", "NoNewPrivileges": "yes"}.items():
        assert service[name] == [value]
