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
