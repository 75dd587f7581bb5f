"""What a gateway makes up for, by value: turns, words, the turn that a drop cut off, what a service takes back."""

import asyncio
from typing import Any

import pytest

from tests.recordings import GO_FORWARD, pcm, speech
from voicechat.engine.utterance import NotUnderstood
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities
from voicechat.serve.restoring import configured_anew, put_back
from voicechat.serve.scribe import Scribe
from voicechat.serve.stand_ins import StandIns
from voicechat.serve.user_turn import UserTurn

HZ = 16_000
SECOND = bytes(2 * HZ)
SPOKEN = pcm(speech(GO_FORWARD, HZ)) + SECOND
FOUND, NONE = cmd.SessionConfig(), cmd.SessionConfig(turn_detection=None)


def stand_ins(**more: Any) -> StandIns:
    return StandIns(Capabilities(input_rate_hz=HZ, supports_server_vad=False), lambda: (HZ, 24_000), keeps_items=False)


def spoken(one: StandIns) -> tuple[list[str], list[str]]:
    """What the model and the client are told of a spoken turn, by kind, sound left out."""
    to_model, to_client = [], []
    for start in range(0, len(SPOKEN), 640):
        passed = one.take_command(cmd.AppendAudio(SPOKEN[start : start + 640]))
        to_model += [type(command).__name__ for command in passed.commands if not isinstance(command, cmd.AppendAudio)]
        to_client += [type(event).__name__ for event in passed.events]
    return to_model, to_client


TURN = ["SpeechStarted", "SpeechStopped", "InputCommitted"]


def test_a_model_without_turn_detection_is_told_where_turns_end() -> None:
    one = stand_ins()
    told = one.configured(FOUND)
    assert (told.turn_detection, told.source) == (None, "push_to_talk")
    assert spoken(one) == (["CommitAudio", "CreateResponse"], TURN)
    one.configured(cmd.SessionConfig(turn_detection=cmd.TurnDetection(create_response=False)))
    assert spoken(one) == (["CommitAudio"], TURN)
    one.configured(NONE)
    assert spoken(one) == ([], [])
    can = StandIns(Capabilities(input_rate_hz=HZ), lambda: (HZ, 24_000), keeps_items=False)
    assert can.configured(FOUND) == FOUND
    assert spoken(can) == ([], [])


@pytest.mark.parametrize("interrupts", [True, False])
def test_who_speaks_into_an_answer_cuts_it_unless_nobody_may(interrupts: bool) -> None:
    one = stand_ins()
    one.configured(cmd.SessionConfig(turn_detection=cmd.TurnDetection(interrupt_response=interrupts)))
    one.take_event(ev.ResponseStarted("r"))
    to_model, _ = spoken(one)
    assert to_model == (["CancelResponse", "CommitAudio"] if interrupts else ["CommitAudio"])
    assert one.take_event(ev.InputCommitted("item_turn1")).events == []  # the client knows
    after = one.take_event(ev.ResponseFinished("r", "completed"))
    assert after.commands == [cmd.CreateResponse()]  # only now, or it would be refused


def test_an_answer_that_begins_while_the_user_goes_on_is_cut_at_once() -> None:
    one = stand_ins()
    one.configured(FOUND)
    for start in range(0, len(SPOKEN) - len(SECOND) - HZ, 640):
        one.take_command(cmd.AppendAudio(SPOKEN[start : start + 640]))
    assert one.take_event(ev.ResponseStarted("r")).commands == [cmd.CancelResponse("r")]


# --- A drop ---


def tone(value: int, seconds: float = 1.0) -> bytes:
    return bytes([value, 0]) * int(HZ * seconds)


def sent(commands: list[cmd.Command]) -> bytes:
    return b"".join(command.pcm for command in commands if isinstance(command, cmd.AppendAudio))


def test_a_turn_that_is_being_spoken_is_said_again_from_its_beginning_under_its_name() -> None:
    turn = UserTurn(HZ)
    for value in (1, 2, 3):
        turn.hear(tone(value))
    assert turn.take(ev.SpeechStarted("a", 1500)) == ev.SpeechStarted("a", 1500)
    assert sent(turn.again(answered=True)) == tone(2, 0.5) + tone(3)
    assert turn.take(ev.SpeechStarted("b", 0)) is None
    assert turn.take(ev.SpeechStopped("b", 9)) == ev.SpeechStopped("a", 9)
    assert turn.take(ev.InputCommitted("b")) == ev.InputCommitted("a")
    assert turn.take(ev.UserTranscript("b", "so", True)) == ev.UserTranscript("a", "so", True)
    assert turn.take(ev.SpeechStarted("c", 9000)) == ev.SpeechStarted("c", 9000)


