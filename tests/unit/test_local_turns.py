"""Turns found by the local detector, and the bytes that are sent for them."""

from voicechat.conversation.local_turns import LocalTurns, Step


def test_the_first_syllable_is_sent_from_before_the_start() -> None:
    turns = LocalTurns(silence_ms=200)
    sent = b""
    steps = []
    # 600 ms of quiet, 300 ms of voice, then quiet; each frame's bytes carry its number
    for number in range(75):
        voiced = 30 <= number < 45
        steps.append(turns.hear(bytes([number]), voiced, 20.0))
        sent += turns.take()
    assert steps[32] is Step.START  # 60 ms of voice
    assert sent[0] == 32 - 19  # 400 ms from before the decision: 340 ms before the voice
    assert list(sent) == list(range(13, 13 + len(sent)))  # nothing missing, nothing twice
    assert steps[54] is Step.END  # 200 ms of quiet after the last voiced frame
    assert sent[-1] == 54
    assert set(steps[55:]) == {Step.WAIT}


def test_a_click_starts_nothing() -> None:
    turns = LocalTurns()
    assert {turns.hear(b"x", i == 5, 20.0) for i in range(50)} == {Step.WAIT}
