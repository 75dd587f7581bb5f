"""Conversations with services that name nothing, number afresh, say things twice, late, or not at all.

Every one of these over every carelessness; tests/e2e/test_careless_services.py plays some of them with the program.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from tests.realtime_server import Reply, Script
from tests.realtime_server.careless import CARELESS
from tests.unit.scripted_room import ScriptedRoom, play
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

    async def talk() -> None:
        async with ScriptedRoom(script, by_service=told.by_service) as room:
            await told.act(room)
            assert sorted(room.users) == told.users
            assert room.answers == told.answers
            assert room.of(note.ErrorNotice) == []
            assert room.broken == 0

    play(talk())