def test_a_turn_that_was_over_is_told_of_once_and_answered() -> None:
    def over(**how: bool) -> UserTurn:
        turn = UserTurn(HZ)
        turn.manual = how.get("manual", False)
        turn.hear(tone(1))
        turn.take(ev.SpeechStarted("a", 0))
        turn.hear(tone(2))
        turn.take(ev.SpeechStopped("a", 1000))
        turn.take(ev.InputCommitted("a"))
        return turn

    found = over().again(answered=True)
    assert sent(found)[: 4 * HZ] == tone(1) + tone(2)  # the turn, then what came after it
    assert not any(sent(found)[4 * HZ :])
    assert not [command for command in found if not isinstance(command, cmd.AppendAudio)]
    manual = over(manual=True)
    again = manual.again(answered=False)
    assert (sent(again), again[-1]) == (tone(1) + tone(2), cmd.CommitAudio("a"))
    assert manual.take(ev.InputCommitted("a")) is None
    understood = over()
    understood.take(ev.UserTranscript("a", "hello", True))
    assert [one for one in understood.again(answered=True) if not isinstance(one, cmd.AppendAudio)] == [
        cmd.CreateResponse()
    ]
    answered = over()
    answered.take(ev.ResponseStarted("r", "a"))
    assert sent(answered.again(answered=True)) == tone(2)


def test_a_long_silence_and_a_long_turn_are_bounded() -> None:
    turn = UserTurn(HZ)
    for _ in range(60):
        turn.hear(SECOND)
    assert len(turn.again(answered=True)) <= 50
    for manual in (True, False):
        turn.manual = manual
        turn.take(ev.SpeechStarted("a"))
        for _ in range(60):
            turn.hear(SECOND)
        assert len(turn.again(answered=True)) <= 210


SAID: list[cmd.Command] = [
    cmd.SendText("How warm is it?", "user", "u"), cmd.SendToolCall("c", "weather", "{}", "f"),
    cmd.ToolResult("c", "17", "o"), cmd.SendText("17 degrees.", "assistant", "a"),
]  # fmt: skip
CALL = "(The tool weather was called with {} and returned: 17)"


def test_what_was_said_is_told_as_the_service_takes_it() -> None:
    assert put_back(SAID, Capabilities()) == SAID
    words = put_back(SAID, Capabilities(supports_call_items=False))
    assert [one.text for one in words if isinstance(one, cmd.SendText)] == ["How warm is it?", CALL, "17 degrees."]
    cannot = Capabilities(supports_restoring=False)
    assert put_back(SAID, cannot) == []
    config = configured_anew(cmd.SessionConfig("Be brief."), SAID, cannot)
    assert config.instructions.startswith("Be brief.\n\nThe conversation so far")
    assert config.instructions.endswith(f"User: How warm is it?\nUser: {CALL}\nYou: 17 degrees.")
    assert configured_anew(FOUND, SAID, Capabilities()) == FOUND


# --- Words ---


def test_the_scribe_writes_what_the_model_does_not() -> None:
    async def hear(sound: bytes) -> str:
        if len(sound) < 1000:
            raise NotUnderstood("too little")
        return f"{len(sound)} bytes"

    async def main() -> None:
        told: list[ev.Event] = []

        async def settled(scribe: Scribe) -> list[ev.Event]:
            await asyncio.gather(*scribe._tasks.values(), return_exceptions=True)
            found = told.copy()
            told.clear()
            return found

        silent = Scribe(hear, told.append, HZ, patience_s=0.0)
        silent.committed("a", SECOND)
        assert await settled(silent) == [ev.UserTranscript("a", "32000 bytes", True)]
        fails = Scribe(hear, told.append, HZ, patience_s=60.0)
        fails.committed("a", SECOND)
        assert not fails.take(ev.UserTranscriptFailed("a", "no"))
        assert await settled(fails) == [ev.UserTranscript("a", "32000 bytes", True)]
        fails.committed("b", bytes(10))  # and nobody waits for the model again
        assert await settled(fails) == [ev.UserTranscriptFailed("b", "too little")]
        able = Scribe(hear, told.append, HZ, patience_s=60.0)
        able.committed("a", SECOND)
        assert able.take(ev.UserTranscript("a", "hello", True))
        able.committed("b", SECOND)
        assert await settled(able) == []
        assert able.take(ev.UserTranscriptFailed("b", "no"))
        await able.close()

    asyncio.run(main())
