"""Conversations with services that name nothing, number afresh, say things twice, late, or not at all.

Every one of these over every carelessness; tests/e2e/test_careless_services.py plays some of them with the program.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests import doubao_server
from tests.realtime_server import Reply, Script
from tests.realtime_server.careless import CARELESS
from tests.unit.scripted_room import DoubaoRoom, ScriptedRoom, play
from voicechat.conversation import notices as note
from voicechat.realtime import commands as cmd

HEARD = ("I would like to", "go to Paris", "by train")
SHORT = (Reply("first answer", seconds=0.4), Reply("second answer", seconds=0.4), Reply("third", seconds=0.4))
LONG = (Reply("first answer", seconds=9.0, late_deltas=2), *SHORT[1:])


@dataclass(frozen=True)
class Scene:
    """`users` and `answers`: what is told, by turn, of the user's words and of the answers that are not cut short."""

    act: Callable[[ScriptedRoom], Awaitable[None]]
    users: list[tuple[int, str]]
    answers: list[tuple[int, str]]
    replies: tuple[Reply, ...] = SHORT
    by_service: bool = False


async def turn_by_turn(room: ScriptedRoom) -> None:
    for _ in range(3):
        await room.speak()
        await room.settle()


async def two_turns_at_once(room: ScriptedRoom) -> None:
    await room.speak()
    await room.speak()
    await room.settle()
    await room.speak()
    await room.settle()


async def three_turns_at_once(room: ScriptedRoom) -> None:
    for _ in range(3):
        await room.speak(0.2)
    await room.settle()


async def hands_free(room: ScriptedRoom) -> None:
    for _ in range(3):
        await room.pass_s(0.3)
        await room.pass_s(0.6, voiced=True)
        await room.pass_s(0.7)
        await room.settle()


async def a_word_over_the_answer(room: ScriptedRoom) -> None:
    await room.pass_s(0.6, voiced=True)
    await room.pass_until(lambda: room.session.state == "speaking")
    await room.pass_s(0.5)
    await room.pass_s(0.8, voiced=True)
    await room.settle()


async def a_line_among_spoken_turns(room: ScriptedRoom) -> None:
    await room.pass_s(0.6, voiced=True)
    await room.pass_until(lambda: room.session.state == "speaking")
    await room.pass_s(0.2)
    room.session.say("typed")
    await room.settle()
    await room.pass_s(0.6, voiced=True)
    await room.pass_s(0.7)
    await room.settle()


async def a_line_over_the_answer(room: ScriptedRoom) -> None:
    await room.speak()
    await room.pass_until(lambda: room.session.state == "speaking")
    await room.pass_s(0.5)
    room.session.say("typed")
    await room.settle()


async def a_line_before_the_answer(room: ScriptedRoom) -> None:
    await room.speak()
    room.session.say("typed")
    await room.settle()


async def a_drop_between_turns(room: ScriptedRoom) -> None:
    await room.speak()
    await room.settle()
    await room.drop()
    room.session.say("typed")
    await room.settle()
    await room.drop()
    await room.speak()
    await room.settle()


async def once_more(room: ScriptedRoom) -> None:
    room.session.say("typed")
    await room.settle()
    assert room.changes.answer_again()
    await room.settle()


async def once_more_after_a_drop(room: ScriptedRoom) -> None:
    room.session.say("typed")
    await room.settle()
    await room.drop()
    assert room.changes.answer_again()
    assert room.of(cmd.DeleteItem) == []
    await room.settle()
    await room.speak()
    await room.settle()


WORDS = list(enumerate(HEARD, 1))
FIRST, SECOND, THIRD = (1, "first"), (2, "second"), (3, "third")
SCENES = {
    scene.act.__name__: scene
    for scene in (
        Scene(turn_by_turn, WORDS, [FIRST, SECOND, THIRD]),
        Scene(two_turns_at_once, WORDS, [SECOND, THIRD], LONG),
        Scene(three_turns_at_once, WORDS, [THIRD], (LONG[0], SHORT[2])),
        Scene(hands_free, WORDS, [FIRST, SECOND, THIRD], by_service=True),
        Scene(a_word_over_the_answer, WORDS[:2], [SECOND], LONG, by_service=True),
        Scene(
            a_line_among_spoken_turns,
            [WORDS[0], (2, "typed"), (3, HEARD[1])],
            [SECOND, THIRD],
            (LONG[0], *SHORT[1:]),
            by_service=True,
        ),
        Scene(a_line_over_the_answer, [WORDS[0], (2, "typed")], [SECOND], LONG),
        Scene(a_line_before_the_answer, [WORDS[0], (2, "typed")], [SECOND], LONG),
        Scene(a_drop_between_turns, [WORDS[0], (2, "typed"), (3, HEARD[1])], [FIRST, SECOND, THIRD]),
        Scene(once_more, [(1, "typed")], [FIRST, (1, "second")]),
        Scene(once_more_after_a_drop, [(1, "typed"), (2, HEARD[0])], [FIRST, (1, "second"), (2, "third")]),
    )
}


@pytest.mark.parametrize("careless", CARELESS)
@pytest.mark.parametrize("scene", SCENES)
def test_each_turn_has_its_words_and_its_answer(scene: str, careless: str) -> None:
    told = SCENES[scene]
    script = Script(told.replies, heard=HEARD, **CARELESS[careless])
    play(acted(told, ScriptedRoom(script, by_service=told.by_service)))


DOUBAO: dict[str, dict[str, Any]] = {
    "as it should be": {},
    "numbers afresh": {"ids": "restart"},
    "no ids": {"ids": "none"},
    "announces every turn": {"announces": True},
    "everything twice": {"begins": "doubled", "ends": "doubled", "turn_ends": "doubled", "confirms": "doubled"},
    "never ends": {"ends": "missing"},
    "never ends, no ids": {"ends": "missing", "ids": "none"},
    "never begins": {"begins": "missing"},
    "never begins, no ids": {"begins": "missing", "ids": "none"},
    "begins late": {"begins": "late"},
    "begins late, no ids": {"begins": "late", "ids": "none"},
    "turns never end": {"turn_ends": "missing"},
    "confirms late": {"confirms": "late"},
    "confirms late, names alike": {"confirms": "late", "ids": "restart"},
}


@pytest.mark.parametrize(
    ("scene", "careless"),
    [
        (scene, careless)
        for scene in SCENES
        for careless in DOUBAO
        # Of turns that are spoken at once, only their ends tell whose words come.
        if careless != "turns never end" or not scene.endswith("at_once")
    ],
)
def test_each_turn_has_its_words_and_its_answer_in_the_dialogue_of_doubao(scene: str, careless: str) -> None:
    told = SCENES[scene]
    replies = tuple(doubao_server.Reply(reply.text, reply.seconds, late=reply.late_deltas) for reply in told.replies)
    script = doubao_server.Script(replies, heard=HEARD, **DOUBAO[careless])
    play(acted(told, DoubaoRoom(script, by_service=told.by_service)))


async def acted(told: Scene, room: ScriptedRoom) -> None:
    async with room:
        await told.act(room)
        assert sorted(room.users) == told.users
        assert room.answers == told.answers
        assert room.of(note.ErrorNotice) == []
        assert room.broken == 0
        named = [command.item_id for command in room.sent if isinstance(command, cmd.CommitAudio | cmd.SendText)]
        assert all(name.startswith(cmd.OUR_NAMES) for name in named if name), "or a service may call its own so"
