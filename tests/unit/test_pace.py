"""Files keep the time of the devices they stand in for."""

from voicechat.audio.files import Pace, pipe_pace


class Clock:
    def __init__(self) -> None:
        self.now = 50.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def blocks_without_sleep(pace: Pace, clock: Clock) -> int:
    """How many blocks are taken at once."""
    taken = 0
    before = clock.slept
    while clock.slept == before:
        pace.wait()
        taken += 1
    return taken - 1


def test_ten_milliseconds_take_ten_milliseconds() -> None:
    clock = Clock()
    pace = Pace(clock=clock, sleep=clock.sleep)
    for _ in range(100):
        pace.wait()
    assert round(clock.now - 50.0, 6) == 1.0


def test_a_microphone_makes_up_for_a_delay_and_a_speaker_that_ran_dry_does_not() -> None:
    clock = Clock()
    microphone = Pace(clock=clock, sleep=clock.sleep)
    speaker = Pace(20.0, clock, clock.sleep, behind_ms=0.0)
    clock.now += 1.0
    assert blocks_without_sleep(microphone, clock) == 20
    clock.now += 1.0
    assert blocks_without_sleep(speaker, clock) == 2


def test_what_waited_in_a_pipe_for_the_session_does_not_stay_late() -> None:
    clock = Clock()
    pipe = pipe_pace(clock, clock.sleep)
    clock.now += 1.2
    assert blocks_without_sleep(pipe, clock) == 120
