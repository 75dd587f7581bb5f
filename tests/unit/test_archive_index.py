"""The index: found are words and passages of any language, and it is only ever a copy of the lines."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from tests.unit.archives import keep
from voicechat.archive import index as index_module
from voicechat.archive.folder import delete
from voicechat.archive.index import NAME, Hit, opened, words_of

FIRST, SECOND = "20261124-090000", "20261125-090000"


def found(folder: Path, query: str) -> list[tuple[str, int, str]]:
    with opened(folder) as index:
        return [(hit.id, hit.turn, hit.who) for hit in index.search(query)]


TEXTS = (
    "Is it sunny in Oslo?",
    "100% sunny, a_b.",
    "今天适合去爬山吗？",
    "今天晴，很适合。",
    "And in Bergen?",
    'It rains in Bergen, "always".',
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keep(tmp_path, FIRST, TEXTS[0:2], TEXTS[2:4])
    keep(tmp_path, SECOND, TEXTS[4:6])
    return tmp_path


def test_words_passages_and_signs_are_found(folder: Path) -> None:
    assert found(folder, "SUNNY") == [(FIRST, 1, "user"), (FIRST, 1, "assistant")]
    assert found(folder, "sunny oslo") == [(FIRST, 1, "user")]
    assert found(folder, "爬山") == [(FIRST, 2, "user")]
    assert found(folder, "适合去爬山") == [(FIRST, 2, "user")]
    assert found(folder, "晴") == [(FIRST, 2, "assistant")]
    assert found(folder, "in") == [(SECOND, 1, "user"), (SECOND, 1, "assistant"), (FIRST, 1, "user")]
    assert found(folder, '"in bergen"') == [(SECOND, 1, "user"), (SECOND, 1, "assistant")]
    assert found(folder, "snow") == found(folder, "") == found(folder, '"') == []


@pytest.mark.parametrize("query", ["0%", "a_", '"always"', "sunny AND oslo", "NEAR(", "su*ny", "text:", "-", "'; DROP"])
def test_a_query_is_words_and_no_command(folder: Path, query: str) -> None:
    with opened(folder) as index:
        hits = {hit.text for hit in index.search(query)}
    assert hits == {text for text in TEXTS if all(word.lower() in text.lower() for word in words_of(query))}


def test_it_follows_what_is_added_goes_on_and_leaves(folder: Path) -> None:
    third = "20261126-090000"
    keep(folder, third, ("And now?", "Always cold."), ended=False)
    assert found(folder, "cold") == [(third, 1, "assistant")]
    keep(folder, third, ("And now?", "Snow."), ("Now?", "Warm."))
    assert found(folder, "snow") == [(third, 1, "assistant")]
    assert found(folder, "cold") == []
    keep(folder, third, ("And now?", "Ice."))
    assert found(folder, "ice") == [], "what has ended is not written any more, and costs no look"
    delete(folder, third)
    assert found(folder, "snow") == []
    delete(folder, SECOND)
    assert found(folder, "bergen") == []
    with opened(folder) as index:
        assert [entry["id"] for entry in index.conversations()] == [FIRST]


def test_an_index_that_is_broken_gone_or_of_another_version_is_made_again(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert found(folder, "bergen")
    path = folder / NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for _ in range(2):
        path.write_bytes(b"no database at all" * 1000)
        assert found(folder, "bergen")
    path.write_bytes(path.read_bytes()[:5000])
    assert found(folder, "bergen")
    path.unlink()
    assert found(folder, "bergen")
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
        database.execute("DELETE FROM said")
    database.close()
    assert found(folder, "bergen")
    assert caplog.text == "", "the lines were read in its place"


def test_an_index_that_another_program_holds_is_done_without(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(index_module, "PATIENCE_S", 0.05)
    assert found(folder, "bergen")
    other = sqlite3.connect(folder / NAME)
    other.execute("BEGIN EXCLUSIVE")
    keep(folder, SECOND, ("And in Bergen?", "Snow."))
    assert found(folder, "snow") == [(SECOND, 1, "assistant")]
    assert "is locked" in caplog.text
    other.rollback()
    other.close()


def test_a_folder_that_cannot_be_written_is_searched_all_the_same(folder: Path) -> None:
    (folder / NAME).mkdir()
    assert found(folder, "bergen")


def test_a_conversation_that_cannot_be_read_is_left_out(folder: Path) -> None:
    os.rename(folder / f"{SECOND}.jsonl", folder / "elsewhere")
    (folder / f"{SECOND}.jsonl").mkdir()
    assert found(folder, "bergen") == []
    assert found(folder, "oslo") == [(FIRST, 1, "user")]


def test_no_folder_is_no_conversation(tmp_path: Path) -> None:
    with opened(tmp_path / "nowhere") as index:
        assert (index.conversations(), index.search("x")) == ([], [])
    assert not (tmp_path / "nowhere").exists()


def test_the_list_tells_each_conversation(folder: Path) -> None:
    keep(folder, "20261126-090000", ("x", "y"), ended=False, continues=SECOND)
    with opened(folder) as index:
        newest, second, first = index.conversations()
        assert [entry["id"] for entry in index.conversations(2)] == ["20261126-090000", SECOND]
    assert (newest["ended"], newest["continues"], newest["first"]) == (False, SECOND, "x")
    assert (second["turns"], second["provider"], second["ended"]) == (1, "acme", True)
    assert (first["turns"], first["seconds"], first["began"]) == (2, 5.0, "2026-11-24T09:00:00+00:00")


def test_a_hit_tells_where_it_is(folder: Path) -> None:
    with opened(folder) as index:
        assert index.search("rains") == [
            Hit(SECOND, 1, "assistant", pytest.approx(2.2), 'It rains in Bergen, "always".')
        ]
