"""`voicechat history …`: what it prints, writes and removes, and what it says to bad input."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.unit.archives import keep, lines_of, write
from voicechat.archive.export import FORMATS
from voicechat.archive.lines import understood
from voicechat.cli.app import app
from voicechat.errors import UsageError, VoicechatError

FIRST, SECOND = "20261124-090000", "20261125-090000"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "kept"
    keep(folder, FIRST, ("Is it sunny?", "It is."), ("今天适合去爬山吗？", "很适合。"))
    lines = lines_of(SECOND, [("Go <on> & on", "one two three")], continues=FIRST)
    lines[-2] |= {"heard": "one", "interrupted": True}
    lines.insert(
        -1, {"t": 3, "type": "tool", "turn": 1, "name": "time", "arguments": "{}", "output": "\x1b[2J9", "ok": True}
    )
    for taken, given, cost in ((900, 90, 0.25), (100, 10, None)):
        used = {"turn": 1, "input_tokens": taken, "output_tokens": given, "cost": cost, "currency": "USD"}
        lines.insert(-1, {"t": 3, "type": "usage", **used})
    write(folder, SECOND, lines)
    return folder


def run(folder: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["history", arguments[0], "--dir", str(folder), *arguments[1:]])


def printed(folder: Path, *arguments: str) -> list[str]:
    result = run(folder, *arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return list(result.stdout.splitlines())


def refused(folder: Path, *arguments: str) -> str:
    result = run(folder, *arguments)
    assert isinstance(result.exception, VoicechatError), result.output
    return result.exception.message


def test_the_list_is_a_table_or_one_object_for_each(folder: Path) -> None:
    rows = printed(folder, "list")
    assert [row.split()[0] for row in rows] == ["id", SECOND, FIRST]
    assert rows[1].split() == [SECOND, "0:03", "1", "acme", "Go", "<on>", "&", "on"]
    entries = [json.loads(line) for line in printed(folder, "list", "--json")]
    assert [entry["id"] for entry in entries] == [SECOND, FIRST]
    assert (entries[0]["input_tokens"], entries[0]["output_tokens"]) == (1000, 100)
    assert (entries[0]["cost"], entries[0]["currency"]) == (None, "USD")  # of one response nobody knows
    assert [row.split()[0] for row in printed(folder, "list", "-n", "1")] == ["id", SECOND]


def test_a_conversation_is_shown_and_its_lines_are_given(folder: Path) -> None:
    assert printed(folder, "show", "last") == [
        "you: Go <on> & on",
        "Ann: one [not heard: two three]",
        "tool: time({}): \\x1b[2J9",
    ]
    lines = printed(folder, "show", FIRST, "--json")
    assert json.loads(lines[0])["type"] == "conversation"
    assert len(lines) == len(lines_of(FIRST, [("", "")] * 2))


def test_search_shows_the_words_around(folder: Path) -> None:
    assert printed(folder, "search", "爬山")[1].split() == [FIRST, "2", "user", "今天适合去爬山吗？"]
    hit = json.loads(printed(folder, "search", "two three", "--json")[0])
    assert hit == {"id": SECOND, "turn": 1, "who": "assistant", "at_s": 2.2, "text": "one two three"}
    assert run(folder, "search", "nowhere").stdout == ""
    assert "Nothing like it" in run(folder, "search", "nowhere").stderr


def test_stats_sum_up_by_day_provider_and_model(folder: Path) -> None:
    days = [json.loads(line) for line in printed(folder, "stats", "--json")]
    assert [entry["day"] for entry in days] == ["2026-11-25", "2026-11-24"]
    assert (days[0]["conversations"], days[0]["turns"], days[0]["seconds"]) == (1, 1, 3.0)
    assert (days[0]["input_tokens"], days[0]["cost"], days[0]["unpriced"]) == (1000, {"USD": 0.25}, 1)
    assert (days[1]["input_tokens"], days[1]["cost"], days[1]["unpriced"]) == (0, {}, 0)
    table = printed(folder, "stats", "--by", "provider")
    assert table[1].split() == ["acme", "2", "3", "0:08", "1.0k", "100", "$0.25", "(1", "unpriced)"]
    assert json.loads(printed(folder, "stats", "--by", "model", "--json")[0])["model"] == "m-1"


def test_delete_asks_or_is_told_and_removes_all_of_it(folder: Path) -> None:
    (folder / f"{FIRST}.wav").write_bytes(bytes(1000))
    assert "Nobody can be asked" in refused(folder, "delete", FIRST)
    assert "There is no conversation" in refused(folder, "delete", FIRST, "20200101", "--yes")
    assert (folder / f"{FIRST}.wav").exists()
    printed(folder, "delete", FIRST, FIRST, "--yes")
    assert not list(folder.glob(f"{FIRST}*"))
    assert [json.loads(line)["id"] for line in printed(folder, "list", "--json")] == [SECOND]


def test_export_writes_a_file_or_stdout(folder: Path, tmp_path: Path) -> None:
    assert printed(folder, "export", SECOND, "--format", "txt")[0] == "you: Go <on> & on"
    printed(folder, "export", SECOND, "-o", str(tmp_path / "talk.md"))
    assert (tmp_path / "talk.md").read_text("utf-8").startswith("# 2026-11-25 09:00 · acme · m-1\n")
    assert "cannot be written" in refused(folder, "export", SECOND, "-o", str(tmp_path / "no" / "talk.md"))


def test_what_is_not_there_is_one_line(folder: Path, tmp_path: Path) -> None:
    for command in (["show", "2027"], ["export", "2027"], ["play", "2027"]):
        assert "There is no conversation '2027'" in refused(folder, *command)
    assert "No sound was kept" in refused(folder, "play", FIRST)
    (folder / f"{FIRST}.wav").write_bytes(b"no sound at all")
    assert "cannot be read" in refused(folder, "play", FIRST)
    assert "has no turn 9" in refused(folder, "play", FIRST, "--turn", "9")
    assert run(tmp_path / "nowhere", "list").exit_code == 0
    (tmp_path / "file").write_text("")
    assert isinstance(run(tmp_path / "file", "list").exception, VoicechatError)


def test_the_path_is_that_of_the_settings(folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["history", "path"])
    assert result.stdout == f"{tmp_path / 'home' / 'voicechat' / 'history'}\n"
    config = tmp_path / "config.toml"
    config.write_text(f"save = {json.dumps(str(folder))}\n")
    assert CliRunner().invoke(app, ["history", "path", "--config", str(config)]).stdout == f"{folder}\n"


# --- The forms ---


@pytest.fixture
def kept_lines() -> list[dict[str, object]]:
    lines = lines_of(FIRST, [("Say <b>hi</b>\nnow \x1b[31m", "one two")])
    lines[-2] |= {"heard": "one", "interrupted": True}
    return lines


def test_the_forms_of_a_conversation(kept_lines: list[dict[str, object]]) -> None:
    kept = understood(FIRST, kept_lines)
    assert FORMATS["srt"](kept) == (
        "1\n00:00:01,000 --> 00:00:02,000\nyou: Say <b>hi</b> now \\u001b[31m\n\n"
        "2\n00:00:02,200 --> 00:00:03,200\nAnn: one\n"
    )
    assert FORMATS["txt"](kept) == "you: Say <b>hi</b> now \\u001b[31m\nAnn: one [not heard: two]\n"
    assert "**Ann:** one ~~two~~\n" in FORMATS["md"](kept)
    page = FORMATS["html"](kept)
    assert '<p class="user"><b>you</b> Say &lt;b&gt;hi&lt;/b&gt;<br>\nnow \\u001b[31m</p>' in page
    assert '<p class="assistant"><b>Ann</b> one <s>two</s></p>' in page
    told = json.loads(FORMATS["json"](kept))
    assert (told["id"], told["said"][0]["text"]) == (FIRST, "Say <b>hi</b>\nnow \x1b[31m")
    assert told["said"][1] == {
        "turn": 1, "who": "assistant", "text": "one", "unheard": " two", "at_s": 2.2, "until_s": 2.8,
    }  # fmt: skip
    assert not {"\x1b"} & set("".join(form(kept) for form in FORMATS.values()))


def test_a_speech_that_was_not_understood_and_an_empty_conversation(kept_lines: list[dict[str, object]]) -> None:
    kept_lines[4]["text"] = ""
    assert FORMATS["txt"](understood(FIRST, kept_lines)).startswith("you: (not understood)\n")
    for form in FORMATS.values():
        assert isinstance(form(understood(FIRST, [])), str)


def test_an_unknown_form_is_a_usage_error(folder: Path) -> None:
    assert run(folder, "export", FIRST, "--format", "pdf").exit_code == UsageError.exit_code
