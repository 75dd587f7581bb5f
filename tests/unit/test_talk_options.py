"""The options of the conversation commands are one definition, and none of them is forgotten on the way."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from voicechat.cli import talking
from voicechat.cli.app import app
from voicechat.cli.options import MICROPHONE, TURN_TAKING, TalkOptions, with_last, with_talk_options
from voicechat.cli.talking import Kind, turn_detection_of
from voicechat.config import choose_provider, load
from voicechat.config.settings import Settings
from voicechat.errors import UsageError
from voicechat.realtime.capabilities import Capabilities
from voicechat.services import open_service

SHARED = {field.name for field in dataclasses.fields(TalkOptions)}


def parameters(name: str) -> dict[str, Any]:
    command: Any = get_command(app)
    return {parameter.name: parameter for parameter in command.commands[name].params}


@pytest.mark.parametrize(
    ("name", "without"), [("vad", ()), ("manual", TURN_TAKING), ("say", (*TURN_TAKING, *MICROPHONE, "greeting"))]
)
def test_conversation_commands_have_the_same_options_where_they_mean_something(
    name: str, without: tuple[str, ...]
) -> None:
    found, model = parameters(name), parameters("vad")
    assert SHARED - set(found) == set(without)
    for option in SHARED - set(without):
        assert (found[option].opts, found[option].secondary_opts, found[option].help, found[option].default) == (
            model[option].opts,
            model[option].secondary_opts,
            model[option].help,
            model[option].default,
        )


@pytest.mark.parametrize(
    ("there", "config", "kind", "patient"),
    [
        (True, "", "vad", True),
        (False, "", "vad", False),
        (True, "", "say", False),
        (True, "[connection]\nretry_delays_s = [1]\n", "vad", False),
    ],
)
def test_only_somebody_who_sits_there_waits_long_for_a_service(
    there: bool, config: str, kind: Kind, patient: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talking, "_somebody_there", lambda: there)
    (tmp_path / "config.toml").write_text(config)
    options = TalkOptions(provider="offline", config=tmp_path / "config.toml")
    loaded = load(options.config, options.settings())
    choice = choose_provider(loaded)
    service = open_service(choice, loaded.settings.connection)
    made = talking.plan(kind, options, loaded, choice, service, "hello")
    assert (len(made.retry.delays_s) > 5) is patient
    assert made.assistant == "companion"


NAMES = """
--provider --model --voice --instructions -i --persona --url --config --input-device --output-device --input --output
--save --json --plain --turn --silence-ms --threshold --barge-in --no-barge-in --aec --no-aec --verbose -v --log-file
"""


def test_the_names_are_those_that_people_script() -> None:
    every = {word for parameter in parameters("vad").values() for word in (*parameter.opts, *parameter.secondary_opts)}
    assert every >= set(NAMES.split())


def given(*arguments: str) -> TalkOptions:
    """What a command receives."""
    received: list[TalkOptions] = []
    one = typer.Typer(pretty_exceptions_enable=False)

    @one.command()
    @with_talk_options()
    def command(options: TalkOptions, word: str = "") -> None:
        received.append(options)

    one(list(arguments), standalone_mode=False)
    return received[0]


def test_what_was_not_given_is_none_so_that_files_and_environment_may_decide() -> None:
    assert given() == TalkOptions()
    assert set(TalkOptions().settings().values()) == {None}


def test_what_was_given_arrives() -> None:
    options = given(
        *("--provider", "qwen", "-i", "Be brief.", "--silence-ms", "700", "--threshold", "0.4", "--no-barge-in"),
        *("--aec", "--input", "in.wav", "--output", "-", "--json", "--log-file", "log", "--save", "kept"),
    )
    assert (options.input, options.output, options.json, options.log_file) == ("in.wav", "-", True, Path("log"))
    assert {name: value for name, value in options.settings().items() if value is not None} == {
        "provider": "qwen",
        "instructions": "Be brief.",
        "silence_ms": 700,
        "threshold": 0.4,
        "barge_in": False,
        "aec": True,
        "save": "kept",
    }


def test_every_flag_that_is_called_a_setting_is_one() -> None:
    assert set(TalkOptions().settings()) <= set(Settings.model_fields)
    # and those that could be one are passed on
    assert SHARED & set(Settings.model_fields) == set(TalkOptions().settings())


def test_stdout_cannot_carry_sound_and_words() -> None:
    from voicechat.cli.talking import check_streams

    with pytest.raises(UsageError, match="both want stdout"):
        check_streams(TalkOptions(output="-", json=True))
    check_streams(TalkOptions(output="-", plain=True))


@pytest.mark.parametrize(
    ("asked", "has", "found", "told"),
    [
        ("server", {}, "server", ""),
        ("local", {}, "local", ""),
        ("local", {"supports_server_vad": False}, "local", ""),
        ("semantic", {"supports_semantic_vad": True}, "semantic", ""),
        ("semantic", {"supports_semantic_vad": True, "supports_server_vad": False}, "semantic", ""),
        ("semantic", {}, "server", "it has no semantic turn detection: the server's voice detection is used.\n"),
        (
            "semantic",
            {"supports_server_vad": False},
            "local",
            "it has no semantic turn detection: this machine's voice detection is used.\n",
        ),
        (
            "server",
            {"supports_server_vad": False},
            "local",
            "it has no server turn detection: this machine's voice detection is used.\n",
        ),
    ],
)
def test_turns_are_found_by_whoever_can(
    asked: str, has: dict[str, bool], found: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert turn_detection_of(asked, Capabilities(**has), "it") == found
    assert capsys.readouterr().err == told


@pytest.mark.parametrize(
    ("words", "takes_words", "read"),
    [
        ("--continue", False, "--continue=last"),
        ("--continue --json", False, "--continue=last --json"),
        ("--continue 20261126-090000", False, "--continue 20261126-090000"),
        ("--continue 2026", False, "--continue 2026"),
        ("--continue=2026", True, "--continue=2026"),
        ("--continue hello", True, "--continue=last hello"),
        ("--continue 20261126-090000 hello", True, "--continue 20261126-090000 hello"),
        ("--continue last hello", True, "--continue last hello"),
        ("hello --continue", True, "hello --continue=last"),
        ("-- --continue", True, "-- --continue"),
        ("--continue -- --json", True, "--continue=last -- --json"),
    ],
)
def test_continue_may_stand_without_an_id(words: str, takes_words: bool, read: str) -> None:
    assert with_last(words.split(), takes_words) == read.split()
