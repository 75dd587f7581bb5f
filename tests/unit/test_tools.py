"""From a Python function to a tool and its result: schemas, files, and everything that other people's code may do."""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from voicechat.errors import UsageError
from voicechat.tools.builtin import current_time
from voicechat.tools.calls import Call
from voicechat.tools.consent import verdict
from voicechat.tools.loading import Found, load
from voicechat.tools.printed import stdout_kept_clean
from voicechat.tools.runner import Runner
from voicechat.tools.schema import BadFunction, tool_of
from voicechat.tools.spec import BadArguments, Outcome, ToolFailed, tool
from voicechat.tools.toolbox import MOST_TOOLS, Toolbox


class Colour(Enum):
    RED = "red"


class Place(BaseModel):
    city: str
    zip: int | None = None


def everything(
    place: Place,
    days: Annotated[int, Field(ge=1, le=7, description="How far ahead.")],
    colour: Colour = Colour.RED,
    units: Literal["c", "f"] = "c",
    schema: list[str] = [],  # noqa: B006
) -> None:
    """Find it.

    In two lines.

    Args:
        place (Place): Where it is.
        units: In what.

    Returns:
        Nothing.
    """


def test_types_and_docstring_become_a_schema() -> None:
    spec = tool_of(everything, "test")
    assert spec.description == "Find it.\n\nIn two lines.\n\nReturns:\n    Nothing."
    properties = spec.parameters["properties"]
    assert list(properties) == ["place", "days", "colour", "units", "schema"]
    assert properties["days"] == {"description": "How far ahead.", "maximum": 7, "minimum": 1, "type": "integer"}
    assert properties["place"]["description"] == "Where it is."
    assert properties["units"]["enum"] == ["c", "f"]
    assert spec.parameters["required"] == ["place", "days"]
    assert spec.parameters["additionalProperties"] is False
    assert "title" not in str(spec.parameters)


def run(function: Callable[..., Any], arguments: dict[str, Any] | None = None, **limits: Any) -> Outcome:
    """One call of it, as a conversation makes it."""

    async def main() -> Outcome:
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        runner = Runner(lambda _, outcome: done.set_result(outcome), **limits)
        spec = tool_of(function)
        runner.start(Call(1, "c", spec.name, "{}", 1, 0.0, spec, spec.prepare(arguments or {})))
        outcome = await done
        await runner.close()
        return outcome

    return asyncio.run(main())


def test_arguments_arrive_as_the_types_say() -> None:
    got: list[Any] = []

    def take(place: Place, colour: Colour, schema: str = "s") -> None:
        """Take."""
        got.extend([place, colour, schema])

    assert run(take, {"place": {"city": "Oslo"}, "colour": "red"}) == Outcome("Done.")
    assert got == [Place(city="Oslo"), Colour.RED, "s"]
    for wrong in ({}, {"place": 3, "colour": "red"}, {"place": {"city": "x"}, "colour": "red", "more": 1}):
        with pytest.raises(BadArguments, match="Invalid arguments"):
            tool_of(take).prepare(wrong)


def no_type(city) -> None:  # type: ignore[no-untyped-def]
    """It has none."""


def anything(*args: int) -> None:
    """It takes whatever comes."""


def socket_like(handle: threading.Thread) -> None:
    """No model can write one."""


@pytest.mark.parametrize(
    ("function", "words"),
    [(no_type, "'city' of no_type has no type"), (anything, r"takes \*args"), (socket_like, "cannot be described")],
)
def test_a_function_that_cannot_be_a_tool_says_what_to_write(function: Callable[..., Any], words: str) -> None:
    with pytest.raises(BadFunction, match=words):
        tool_of(function)
    with pytest.raises(BadFunction, match="is no name"):
        tool_of(tool(name="über tool")(everything.__class__(everything.__code__, globals())))


def file(folder: Path, text: str, name: str = "mine.py") -> Found:
    (folder / name).write_text(text)
    return load([str(folder / name)], packages=[])


