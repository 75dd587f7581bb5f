"""A frame whose sound is cut out before it is parsed reads like any other."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.dialects import fields

SOUND = "QUJD" * 400


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "append", "audio": SOUND},
        {"audio": SOUND, "event_id": "é"},
        {"audio": "short"},
        {"audio": 5, "other": SOUND},
        {"inner": {"audio": SOUND}},
        {"text": f'"audio":"{SOUND}"', "audio": 1},
        {"text": 'say "audio":', "audio": SOUND},
        {"audio": f'{SOUND}"{SOUND}'},
        {"audio": f"{SOUND}\\"},
        [{"audio": SOUND}],
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\n", " :\t")])
def test_the_same_as_a_parser_says(frame: Any, separators: tuple[str, str]) -> None:
    for written in (json.dumps(frame, separators=separators), f" {json.dumps(frame)}\n"):
        assert fields.parsed(written, "audio") == frame
        assert fields.parsed(written.encode(), "audio") == frame


@pytest.mark.parametrize("frame", [f'{{"audio":"{SOUND}"', f'{{"audio":"{SOUND}"}}x', f'"audio":"{SOUND}"', "", "{"])
def test_what_is_no_json_is_none(frame: str) -> None:
    with pytest.raises(ValueError):
        fields.parsed(frame, "audio")


@pytest.mark.parametrize(("value", "read"), [(7, "7"), (0, "0"), ("7", "7"), (None, "")])
def test_an_id_may_be_a_number(value: Any, read: str) -> None:
    assert fields.text({"id": value}, "id") == read


@pytest.mark.parametrize("value", [True, 7.5, ["7"], {"id": 7}])
def test_what_else_is_no_text_is_broken(value: Any) -> None:
    with pytest.raises(fields.BrokenFrame):
        fields.text({"id": value}, "id")


def test_words_are_no_number() -> None:
    with pytest.raises(fields.BrokenFrame):
        fields.text({"text": 7}, "text")


def test_the_parser_does_not_see_the_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "json", None)
    assert fields.parsed(f'{{"type":"append", "audio": "{SOUND}"}}', "audio") == {"type": "append", "audio": SOUND}


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.dictionaries(st.sampled_from(["audio", "b"]), inner)
    )
)
def test_anything_is_read_as_it_was_written(value: Any) -> None:
    assert fields.parsed(json.dumps(value), "audio") == value
