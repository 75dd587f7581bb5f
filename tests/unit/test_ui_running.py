"""What the status line says of tools."""

from voicechat.conversation import notices as note
from voicechat.ui.running import Running
from voicechat.ui.status import Status


def test_the_oldest_call_is_shown_with_its_age_and_what_is_asked_comes_first() -> None:
    running = Running()
    running.take(note.ToolCallNotice(1, 1, "fore\x1b[2Jcast", "{}"), 10.0)
    assert running.words(10.5) == "", "most are over at once"
    assert running.words(22.9) == "fore\\x1b[2Jcast 12 s"
    running.take(note.ToolCallNotice(1, 2, "slow", "{}"), 20.0)
    assert running.words(23.0).endswith("13 s +1")
    running.take(note.ToolCallNotice(2, 3, "send", "{}", "asking"), 23.0)
    assert running.words(23.0) == "send? Enter or Esc"
    running.take(note.ToolCallNotice(2, 3, "send", "{}", "running"), 24.0)
    running.take(note.ToolNotice(1, "forecast", "{}", call=1), 24.0)
    assert running.words(26.0) == "slow 6 s +1"
    running.take(note.ToolNotice(1, "slow", "{}", call=2), 26.0)
    running.take(note.ToolNotice(1, "send", "{}", call=3), 26.0)
    assert running.words(27.0) == ""


def test_it_stands_beside_the_state() -> None:
    assert "slow 6 s   mic" in Status(state="thinking", elapsed_s=1.0, tools="slow 6 s").line(120).plain
    assert "slow" in Status(state="thinking", elapsed_s=1.0, tools="slow 6 s").line(40).plain
