"""How loud the user usually is, and who is far by that."""

from voicechat.audio.frames import Frame
from voicechat.conversation.voice import UserVoice


def frame(dbfs: float, at: float = 0.0, *, speech: bool = True) -> Frame:
    return Frame(bytes(480), True, dbfs, at, speech=speech)


def spoken(voice: UserVoice, *levels: float) -> None:
    for dbfs in levels:
        voice.hear(frame(dbfs), alone=True)
    voice.ended(0.5)


def test_nobody_is_far_before_the_user_has_spoken() -> None:
    assert not UserVoice(500).is_far(frame(-70))


def test_far_is_much_softer_than_the_loudest_of_the_last_turns() -> None:
    voice = UserVoice(500)
    spoken(voice, -45, -22, -30)
    assert not voice.is_far(frame(-36))
    assert voice.is_far(frame(-38))
    for _ in range(3):
        spoken(voice, -40)  # he sits further away now
    assert not voice.is_far(frame(-54))


def test_neither_an_answer_nor_a_noise_says_how_loud_the_user_is() -> None:
    voice = UserVoice(500)
    voice.hear(frame(-10), alone=False)
    voice.hear(frame(-12, speech=False), alone=True)
    spoken(voice, -30)
    assert not voice.is_far(frame(-44))
