"""A picture of the terminal view for the README: `python -m tests.screenshot docs/terminal.svg`.

A sample conversation goes through the same classes as a real one, so the picture cannot show what the program does not.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from voicechat.conversation import notices as note
from voicechat.ui.render import MARGIN, Painter
from voicechat.ui.status import Meter, Status
from voicechat.ui.turns import Turns

if TYPE_CHECKING:
    from rich.text import Text

COLUMNS = 100
PROMPT = "›"

SESSION = note.SessionNotice("offline", "companion", "heart", aec=True)
TALK: list[note.Notice] = [
    note.UserTurn(1, "What time is it?"),
    note.LatencyNotice(1, voice_to_voice_ms=720),
    note.AssistantTurn(1, "It is 10:42 AM.", "", False, 1_900),
    note.UserTurn(2, "What can you do?"),
    note.AssistantTurn(
        2,
        "I can tell you the time and the date, do sums, repeat after you and remember your name. "
        "For a real talk, connect me to a chat model such as Ollama.",
        "I can tell you the time and the date, do sums, ",
        True,
        2_900,
    ),
    note.UserTurn(3, "What is twelve times seven?"),
    note.LatencyNotice(3, voice_to_voice_ms=680),
    note.AssistantTurn(3, "12 times 7 is 84.", "", False, 2_200),
    note.UserPartial(4, "what day is it"),
]
"""What everybody can have without a key: the companion's own answers."""
MICROPHONE_DBFS = (-48.0, -31.0, -18.0, -34.0)


def picture() -> "list[Text]":
    """The lines of the sample."""
    from rich.text import Text

    painter = Painter(COLUMNS, speaker="companion")
    turns = Turns()
    for notice in TALK:
        turns.add(notice, 0.0)
    microphone = Meter()
    for level_dbfs in MICROPHONE_DBFS:
        microphone.push(level_dbfs)
    status = Status("listening", str(microphone), elapsed_s=38)
    lines = painter.lines(SESSION)
    for finished in turns.release(1.0):
        lines += painter.lines(finished)
    lines += [line for partial in turns.partials() for line in painter.partial(partial)]
    prompt = Text(f"{' ' * MARGIN}{PROMPT} ") + status.hint()
    return [*lines, painter.rule(), prompt, status.line(COLUMNS)]


def export(path: Path) -> None:
    """Write the picture as SVG."""
    import io

    from rich.console import Console

    console = Console(record=True, file=io.StringIO(), force_terminal=True, width=COLUMNS, legacy_windows=False)
    for line in picture():
        console.print(line, soft_wrap=True, highlight=False)
    path.write_text(console.export_svg(title="voicechat vad", unique_id="voicechat"), encoding="utf-8")


if __name__ == "__main__":
    export(Path(sys.argv[1]))
