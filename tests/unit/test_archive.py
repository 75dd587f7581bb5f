"""Kept conversations: what their lines say, which are found, what goes on from them, and what leaves."""

import os
import stat
from datetime import datetime
from pathlib import Path

import pytest

from tests.unit.archives import keep, lines_of, write
from voicechat.archive import folder as folders
from voicechat.archive.lines import NO_RESULT, Called, Said, read, understood
from voicechat.archive.past import Spoken, newest_past, past_of
from voicechat.errors import UsageError

FIRST, SECOND, THIRD = "20261124-090000", "20261125-090000", "20261126-090000"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- What the lines say ---


def test_who_said_what_and_when_in_the_recording() -> None:
    kept = understood(FIRST, lines_of(FIRST, [("Is it sunny?", "It is.")], provider="acme"))
    assert kept.said == [
        Said(1, "user", "Is it sunny?", 1.0, 1.5),
        Said(1, "assistant", "It is.", pytest.approx(2.2), 2.8),
    ]
    assert (kept.provider, kept.model, kept.voice, kept.turns, kept.seconds) == ("acme", "m-1", "Ann", 1, 3.0)
    assert (kept.ended, kept.began) == (True, "2026-11-24T09:00:00+00:00")
    assert [kept.name(said.who) for said in kept.said] == ["you", "Ann"]
    named = [{**line, "assistant": "Miss Lee"} for line in lines_of(FIRST, [("x", "y")])]
    assert understood(FIRST, named).name("assistant") == "Miss Lee"


def test_words_that_came_after_the_answer_stand_before_it() -> None:
    lines = lines_of(FIRST, [("one", "1"), ("two", "2")])
    words = next(line for line in lines if line["type"] == "user" and line["turn"] == 1)
    lines.remove(words)
    lines.append(words)
    assert [said.text for said in understood(FIRST, lines).said] == ["one", "1", "two", "2"]


def test_an_interrupted_answer_is_what_was_heard_and_the_rest() -> None:
    lines = lines_of(FIRST, [("go on", "one two three")])
    lines[-2] |= {"heard": "one", "interrupted": True}
    answer = understood(FIRST, lines).said[-1]
    assert (answer.text, answer.unheard) == ("one", " two three")


def test_broken_lines_cost_nothing_but_themselves(tmp_path: Path) -> None:
    """Half a line is what a power cut leaves; kinds and types from later, or from nobody, are read over."""
    path = keep(tmp_path, FIRST, ("Is it sunny?", "It is."), ended=False)
    with path.open("ab") as file:
        file.write(b'[1]\n{"type": 3}\nnull\n\xff\xfe\n{"type": "from later", "t": "x"}\n')
        file.write(b'{"type": "user", "turn": "2", "text": 7}\n{"t": 1e400, "type": "state"}\n{"t": 9, "type": "assist')
    kept = read(tmp_path, FIRST)
    assert [said.text for said in kept.said if said.text] == ["Is it sunny?", "It is."]
    assert kept.broken == 5
    assert not kept.ended


def test_what_was_being_said_when_the_program_was_killed_is_there(tmp_path: Path) -> None:
    lines = lines_of(FIRST, [("Is it sunny?", "It is.")], ended=False)
    lines.insert(5, {"t": 2.1, "type": "assistant.partial", "turn": 1, "text": "It"})
    lines += [
        {"t": 5.0, "type": "user", "turn": 2, "text": "And tomorrow?", "source": "text"},
        {"t": 6.0, "type": "assistant.partial", "turn": 2, "text": "Tomorrow"},
        {"t": 7.0, "type": "assistant.partial", "turn": 2, "text": "Tomorrow it rains"},
        {"t": 7.5, "type": "user.partial", "turn": 3, "text": "Oh"},
    ]
    write(tmp_path, FIRST, lines)
    assert [(said.turn, said.text) for said in read(tmp_path, FIRST).said] == [
        (1, "Is it sunny?"),
        (1, "It is."),
        (2, "And tomorrow?"),
        (2, "Tomorrow it rains"),
        (3, "Oh"),
    ]
    assert past_of(tmp_path, FIRST).said[-2:] == (Spoken("assistant", "Tomorrow it rains"), Spoken("user", "Oh"))


