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

SESSION = note.SessionNotice("qwen", "qwen3.5-omni-flash-realtime", "Cherry", aec=True)
TALK: list[note.Notice] = [
    note.UserTurn(1, "今天适合去爬山吗？"),
    note.LatencyNotice(1, voice_to_voice_ms=620),
    note.AssistantTurn(
        1,
        "今天晴，最高二十五度，很适合。山上下午的阳光比较强，记得带水和帽子。",
        "",
        False,
        9_400,
    ),
    note.UserTurn(2, "And tomorrow?"),
    note.AssistantTurn(
        2,
        "Tomorrow will be cloudy, with a chance of rain in the evening.",
        "Tomorrow will be cloudy, with a chance of ",
        True,
        1_800,
    ),
    note.UserTurn(3, "just the temperature, please"),
    note.LatencyNotice(3, voice_to_voice_ms=540),
    note.AssistantTurn(3, "Eighteen degrees at noon, twelve in the evening.", "", False, 2_900),
    note.UserPartial(4, "and will I see the sun"),
]
MICROPHONE_DBFS = (-48.0, -31.0, -18.0, -34.0)


def picture() -> "list[Text]":
    """The lines of the sample."""
    from rich.text import Text

    painter = Painter(COLUMNS, speaker=SESSION.voice)
    turns = Turns()
    for notice in TALK:
        turns.add(notice, 0.0)
    microphone = Meter()
    for level_dbfs in MICROPHONE_DBFS:
        microphone.push(level_dbfs)
    status = Status("listening", str(microphone), elapsed_s=192)
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
