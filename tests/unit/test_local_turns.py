"""Turns found by the local detector, and the bytes that are sent for them."""

from voicechat.conversation.local_turns import LocalTurns, Step


def test_the_first_syllable_is_sent_from_before_the_start() -> None:
    turns = LocalTurns(silence_ms=200)
    sent = b""
    steps = []
    # 600 ms of quiet, 300 ms of speech, then quiet; each frame's bytes carry its number
    for number in range(75):
        speech = 30 <= number < 45
        steps.append(turns.hear(bytes([number]), speech, 20.0))
        sent += turns.take()
    assert steps[34] is Step.START  # 100 ms of speech
    assert sent[0] == 34 - 21  # 440 ms from before the decision: 340 ms before the speech
    assert list(sent) == list(range(13, 13 + len(sent)))  # nothing missing, nothing twice
    assert steps[54] is Step.END  # 200 ms of quiet after the last frame of speech
    assert sent[-1] == 54
    assert set(steps[55:]) == {Step.WAIT}


def test_a_click_starts_nothing_nor_does_a_tone_that_is_speech_for_two_windows() -> None:
    turns = LocalTurns()
    assert {turns.hear(b"x", i == 5 or 20 <= i < 24, 20.0) for i in range(50)} == {Step.WAIT}


def test_a_turn_that_waited_for_a_decision_begins_with_its_first_syllable() -> None:
    turns = LocalTurns()
    # a second of answer, then 600 ms of voice over it before it may start: 560 ms in, one block of quiet between words
    steps = [turns.hear(bytes([n]), 50 <= n < 80 and n != 78, 20.0, may_start=n >= 79) for n in range(80)]
    assert steps[78:] == [Step.WAIT, Step.START]
    assert turns.take()[0] <= 50 - 5


def test_after_an_answer_nobody_spoke_over_only_the_usual_sound_is_kept() -> None:
    turns = LocalTurns()
    for n in range(100):
        turns.hear(bytes([n]), False, 20.0, may_start=n < 10 or n >= 80)
    for n in range(100, 105):
        turns.hear(bytes([n]), True, 20.0)
    assert turns.take()[0] == 105 - 22