# --- Names and the folder ---


def test_a_conversation_is_found_by_its_id_its_beginning_or_as_the_last(tmp_path: Path) -> None:
    for name in (FIRST, SECOND, THIRD, f"{THIRD}-2", f"{THIRD}-10"):
        keep(tmp_path, name, ("x", "y"))
    (tmp_path / "notes.jsonl").write_text("{}")
    assert folders.ids(tmp_path) == [FIRST, SECOND, THIRD, f"{THIRD}-2", f"{THIRD}-10"]
    assert folders.find(tmp_path, "20261125") == SECOND
    assert folders.find(tmp_path, THIRD) == THIRD
    assert folders.find(tmp_path, "last") == folders.find(tmp_path, "") == f"{THIRD}-10"
    with pytest.raises(UsageError, match="may be 3 conversations"):
        folders.find(tmp_path, "20261126")
    for unknown in ("2027", "notes", "..", "%"):
        with pytest.raises(UsageError, match="There is no conversation"):
            folders.find(tmp_path, unknown)
    with pytest.raises(UsageError, match="No conversation is kept"):
        folders.find(tmp_path / "nowhere", "last")


def test_two_that_begin_at_once_have_names_of_their_own_and_are_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        folder = tmp_path / "new" / "history"
        folders.make_folder(folder)
        names = []
        for _ in range(3):
            name, file = folders.claim(folder, datetime(2026, 11, 26, 9))
            file.close()
            names.append(name)
    finally:
        os.umask(old)
    assert names == [THIRD, f"{THIRD}-2", f"{THIRD}-3"]
    assert mode(folder) == 0o700
    assert {mode(path) for path in folder.iterdir()} == {0o600}


def test_a_folder_of_the_users_keeps_its_mode_and_ours_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    folders.make_folder(tmp_path)
    assert mode(tmp_path) == 0o755
    folders.close_to_others(tmp_path)
    assert mode(tmp_path) == 0o700


def test_what_is_too_old_leaves_with_all_its_files_and_nothing_else_does(tmp_path: Path) -> None:
    for name in (FIRST, SECOND, THIRD):
        keep(tmp_path, name, ("x", "y"))
        for ending in (".md", ".wav", ".2.wav"):
            (tmp_path / f"{name}{ending}").write_text("")
    for foreign in ("notes.jsonl", f"{FIRST}.txt", "20200101-000000.md", "20200101.jsonl"):
        (tmp_path / foreign).write_text("")
    assert folders.sweep(tmp_path, 0, datetime(2036, 1, 1)) == []
    assert folders.sweep(tmp_path, 1, datetime(2026, 11, 26, 9)) == [FIRST]
    left = {path.name for path in tmp_path.iterdir()}
    assert not {name for name in left if name.startswith(FIRST)} - {f"{FIRST}.txt"}
    assert {name for name in left if name.startswith(SECOND)} == {
        f"{SECOND}{e}" for e in (".jsonl", ".md", ".wav", ".2.wav")
    }
    assert {"notes.jsonl", f"{FIRST}.txt", "20200101-000000.md", "20200101.jsonl"} <= left


def test_the_recording_of_a_day_is_heard_in_its_order(tmp_path: Path) -> None:
    keep(tmp_path, FIRST, ("x", "y"))
    for ending in (".10.wav", ".2.wav", ".wav"):
        (tmp_path / f"{FIRST}{ending}").write_text("")
    assert [path.name for path in folders.sounds_of(tmp_path, FIRST)] == [
        f"{FIRST}{e}" for e in (".wav", ".2.wav", ".10.wav")
    ]


# --- Going on ---


