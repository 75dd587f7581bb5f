"""What the terminal view looks like: notices in, lines of Rich text out, and from these ANSI. No I/O here.

Two columns: who speaks, and what was said, with how long it took at the right edge of its last line. Only the sixteen
colours of the terminal's own theme are used.
"""

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from voicechat.conversation import notices as note
from voicechat.ui import wording
from voicechat.ui.text import cells, clean, fold, plainer, shorten, wrap
from voicechat.ui.turns import Finished

if TYPE_CHECKING:
    from rich.text import Text

MEASURE = 120
"""Wider terminals are not filled: nobody can read lines of 200 cells."""
MARGIN = 1
CURSOR = "▌"

Item = Finished | note.SessionNotice | note.PictureNotice | note.WarningNotice | note.ErrorNotice | note.EndNotice
"""What goes into the scrollback."""


@dataclass
class Painter:
    """Lays lines out for a frame of `width` cells. `speaker` is what the assistant is called."""

    width: int
    speaker: str = ""
    text_input: bool = True
    _labels: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.width = max(min(self.width, MEASURE), 20)
        self._labels = max(10 if self.width >= 60 else 8, self._label_cells())

    def _label_cells(self) -> int:
        return cells(self._speaker()) + 1

    def _speaker(self) -> str:
        """The name on one short line: a cloned voice may have one of 60 characters."""
        name = clean(self.speaker).strip() or wording.ASSISTANT
        return shorten(plainer(name), 14 if self.width >= 60 else 9)

    # -- whole items -------------------------------------------------------------------------------------------

    def lines(self, item: Item) -> "list[Text]":
        """The lines of something finished."""
        from rich.text import Text

        match item:
            case Finished(note.UserTurn(_, text)):
                return self._user(text)
            case Finished(note.AssistantTurn() as turn, _, latency_ms):
                return self._answer(turn, latency_ms)
            case Finished(note.ToolNotice() as tool):
                style = "dim" if tool.ok else "yellow"
                return self._row("tool", style, Text(wording.tool(tool), style))
            case note.SessionNotice():
                return self.header(item) if item.state_restored is None else self.reconnected(item)
            case note.PictureNotice():
                return self._row("picture", "cyan", Text(wording.picture(item), "dim"))
            case note.WarningNotice(code, message):
                label = "" if code in wording.OWN_WORDS else "warning"
                if not label:
                    return self._aside(message)
                return self._row(label, "yellow", Text(clean(message, multiline=True), "dim"))
            case note.ErrorNotice(_, message, hint):
                words = Text().append(clean(message, multiline=True), "red")
                if hint:
                    words.append("\n" + clean(hint, multiline=True), "dim")
                return self._row("error", "bold red", words)
            case note.EndNotice():
                return [Text(), *self._aside(wording.summary(item, guides=self.text_input))]
            case _:
                return []

    def header(self, session: note.SessionNotice) -> "list[Text]":
        """`voicechat  qwen · model · voice … /help`, and an empty line."""
        from rich.text import Text

        name = Text("voicechat", "bold")
        help_text = Text("/help" if self.text_input else "", "dim")
        room = self.width - 2 * MARGIN - len(name) - 2 - len(help_text) - 2
        words = Text(shorten(wording.service(session), max(room, 8)), "dim")
        line = Text(" " * MARGIN) + name + Text("  ") + words
        return [self._with_note(line, help_text) or line, Text()]

    def reconnected(self, session: note.SessionNotice) -> "list[Text]":

        return self._aside(wording.reconnected(session))

    def opening(self, words: str) -> "list[Text]":
        """What a newcomer may try, below the header until something was said."""
        return self._aside(words, "dim italic")

    def _aside(self, text: str, style: str = "dim") -> "list[Text]":
        """What the program itself says, over the whole width."""
        from rich.text import Text

        lines = fold(clean(text, multiline=True), self.width - 2 * MARGIN)
        return [Text(" " * MARGIN).append(line, style) for line in lines]

    def partial(self, partial: note.UserPartial | note.AssistantPartial) -> "list[Text]":
        """Words still coming, with a cursor behind them."""
        from rich.text import Text

        words = Text(plainer(clean(partial.text)).lstrip()).append(CURSOR, "bold")
        if isinstance(partial, note.UserPartial):
            return self._row("you", "bold cyan", words)
        return self._row(self._speaker(), "bold magenta", words)

    def end_of(self, items: "list[list[Text]]", room: int) -> "list[Text]":
        """The last `room` lines of these items. Of one that is cut the first visible line says whose it is."""
        lines: list[Text] = []
        for item in reversed(items):
            if len(lines) + len(item) <= room:
                lines = item + lines
                continue
            rest = item[len(item) + len(lines) - room :]
            if rest:
                label = item[0][: self._label_end(item[0])]
                rest[0] = label + rest[0][MARGIN + self._labels :]
            return rest + lines
        return lines

    def _label_end(self, line: "Text") -> int:
        """How many characters of a line are its label: some take two cells."""
        used = 0
        for index, character in enumerate(line.plain):
            if used >= MARGIN + self._labels:
                return index
            used += cells(character)
        return len(line.plain)

    def rule(self) -> "Text":
        from rich.text import Text

        return Text(" " * MARGIN + "─" * (self.width - 2 * MARGIN), "dim")

    # -- parts -------------------------------------------------------------------------------------------------

    def _user(self, text: str) -> "list[Text]":
        from rich.text import Text

        words = clean(text, multiline=True).strip()
        return self._row("you", "bold cyan", Text(words) if words else Text(wording.NOT_UNDERSTOOD, "dim italic"))

    def _answer(self, turn: note.AssistantTurn, latency_ms: float | None) -> "list[Text]":
        from rich.text import Text

        heard, unheard = (clean(part) for part in wording.split_heard(turn))
        words = Text(heard.lstrip())
        words.append(unheard.rstrip(), "dim strike")
        silenced = turn.interrupted and not turn.heard_ms and not words.plain
        if not words.plain:
            words = Text(wording.SILENCED if silenced else wording.NO_WORDS, "dim italic")
        if silenced:
            remark = Text()
        elif turn.interrupted:
            remark = Text(wording.interrupted(turn), "dim yellow")
        elif turn.status != "completed":
            remark = Text(clean(turn.status), "yellow")
        else:
            remark = Text(wording.after(latency_ms) if latency_ms is not None else "", "dim")
        return self._row(self._speaker(), "bold magenta", words, remark)

    def _row(self, label: str, label_style: str, words: "Text", remark: "Text | None" = None) -> "list[Text]":
        """Two columns: the label stands at the first line only, the words hang beside it, the remark ends the last."""
        from rich.text import Text

        indent = MARGIN + self._labels
        lines = []
        for start, end in wrap(words.plain, self.width - indent - MARGIN):
            lines.append(Text(" " * indent) + words[start:end])
        first = Text(" " * MARGIN).append(label, label_style)
        first.pad_right(indent - cells(first.plain))
        lines[0] = first + lines[0][indent:]
        if remark:
            fitted = self._with_note(lines[-1], remark)
            if fitted is None:
                lines.append(self._with_note(Text(), remark) or remark)
            else:
                lines[-1] = fitted
        return lines

    def _with_note(self, line: "Text", remark: "Text") -> "Text | None":
        """`remark` at the right edge of `line`, when there is room for it."""
        gap = self.width - MARGIN - cells(line.plain) - cells(remark.plain)
        if gap < (2 if line.plain else 0):
            return None
        line = line.copy()
        line.pad_right(gap)
        return line + remark


class Ansi:
    """Rich lines to ANSI text, without colour when NO_COLOR is set."""

    def __init__(self, no_color: bool | None = None):
        import io

        from rich.console import Console

        self.no_color = bool(os.environ.get("NO_COLOR")) if no_color is None else no_color
        self._console = Console(
            file=io.StringIO(),
            force_terminal=True,
            color_system="standard",
            no_color=self.no_color,
            legacy_windows=False,
            width=1000,
            highlight=False,
            markup=False,
            emoji=False,
        )

    def __call__(self, lines: "list[Text]") -> str:
        """The lines joined by newlines, without one at the end."""
        from rich.text import Text

        with self._console.capture() as captured:
            self._console.print(Text("\n").join(lines), soft_wrap=True, end="")
        return captured.get()
