"""The JSON view: its lines hold every field, and the documentation says the same."""

import dataclasses
import io
import json
import re
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from tests.program import ROOT
from voicechat.conversation import notices as note
from voicechat.ui.jsonl import JsonView


def test_json_lines_hold_every_field() -> None:
    out = io.StringIO()
    times = iter([10.0, 10.5, 12.34567])
    view = JsonView(out, now=lambda: next(times))
    view.show(note.UserTurn(1, "今天\n\x9b\u202e\ud800", "text"))
    view.show(note.LatencyNotice(1, first_token_ms=12.5))
    first, second = out.getvalue().split("\n")[:-1]
    assert first == ('{"t": 0.5, "type": "user", "turn": 1, "text": "今天\\n\\u009b\\u202e\\ud800", "source": "text"}')
    assert json.loads(second) == {
        "t": 2.346,
        "type": "latency",
        "turn": 1,
        "voice_to_voice_ms": None,
        "first_token_ms": 12.5,
        "first_audio_ms": None,
        "interruption_ms": None,
    }


NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def documented() -> dict[str, dict[str, tuple[str, str]]]:
    """Type of line → field → (type, meaning), from docs/json.md."""
    kinds: dict[str, dict[str, tuple[str, str]]] = {}
    fields: dict[str, tuple[str, str]] = {}
    for line in (ROOT / "docs/json.md").read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"## `([a-z.]+)`", line):
            fields = kinds[heading[1]] = {}
        elif row := re.fullmatch(r"\| `(\w+)` \| ([a-z ]+) \| (.+) \|", line):
            fields[row[1]] = (row[2], row[3])
    return kinds


def json_type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "string"
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(NAMES[part] for part in get_args(annotation))
    return NAMES[annotation]


def test_the_documentation_has_every_type_and_field_and_no_other() -> None:
    code = {
        kind.kind: {field.name: json_type(get_type_hints(kind)[field.name]) for field in dataclasses.fields(kind)}
        for kind in get_args(note.Notice)
    }
    assert {kind: {name: type_ for name, (type_, _) in rows.items()} for kind, rows in documented().items()} == code
    assert [list(rows) for rows in documented().values()] == [list(fields) for fields in code.values()]


def test_the_documentation_names_every_value_of_a_choice() -> None:
    rows = documented()
    for kind in get_args(note.Notice):
        for name, annotation in get_type_hints(kind).items():
            if get_origin(annotation) is Literal:
                for value in get_args(annotation):
                    assert f"`{value}`" in rows[kind.kind][name][1], (kind.kind, name, value)


def test_the_examples_of_the_documentation_are_lines_of_the_view() -> None:
    text = (ROOT / "docs/json.md").read_text(encoding="utf-8")
    kinds = {kind.kind: kind for kind in get_args(note.Notice)}
    examples = [json.loads(line) for line in text.split("```json\n")[1].split("```")[0].splitlines()]
    assert examples
    for example in examples:
        assert example.pop("t") > 0
        kinds[example.pop("type")](**example)
