"""When a session is renewed, on clocks of our own."""

from voicechat.conversation.renewal import Renewal


class Clocks:
    def __init__(self) -> None:
        self.wall, self.monotonic = 1_800_000_000.0, 500.0

    def go_on(self, seconds: float, asleep: bool = False) -> None:
        self.wall += seconds
        self.monotonic += 0 if asleep else seconds


def renewal(clocks: Clocks, limit_s: float | None = 3600.0) -> Renewal:
    return Renewal(limit_s, lambda: clocks.wall, lambda: clocks.monotonic)


def test_the_services_word_comes_before_the_catalogues_limit() -> None:
    clocks = Clocks()
    keeper = renewal(clocks)
    keeper.session_began(clocks.wall + 600)
    clocks.go_on(539)
    assert not keeper.due
    clocks.go_on(1)
    assert keeper.due
    keeper.session_began(None)
    assert not keeper.due
    clocks.go_on(3540)
    assert keeper.due


def test_without_a_limit_nothing_is_due() -> None:
    clocks = Clocks()
    keeper = renewal(clocks, None)
    keeper.session_began(None)
    clocks.go_on(1e6)
    assert not keeper.due


def test_an_expiry_in_the_past_is_a_wrong_clock_and_not_believed() -> None:
    clocks = Clocks()
    keeper = renewal(clocks)
    keeper.session_began(clocks.wall - 5)
    assert not keeper.due


def test_where_the_clocks_go_on_in_sleep_a_late_question_tells() -> None:
    """Windows: both clocks count while the machine sleeps."""
    clocks = Clocks()
    keeper = renewal(clocks)
    clocks.go_on(60)  # until the first question anything may take its time
    assert not keeper.slept()
    clocks.go_on(9)
    assert not keeper.slept()
    clocks.go_on(11)
    assert keeper.slept()
    clocks.go_on(0.1)
    assert not keeper.slept()


def test_sleep_is_noticed_once() -> None:
    clocks = Clocks()
    keeper = renewal(clocks)
    clocks.go_on(5)
    assert not keeper.slept()
    clocks.go_on(300, asleep=True)
    assert keeper.slept()
    clocks.go_on(0.1)
    assert not keeper.slept()
