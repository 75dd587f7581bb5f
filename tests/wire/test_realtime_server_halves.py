"""The two halves of the dialect against each other: what a client asks, the server decodes to the same value."""

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.server_halves import Halves
from voicechat.dialects.openai.server import Dialect
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev

DIALECTS: list[Dialect] = ["ga", "beta"]
either = pytest.mark.parametrize("dialect", DIALECTS)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
# The client half has names of its own, with a ~ before them, and takes none that looks so.
NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(lambda name: name[0] != "~")
FLAG = st.booleans()
PCM = st.binary(min_size=1, max_size=200).map(lambda data: data + data)
TOOL = st.builds(cmd.Tool, NAME, TEXT, st.dictionaries(NAME, TEXT | FLAG | st.integers(), max_size=3))
TOOLS = st.lists(TOOL, max_size=3).map(tuple)
CHOICE = st.sampled_from(["auto", "none", "required"]) | NAME
TOKENS = st.none() | st.integers(1, 4096)

SERVER_VAD = st.builds(
    cmd.TurnDetection,
    st.just("server"),
    threshold=st.floats(0, 1),
    silence_ms=st.integers(50, 60_000),
    prefix_ms=st.integers(0, 5_000),
    create_response=FLAG,
    interrupt_response=FLAG,
)
SEMANTIC_VAD = st.builds(
    cmd.TurnDetection,
    st.just("semantic"),
    eagerness=st.sampled_from(["low", "medium", "high", "auto"]),
    create_response=FLAG,
    interrupt_response=FLAG,
)
CONFIG = st.builds(
    cmd.SessionConfig,
    instructions=TEXT,
    voice=NAME,
    turn_detection=st.none() | SERVER_VAD | SEMANTIC_VAD,
    transcribe=FLAG,
    transcription_model=NAME,
    language=st.sampled_from(["", "en", "zh", "yue"]),
    speak=FLAG,
    speed=st.none() | st.floats(0.25, 1.5),
    temperature=st.none() | st.floats(0.6, 1.2),
    max_tokens=TOKENS,
    tools=TOOLS,
    tool_choice=CHOICE,
)


def as_the_wire_has_it(config: cmd.SessionConfig, dialect: Dialect) -> cmd.SessionConfig:
    """What no dialect has a word for is left out; what stands at its default was never said."""
    return replace(
        config,
        transcription_model=config.transcription_model if config.transcribe else "",
        language=config.language if config.transcribe else "",
        speed=None if config.speed == 1.0 else config.speed,
        temperature=config.temperature if dialect == "beta" and config.temperature != 0.8 else None,
        tool_choice=config.tool_choice if config.tools else "auto",
    )


@either
@settings(max_examples=60, deadline=None)
@given(config=CONFIG)
def test_a_configuration_arrives_whole(dialect: Dialect, config: cmd.SessionConfig) -> None:
    halves = Halves(dialect)
    assert halves.ask(cmd.Configure(config)) == [cmd.Configure(as_the_wire_has_it(config, dialect))]
    assert halves.server.config == as_the_wire_has_it(config, dialect)
    (configured,) = halves.tell(ev.SessionConfigured(config.voice))
    assert isinstance(configured, ev.SessionConfigured)
    assert configured.voice == config.voice
    assert bool(configured.transcriber) is config.transcribe


ITEM = st.sampled_from([{"item_id": "item_mine"}, {"item_id": "item_mine", "after": "root"}, {}, {"after": "item_0"}])
FIRST = cmd.SendText("first", item_id="item_0")
CALL = cmd.SendToolCall("call_0", "look", "{}", item_id="item_0")
SPOKEN = (
    ev.ResponseStarted("resp_0"),
    ev.AssistantAudio("resp_0", "item_0", 0, bytes(48_000)),
)
Commands = st.SearchStrategy[cmd.Command]

