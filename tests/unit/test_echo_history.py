"""Where an echo is, as the two references have it: by value."""

import pytest

from voicechat.audio.echo_history import EchoHistory


@pytest.mark.parametrize(
    ("late", "shift", "base"), [(700, 220, 480), (480, 0, 480), (300, 0, 300), (0, 0, 0), (-30, 0, 0)]
)
def test_the_cancellers_reference_is_moved_and_the_paths_only_where_that_cannot_be(
    late: int, shift: int, base: int
) -> None:
    history = EchoHistory(48_000, 24_000, 10, 20)
    history.shift, history.base = 100, 480
    history.put(late)
    assert (history.shift, history.base, history.late) == (shift, base, shift + base)