def test_going_on_takes_what_was_said_also_before_that(tmp_path: Path) -> None:
    keep(tmp_path, FIRST, ("My name is Ada.", "Hello Ada."))
    lines = lines_of(SECOND, [("Tell me more.", "one two three"), ("", "…")], continues=FIRST)
    lines[5] |= {"heard": "one two", "interrupted": True}
    lines.insert(4, {"t": 3, "type": "tool", "turn": 1, "name": "f", "arguments": "{}", "output": "x", "ok": True})
    write(tmp_path, SECOND, lines)
    past = past_of(tmp_path, SECOND)
    assert past.id == SECOND
    assert past.said == (
        Spoken("user", "My name is Ada."),
        Spoken("assistant", "Hello Ada."),
        Spoken("user", "Tell me more."),
        Spoken("tool", "x", Called("f", "{}", "x")),
        Spoken("assistant", "one two"),
        Spoken("assistant", "…"),
    )


def test_going_on_settles_calls_and_names_pictures(tmp_path: Path) -> None:
    """One call has its result, one was running when the program was killed; who was asked said nothing either."""
    lines = lines_of(FIRST, [("What is that?", "A cat.")], ended=False)
    call = {"t": 3, "type": "tool.call", "turn": 2, "name": "feed", "arguments": "{}", "state": "running"}
    lines[2:2] = [{"t": 0.1, "type": "picture", "turn": 1, "name": "cat.png", "width": 640, "height": 480, "bytes": 9}]
    lines += [call | {"call": 1}, call | {"call": 2}, call | {"call": 3, "state": "asking"}]
    lines += [call | {"type": "tool", "call": 1, "output": "fed", "ok": True}]
    lines += [{"t": 9, "type": "picture", "turn": 3, "name": "b.png", "width": 1, "height": 2, "bytes": 9}]
    write(tmp_path, FIRST, lines)
    fed, cut_off = Called("feed", "{}", "fed"), Called("feed", "{}", NO_RESULT)
    assert past_of(tmp_path, FIRST).said == (
        Spoken("picture", "[picture: cat.png, 640x480]"),
        Spoken("user", "What is that?"),
        Spoken("assistant", "A cat."),
        Spoken("tool", "fed", fed),
        Spoken("tool", NO_RESULT, cut_off),
        Spoken("tool", NO_RESULT, cut_off),
        Spoken("picture", "[picture: b.png, 1x2]"),
    )
    assert read(tmp_path, FIRST).turns == 2


def test_going_on_leaves_out_what_only_filled_a_silence(tmp_path: Path) -> None:
    lines = lines_of(FIRST, [("Is it warm?", "Still looking.")], ended=False)
    lines[-1]["aside"] = True
    lines.insert(-1, {"t": 2.1, "type": "assistant.partial", "turn": 1, "text": "Still"})
    write(tmp_path, FIRST, lines)
    assert past_of(tmp_path, FIRST).said == (Spoken("user", "Is it warm?"),)
    lines.append({"t": 4.0, "type": "assistant.partial", "turn": 1, "text": "Twelve deg"})
    write(tmp_path, FIRST, lines)
    assert [said.text for said in read(tmp_path, FIRST).said] == ["Is it warm?", "Still looking.", "Twelve deg"]
    assert past_of(tmp_path, FIRST).said == (Spoken("user", "Is it warm?"), Spoken("assistant", "Twelve deg"))


def test_going_on_survives_a_chain_that_is_broken_or_a_circle(tmp_path: Path) -> None:
    keep(tmp_path, FIRST, ("a", "b"), continues=SECOND)
    keep(tmp_path, SECOND, ("c", "d"), continues=FIRST)
    keep(tmp_path, THIRD, ("e", "f"), continues="20200101-000000")
    assert [told.text for told in past_of(tmp_path, SECOND).said] == ["a", "b", "c", "d"]
    assert [told.text for told in past_of(tmp_path, THIRD).said] == ["e", "f"]


def test_the_last_is_the_last_in_which_something_was_said(tmp_path: Path) -> None:
    keep(tmp_path, FIRST, ("a", "b"))
    keep(tmp_path, SECOND)
    assert newest_past(tmp_path).id == FIRST
