"""Name, way of speaking and knowledge of the assistant go where the service takes them."""

from pathlib import Path

import pytest

from voicechat.cli.role import MOST_CONTEXT_BYTES, Role, checked_language, read_context, role
from voicechat.errors import UsageError
from voicechat.realtime.capabilities import Capabilities


def test_what_has_no_place_of_its_own_becomes_part_of_the_instructions() -> None:
    told = role("Be brief.", "Lee", "Slowly.", "It rains.", Capabilities())
    assert told == Role(
        "Be brief.\n\nYour name is Lee.\n\nYour way of speaking: Slowly.\n\n"
        "Background knowledge for your answers:\nIt rains."
    )
    assert role("Be brief.", "", "", "", Capabilities()) == Role("Be brief.")


def test_what_has_a_place_of_its_own_goes_there(capsys: pytest.CaptureFixture[str]) -> None:
    told = role("Be brief.", "Lee", "Slowly.", "It rains.", Capabilities(supports_style=True, context_chars=100))
    assert told == Role("Be brief.", "Slowly.", "It rains.")
    assert capsys.readouterr().err == ""


def test_the_language_is_told_in_words_where_it_has_no_field() -> None:
    assert role("Be brief.", "", "", "", Capabilities(), "de") == Role("Be brief.")
    told = role("Be brief.", "", "", "", Capabilities(supports_language=False), "de")
    assert told == Role("Be brief.\n\nThe user speaks the language de.")


@pytest.mark.parametrize(("given", "tag"), [("", ""), ("de", "de"), (" ZH_cn ", "zh-cn"), ("zh-sichuan", "zh-sichuan")])
def test_a_language_is_a_tag(given: str, tag: str) -> None:
    assert checked_language(given) == tag


@pytest.mark.parametrize("given", ["German", "d", "de-", "zh;q=1", "\x1b[31m"])
def test_what_is_no_tag_is_a_usage_error(given: str) -> None:
    with pytest.raises(UsageError, match="is no code of a language"):
        checked_language(given)


def test_knowledge_that_is_cut_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert role("", "", "", "abcdef", Capabilities(context_chars=4)).context == "abcd"
    assert capsys.readouterr().err == "--context: only the first 4 characters are used.\n"


def test_the_file_with_knowledge(tmp_path: Path) -> None:
    file = tmp_path / "facts.txt"
    file.write_bytes(b"\xef\xbb\xbf It rains.\n")
    assert read_context(str(file)) == "It rains."
    assert read_context("") == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read: No such file"), (b"\xff\xfe", "is not UTF-8"), (b"a" * (MOST_CONTEXT_BYTES + 1), "long")],
)
def test_a_file_of_no_use_is_a_usage_error(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "facts.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_context(str(file))