COMMANDS: dict[type, tuple[tuple[Any, ...], Commands]] = {
    cmd.AppendAudio: ((), st.builds(cmd.AppendAudio, PCM)),
    cmd.CommitAudio: ((cmd.AppendAudio(bytes(4800)),), st.just(cmd.CommitAudio())),
    cmd.ClearAudio: ((), st.just(cmd.ClearAudio())),
    cmd.CreateResponse: (
        (),
        st.builds(
            cmd.CreateResponse,
            instructions=TEXT,
            speak=st.none() | FLAG,
            voice=TEXT,
            tools=st.none() | TOOLS,
            tool_choice=st.just("") | CHOICE,
            max_tokens=TOKENS,
        ),
    ),
    cmd.CancelResponse: (SPOKEN, st.builds(cmd.CancelResponse, st.sampled_from(["", "resp_0"]))),
    cmd.TruncateItem: (SPOKEN, st.builds(cmd.TruncateItem, st.just("item_0"), st.just(0), st.integers(0, 1000))),
    cmd.DeleteItem: ((FIRST,), st.just(cmd.DeleteItem("item_0"))),
    cmd.RetrieveItem: ((FIRST,), st.just(cmd.RetrieveItem("item_0"))),
    cmd.SendText: (
        (FIRST,),
        st.builds(
            lambda text, role, where: cmd.SendText(text, role, **where),
            TEXT,
            st.sampled_from(["user", "assistant", "system"]),
            ITEM,
        ),
    ),
    cmd.SendImage: (
        (FIRST,),
        st.builds(
            lambda data, kind, text, where: cmd.SendImage(data, kind, text, **where),
            st.binary(max_size=40),
            st.sampled_from(["image/png", "image/jpeg"]),
            TEXT,
            ITEM,
        ),
    ),
    cmd.SendToolCall: (
        (FIRST,),
        st.builds(lambda a, b, c, where: cmd.SendToolCall(a, b, c, **where), NAME, NAME, TEXT, ITEM),
    ),
    cmd.ToolResult: ((CALL,), st.builds(lambda text, where: cmd.ToolResult("call_0", text, **where), TEXT, ITEM)),
}
WITHOUT_A_WORD = {cmd.Finish}
"""OpenAI's dialects have no client event for them."""


def test_every_command_is_tried() -> None:
    assert {*COMMANDS, *WITHOUT_A_WORD, cmd.Configure, cmd.SetTools} == set(get_args(cmd.Command))
    for dialect in DIALECTS:
        halves = Halves(dialect)
        assert halves.client.encode(cmd.Finish()) == []


@either
def test_other_tools_reach_the_server_as_a_configuration_with_everything_else_as_it_was(dialect: Dialect) -> None:
    halves = Halves(dialect)
    (before,) = halves.ask(cmd.Configure(cmd.SessionConfig(instructions="Be brief.")))
    (after,) = halves.ask(cmd.SetTools((cmd.Tool("clock", "The time.", {"type": "object", "properties": {}}),)))
    assert [tool.name for tool in after.config.tools] == ["clock"]  # type: ignore[union-attr]
    assert replace(after.config, tools=()) == replace(before.config, tools=())  # type: ignore[union-attr]


@either
@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_commands_arrive_as_they_were_sent(dialect: Dialect, kind: type, data: st.DataObject) -> None:
    before, commands = COMMANDS[kind]
    halves = Halves(dialect)
    for step in before:
        halves.tell(step) if isinstance(step, ev.Event) else halves.ask(step)
    command = data.draw(commands)
    if kind is cmd.SendImage and dialect == "beta":
        assert halves.client.encode(command) == []  # Beta has no pictures
        return
    (reached,) = halves.ask(command)
    if not getattr(command, "item_id", "x") and kind is not cmd.CommitAudio:  # the server gave it a name
        assert getattr(reached, "item_id", "").startswith("item_")
        reached = replace(reached, item_id="")  # type: ignore[call-arg]
    assert reached == command


@either
@pytest.mark.parametrize("law", ["g711_ulaw", "g711_alaw"])
def test_sound_of_the_telephone_arrives_at_its_own_rate(dialect: Dialect, law: str) -> None:
    halves = Halves(dialect, law=law)
    halves.ask(cmd.Configure(cmd.SessionConfig()))
    assert (halves.server.input_rate_hz, halves.server.output_rate_hz) == (8_000, 8_000)
    assert halves.client.capabilities.input_rate_hz == 8_000
    (first,) = halves.ask(cmd.AppendAudio(b"\x00\x10\x00\x20" * 400))
    assert isinstance(first, cmd.AppendAudio)
    (again,) = halves.ask(first)  # what the law has rounded it does not round again
    assert again == first
    halves.tell(ev.ResponseStarted("r"), ev.ItemAdded("i", "assistant"))
    assert halves.tell(ev.AssistantAudio("r", "i", 0, first.pcm)) == [ev.AssistantAudio("r", "i", 0, first.pcm)]
