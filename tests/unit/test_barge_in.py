"""Suspicion, confirmation and dismissal, block by block."""

from voicechat.conversation.barge_in import BargeIn, Verdict


def feed(barge_in: BargeIn, pattern: str, at: float = 0.0) -> list[Verdict]:
    """One sign per 10 ms: `#` is voiced."""
    return [barge_in.hear(sign == "#", 10.0, at + (i + 1) / 100) for i, sign in enumerate(pattern)]


def test_three_voiced_blocks_are_a_suspicion_and_its_onset_is_the_first() -> None:
    barge_in = BargeIn()
    assert feed(barge_in, "..##.###") == [Verdict.NOTHING] * 7 + [Verdict.SUSPECT]
    assert barge_in.onset_at is not None
    assert round(barge_in.onset_at, 3) == 0.05


def test_a_quarter_of_a_second_more_confirms_it() -> None:
    barge_in = BargeIn()
    verdicts = feed(barge_in, "###" + "#" * 25)
    assert verdicts[2] is Verdict.SUSPECT
    assert verdicts[-1] is Verdict.CONFIRM
    assert verdicts.count(Verdict.NOTHING) == 26


def test_short_pauses_between_words_do_not_reset_the_count() -> None:
    verdicts = feed(BargeIn(), "###" + "####.." * 7)
    assert Verdict.CONFIRM in verdicts


def test_a_cough_is_dismissed_after_half_a_second() -> None:
    verdicts = feed(BargeIn(), "########" + "." * 60)
    assert verdicts[2] is Verdict.SUSPECT
    assert verdicts.index(Verdict.DISMISS) == 2 + 50
    assert Verdict.CONFIRM not in verdicts


def test_time_alone_dismisses_it_when_no_sound_comes() -> None:
    barge_in = BargeIn()
    feed(barge_in, "###")
    assert barge_in.tick(0.4) is Verdict.NOTHING
    assert barge_in.tick(0.6) is Verdict.DISMISS
    assert barge_in.tick(0.7) is Verdict.NOTHING


def test_a_far_voice_confirms_nothing_and_is_suspected_once_a_minute() -> None:
    barge_in = BargeIn()
    assert [verdict for verdict in feed_far(barge_in, 100) if verdict is not Verdict.NOTHING] == [
        Verdict.SUSPECT,
        Verdict.DISMISS,
    ]
    assert set(feed_far(barge_in, 5000, at=1.0)) == {Verdict.NOTHING}
    assert feed(barge_in, "###", at=52.0)[-1] is Verdict.SUSPECT, "who is near is suspected all the time"
    barge_in.clear()
    assert Verdict.SUSPECT in feed_far(barge_in, 3, at=70.0)


def feed_far(barge_in: BargeIn, blocks: int, at: float = 0.0) -> list[Verdict]:
    return [barge_in.hear(True, 10.0, at + (i + 1) / 100, far=True) for i in range(blocks)]


def test_who_begins_softly_and_grows_louder_is_no_far_voice() -> None:
    barge_in = BargeIn()
    assert Verdict.SUSPECT in feed_far(barge_in, 15)
    assert Verdict.CONFIRM in feed(barge_in, "#" * 25, at=0.15)