def test_the_functions_of_a_file_are_its_tools(tmp_path: Path) -> None:
    found = file(
        tmp_path,
        "import json\nfrom os.path import join\nfrom voicechat.tools import tool\n"
        "@tool(read_only=True, timeout_s=3, max_chars=9, name='other')\n"
        "def first(a: int) -> int:\n    '''One.'''\n    return a\n"
        "def second(x: 'list[int]') -> int: ...\n"
        "def _helper(a): ...\nclass Thing: ...\n",
    )
    assert found.complaints == []
    built_in, first, second = found.tools
    assert (built_in.name, built_in.read_only, built_in.origin) == ("current_time", True, "voicechat")
    assert (first.name, first.read_only, first.timeout_s, first.max_chars) == ("other", True, 3, 9)
    assert (second.name, second.read_only, second.description, second.origin) == ("second", False, "second", "mine")
    listed = file(tmp_path, "__all__ = ['b']\ndef a(): ...\ndef b(): ...\n", "listed.py")
    assert [spec.name for spec in listed.tools] == ["current_time", "b"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def f(:\n", "SyntaxError: .* \\(line 1\\)"),
        ("\nimport no_such_package\n", "ModuleNotFoundError: No module named 'no_such_package' \\(line 2\\)"),
        ("raise SystemExit('no')\n", "SystemExit: no"),
        ("1 / 0\n", "ZeroDivisionError: division by zero \\(line 1\\)"),
        ("x = 1\n", "has no tools"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(text: str, words: str, tmp_path: Path) -> None:
    found = file(tmp_path, text)
    (line,) = found.complaints
    assert pytest.raises(AssertionError, match=words).matches(AssertionError(line)), line
    assert "\n" not in line
    assert [spec.name for spec in found.tools] == ["current_time"]
    assert "voicechat_tools_mine" not in sys.modules or text == "x = 1\n"


def test_one_bad_function_leaves_the_others_alone(tmp_path: Path) -> None:
    found = file(tmp_path, "def bad(a): ...\ndef good(a: int): ...\n")
    assert [spec.name for spec in found.tools] == ["current_time", "good"]
    assert found.complaints == [
        "A tool of mine is left out: the parameter 'a' of bad has no type: write a: str, for example."
    ]


def test_a_module_by_its_name_and_a_file_that_is_not_there() -> None:
    assert "current_time" in [spec.name for spec in load(["voicechat.tools.builtin"], packages=[]).tools]
    assert len(load(["no_such_module"], packages=[]).complaints) == 1
    with pytest.raises(UsageError, match=r"no file nothing\.py"):
        load(["nothing.py"], packages=[])


def test_a_name_belongs_to_who_had_it_first() -> None:
    toolbox = Toolbox([tool_of(everything, "one")])
    assert toolbox.add([tool_of(everything, "two")]) == ["The tool everything of two is left out: one has one, too."]
    found = toolbox.find("everything")
    assert found is not None
    assert found.origin == "one"
    assert toolbox.remove("one")
    assert not toolbox.remove("one")
    many = [tool_of(tool(name=f"t{n}")(everything), "many") for n in range(MOST_TOOLS + 1)]
    assert len(toolbox.add(many)) == 1
    del everything.__voicechat_tool__  # type: ignore[attr-defined]


# -- what a tool may do ------------------------------------------------------------------------------------------


def raises() -> None:
    raise ValueError("no disk")


def leaves() -> None:
    sys.exit(3)


def fails() -> None:
    raise ToolFailed("There is no such city.")


async def waits() -> dict[str, int]:
    await asyncio.sleep(0)
    return {"n": 1}


async def hangs() -> None:
    await asyncio.sleep(1000)


def returns(value: int) -> Any:
    return [
        {1: "é"}, "text", b"ab", 10 * 1000 * 1000 * "x", object(), float("nan"), [Place(city="x")],
        "\x1b[2J\x1b]0;title\x07red\x00\ud800 ok\n\tend",
    ][value]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "arguments", "outcome"),
    [
        (raises, {}, Outcome("The tool failed: ValueError: no disk", False)),
        (leaves, {}, Outcome("The tool failed: SystemExit: 3", False)),
        (fails, {}, Outcome("There is no such city.", False)),
        (waits, {}, Outcome('{"n":1}')),
        (hangs, {}, Outcome("hangs did not finish within 0.2 s.", False)),
        (returns, {"value": 0}, Outcome('{"1":"é"}')),
        (returns, {"value": 1}, Outcome("text")),
        (returns, {"value": 2}, Outcome('"ab"')),
        (returns, {"value": 3}, Outcome("x" * 60 + "… (the first 60 of 10000000 characters)")),
        (returns, {"value": 4}, Outcome("The tool returned something that is no JSON: object.", False)),
        (returns, {"value": 5}, Outcome("null")),
        (returns, {"value": 6}, Outcome('[{"city":"x","zip":null}]')),
        (returns, {"value": 7}, Outcome("red? ok\n\tend")),
    ],
)
def test_whatever_a_tool_does_it_has_an_outcome(
    function: Callable[..., Any], arguments: dict[str, Any], outcome: Outcome
) -> None:
    assert run(function, arguments, timeout_s=0.2 if function is hangs else 20, max_chars=60) == outcome


def test_one_that_hangs_in_a_thread_holds_up_neither_others_nor_the_loop() -> None:
    released = threading.Event()
    names: list[str] = []

    def stuck() -> str:
        names.append(threading.current_thread().name)
        released.wait(20)
        return "late"

    def quick() -> str:
        return "here"

    async def main() -> list[Outcome]:
        ended: list[Outcome] = []
        both = asyncio.Event()

        def done(_: Call, outcome: Outcome) -> None:
            ended.append(outcome)
            if len(ended) == 2:
                both.set()

        runner = Runner(done, timeout_s=0.2)
        for number, function in enumerate((stuck, quick)):
            spec = tool_of(function)
            runner.start(Call(number, "c", spec.name, "{}", 1, 0.0, spec, spec.prepare({})))
        await both.wait()
        await runner.close()
        return ended

    try:
        assert asyncio.run(main()) == [Outcome("here"), Outcome("stuck did not finish within 0.2 s.", False)]
        assert names == ["tool stuck"]
    finally:
        released.set()


def test_what_is_stopped_reports_nothing() -> None:
    async def main() -> None:
        ended: list[Outcome] = []
        runner = Runner(lambda _, outcome: ended.append(outcome))
        spec = tool_of(hangs)
        call = Call(1, "c", "hangs", "{}", 1, 0.0, spec, spec.prepare({}))
        runner.start(call)
        await asyncio.sleep(0)
        runner.stop(call)
        await runner.close()
        assert ended == []

    asyncio.run(main())


def test_what_tools_print_goes_to_the_log(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    ours = sys.stdout
    with caplog.at_level(logging.INFO, "voicechat.tools"), stdout_kept_clean():
        print("one\ntwo", end="\n")  # noqa: T201
        sys.stdout.write("x" * 5000 + "\n")
        ours.write("our own\n")
    assert capsys.readouterr().out == "our own\n"
    assert [len(record.getMessage()) for record in caplog.records] == [
        len("a tool printed: ") + n for n in (3, 3, 1000)
    ]


def test_the_time_is_told_with_its_zone() -> None:
    told = current_time("Asia/Tokyo")
    assert told["timezone"] == "Asia/Tokyo"
    assert told["now"].endswith("+09:00")
    assert current_time()["now"][19:]
    for nowhere in ("Mars/Olympus", "\0"):
        with pytest.raises(ToolFailed):
            current_time(nowhere)


YES = "yes|Yes, please.|yep|ok|Sure, go ahead|ja bitte|oui|好的|可以|好，发吧|是的|はい"
NO = "no|No!|don't|please don't|not now|nein danke|不|不要|不可以|别发|算了|いいえ"
NEITHER = "|what|yes I would like to know first what it costs|maybe|the yes album|我想先看看内容再说|好像不太对吧这个"


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        *((words, True) for words in YES.split("|")),
        *((words, False) for words in NO.split("|")),
        *((words, None) for words in NEITHER.split("|")),
    ],
)
def test_a_yes_is_a_yes_and_nothing_else(words: str, meaning: bool | None) -> None:
    assert verdict(words) is meaning
