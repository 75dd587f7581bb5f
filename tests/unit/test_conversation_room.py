"""A conversation of several replies in several voices in a room: the program never hears itself, and always the user.

By sample counts and not in real time (conversation_room.py has why): a loaded machine changes nothing of it.
"""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing

import numpy as np
import pytest

from tests.recordings import INTERRUPTION, QUESTION, Sound, at_level, speech, trimmed
from tests.unit.conversation_room import Conversation, Walls, wandering
from tests.unit.lockstep_room import CAPTURE, RENDER
from voicechat.conversation.notices import AssistantTurn
from voicechat.engine.voices import DEFAULT_VOICE, PLAIN_VOICE, LocalVoices

REPLY_S = 2.5
LOUD, ORDINARY = 0.2 * 32768, 0.09 * 32768
SLIPS = ((5.0, 60), *((6.0 + 0.9 * number, 10 if number % 2 else -10) for number in range(60)))
"""Sound servers' blocks, lost and made up for, on a machine that is not even busy."""
ONCE_MS = 600
"""A far voice is suspected once."""
TEXT = "Tomorrow will be cloudy, with a chance of rain in the evening, and not warmer than twelve degrees."


def made(voice: str) -> Sound:
    """A sentence of the offline engine's, at RENDER."""

    async def main() -> bytes:
        voices = LocalVoices()
        async with aclosing(voices.speak(TEXT, voice, 1.0)) as stream:
            spoken = b"".join([block.pcm async for block in stream])
        await voices.close()
        return spoken

    return np.frombuffer(asyncio.run(main()), "<i2").astype(np.float64)


def replies(level: float) -> list[Sound]:
    """Two people, a synthetic voice, and the engine's own."""
    people = [speech(name, RENDER)[RENDER // 2 :] for name in ("ss-0870.wav", "ss-0890.wav")]
    voices = [people[0], made(PLAIN_VOICE), people[1], made(DEFAULT_VOICE)]
    return [at_level(trimmed(voice)[: round(REPLY_S * RENDER)], level) for voice in voices]


@pytest.mark.parametrize(
    ("walls", "touchy", "level"),
    [
        (Walls(gain_db=-12, delay_ms=60, rt60_ms=300), True, ORDINARY),
        (Walls(gain_db=-6, delay_ms=150), True, LOUD),
        (Walls(gain_db=-12, delay_ms=60, rt60_ms=500), True, ORDINARY),
        (Walls(gain_db=-12, delay_ms=60, slips=SLIPS), True, ORDINARY),
        (Walls(gain_db=-12, delay_ms=80, slips=wandering(3)), True, LOUD),
        (Walls(gain_db=-12, delay_ms=80, slips=wandering(7)), True, LOUD),
        (Walls(gain_db=-12, delay_ms=60, rt60_ms=300, television="ss-0890.wav"), False, ORDINARY),
    ],
    ids=[
        "living room",
        "loud speaker",
        "bathroom",
        "sound that slips",
        "sound that wanders",
        "sound that wanders otherwise",
        "television",
    ],
)
def test_in_a_room_it_never_hears_itself_and_always_the_user(walls: Walls, touchy: bool, level: float) -> None:
    """`touchy`: a service's ear that finds a turn in whatever is a voice. It would take the television for one."""
    voices, talk = replies(level), Conversation(walls, touchy=touchy)
    question, interruption = trimmed(speech(QUESTION, CAPTURE)), speech(INTERRUPTION, CAPTURE, sharp=True)

    def script() -> Iterator[None]:
        yield from talk.wait(1.0)
        for number, reply in enumerate(voices):
            yield from talk.ask(question, reply)
            yield from talk.until(lambda: talk.stage.session.state != "speaking", REPLY_S + 6)
            yield from talk.wait(1.0)
            assert len(talk.heard_at) == number + 1, "it heard itself"
        answers = [(answer.heard_ms, answer.interrupted) for answer in talk.stage.of(AssistantTurn)]
        assert answers == [(REPLY_S * 1000, False)] * len(voices)
        assert talk.held_ms <= (ONCE_MS if walls.television else 0), "it suspected itself"

        yield from talk.ask(question, voices[0])
        yield from talk.wait(1.0)
        talk.card.say(interruption)
        yield from talk.until(lambda: len(talk.heard_at) == len(voices) + 2, 1.0)
        assert not talk.stage.speaker.busy
        assert talk.stage.of(AssistantTurn)[-1].interrupted

    talk.hold(script())
