"""What a slip of the fingers is answered with, and what the help calls the values."""

import contextlib
import io
from typing import Any

import pytest
from typer.main import get_command

from voicechat.audio.encode import ENDINGS, encoding_of
from voicechat.cli.app import app
from voicechat.errors import UsageError, VoicechatError
from voicechat.providers.catalogue import providers
from voicechat.speech.protocols import abilities_of


def run(*words: str) -> None:
    get_command(app).main(list(words), prog_name="voicechat", standalone_mode=False)


def complaint(*words: str) -> tuple[str, str]:
    with pytest.raises(UsageError) as raised:
        run(*words)
    return raised.value.message, raised.value.hint


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {variable for info in providers().values() for variable in info.environment.values()}:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("words", "proposed"),
    [
        (("say", "hi", "there"), 'voicechat say "hi there"'),
        (("speak", "good", "night", "-o", "n.mp3"), 'voicechat speak "good night"'),
        (("say", 'a "b"', "$c"), "voicechat say 'a \"b\" $c'"),
    ],
)
def test_words_without_quotes_are_told_how_to_write_them(words: tuple[str, ...], proposed: str) -> None:
    message, hint = complaint(*words)
    assert "needs quotes" in message
    assert hint == f"Try: {proposed}"


@pytest.mark.parametrize(
    ("asked", "hint"),
    [("germn", "Did you mean de (German)?"), ("zh-sichuann", "Did you mean zh-sichuan?"), ("xx", "Known: cs, de, en")],
)
def test_a_language_nobody_speaks_is_an_error_with_the_nearest(asked: str, hint: str) -> None:
    message, said = complaint("voices", "--language", asked)
    assert message == f"Unknown language {asked!r}."
    assert said.startswith(hint)


def test_a_language_that_another_service_has_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    run("voices", "--provider", "openai", "--language", "German")
    assert "voicechat voices --all --language German" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("protocol", "asked", "sent"),
    [
        ("realtime", "German", "German"),
        ("realtime", "de-AT", "German"),
        ("realtime", "zh", "Chinese"),
        ("inference", "Chinese", "zh"),
        ("inference", "zh_CN", "zh"),
        ("realtime", "Auto", ""),
        ("local", "", ""),
    ],
)
def test_a_language_is_told_to_a_service_in_its_own_words(protocol: str, asked: str, sent: str) -> None:
    assert abilities_of(protocol).language(asked, "It") == sent


@pytest.mark.parametrize(
    ("protocol", "asked", "hint"),
    [
        ("realtime", "chinse", "Did you mean zh (Chinese)?"),
        ("realtime", "Thai", "It knows zh, en, de, it, pt, es, ja, ko, fr, ru."),
        ("rest", "de", "Leave --language out."),
    ],
)
def test_a_language_that_a_service_does_not_know_is_an_error(protocol: str, asked: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        abilities_of(protocol).language(asked, "It")
    assert raised.value.hint == hint


@pytest.mark.parametrize("command", [("say", "hi"), ("vad",), ("manual",), ("speak", "hi")])
def test_every_command_writes_the_same_formats_and_says_so_before_it_connects(command: tuple[str, ...]) -> None:
    message, hint = complaint(*command, "-o", "answer.xyz")
    assert "'answer.xyz' has no ending of a sound format" in message
    assert hint == f"It takes {', '.join(f'.{ending}' for ending in ENDINGS)}."
    for ending in ENDINGS:
        # The next hurdle is the missing key: the name of the file was good.
        with pytest.raises(VoicechatError, match="key"), contextlib.redirect_stderr(io.StringIO()):
            run(*command, "--provider", "openai", "-o", f"/nonexistent/answer.{ending}")


def test_an_ending_means_one_thing() -> None:
    meanings = {ending: encoding_of(f"x.{ending}") for ending in ENDINGS}
    assert meanings == {
        "wav": "wav", "mp3": "mp3", "flac": "flac", "opus": "opus", "ogg": "opus", "oga": "opus", "aac": "aac",
        "pcm": "pcm", "raw": "pcm",
    }  # fmt: skip


def commands(command: Any, name: str = "") -> list[str]:
    """Every command and group, by the words that call it."""
    below = getattr(command, "commands", {})
    return [name, *(each for word, under in below.items() for each in commands(under, f"{name} {word}".strip()))]


@pytest.mark.parametrize("command", commands(get_command(app)))
def test_no_help_shows_the_names_of_pythons_types(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(SystemExit):
        run(*command.split(), "--help")
    shown = capsys.readouterr().out
    assert "Usage: voicechat" in shown
    for noise in ("<str>", "<bool>", "<int>", "<float>", "<path>"):
        assert noise not in shown
