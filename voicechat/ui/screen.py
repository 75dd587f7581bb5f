"""The one owner of the terminal: scrollback above; the running turn, an input line and a status line below.

Only the lines below are ever drawn again. What is finished is written once above them, as ordinary lines of the
terminal, which scroll away, can be selected, and stay when the program has ended.
"""

import contextlib
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Size
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.formatted_text.utils import fragment_list_to_text
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import Input, create_pipe_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import BufferControl, Dimension, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.layout.processors import AfterInput, Processor, Transformation, TransformationInput
from prompt_toolkit.output import ColorDepth, Output, create_output
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import Style
from wcwidth import iter_graphemes

from voicechat.ui.base import Controls
from voicechat.ui.job_control import stop_job, stoppable
from voicechat.ui.keyboard import ASK, POP, PUSH, SPACE_UP, KeyReports, keyboard_input
from voicechat.ui.reflow import ReflowRenderer
from voicechat.ui.text import clean, plainer

PROMPT = " › "
INPUT_ROWS = 4
"""A pasted text is shown in up to so many lines."""
ESCAPE_S = 0.03
"""How long after an Esc byte the rest of a function key may come."""
KEY_REDRAWS_PER_S = 30
MOST_CHOICES = 300
"""Characters of what Tab has found that are shown."""
_BEGIN_SYNC, _END_SYNC = "\x1b[?2026h", "\x1b[?2026l"


class Plainer(Processor):
    """Shows of each emoji that terminals disagree about its first part, about which they agree. It is typed whole."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        text = fragment_list_to_text(transformation_input.fragments)
        if text.isascii():
            return Transformation(transformation_input.fragments)
        shown, places = "", list[int]()
        for cluster in iter_graphemes(text):
            part = plainer(cluster)
            places += [len(shown) + min(at, len(part)) for at in range(len(cluster))]
            shown += part
        places.append(len(shown))
        return Transformation(
            [("", shown)],
            source_to_display=lambda at: places[min(at, len(places) - 1)],
            display_to_source=lambda at: bisect_left(places, at),
        )


class Screen:
    """`keyboard`: stdin is a terminal whose keys are ours. `text_input`: with an input line."""

    def __init__(self, controls: Controls, *, keyboard: bool, text_input: bool, no_color: bool = False):
        self._controls = controls
        self._keyboard = keyboard
        self._live = self._status = self._hint = ANSI("")
        self._live_rows = 0
        self.hold_to_talk = False
        """The space bar is held while one talks, where the terminal tells when it is let go."""
        self.tells_releases = False
        """The terminal does."""
        self._held = False
        self._choices = ""  # what Tab has found
        self._output: Output = create_output(stdout=sys.stdout)
        if isinstance(self._output, Vt100_Output):
            # Asking where the cursor is would let the lower part take the whole rest of the screen, and terminals
            # that do not answer earn a warning in the middle of the talk.
            self._output.enable_cpr = False
        self._color_depth = ColorDepth.DEPTH_1_BIT if no_color else ColorDepth.DEPTH_4_BIT
        self._layout = self._make_layout(text_input)
        self._app: Application[None] | None = None
        self._renderer: ReflowRenderer | None = None

    # -- drawing -----------------------------------------------------------------------------------------------

    @property
    def size(self) -> Size:
        return self._output.get_size()

    @property
    def running(self) -> bool:
        return self._app is not None and self._app.is_running

    def draw(self, live: str, status: str, above: str | None = None) -> None:
        """Show these ANSI lines around the input line, and write the lines `above` into the scrollback."""
        self._keep(live, status)
        if above is not None:
            self._draw_anew(lambda: self.print(above))
        elif self._app is not None:
            self._app.invalidate()

    def hint(self, ansi: str) -> None:
        """What the empty input line says."""
        self._hint = ANSI(ansi)

    @property
    def rows_above(self) -> int:
        """How much of what was printed is certainly still in the window, where that is full."""
        return self._renderer.rows_above if self._renderer is not None else 0

    def print_afresh(self, live: str, status: str, rows: int, above: str) -> None:
        """Write the lines `above` in place of what fills that many `rows` above the lower part."""

        def repaint() -> None:
            self._output.cursor_up(rows)
            self._output.erase_down()
            if above:
                self.print(above, instead_of=rows)

        self._keep(live, status)
        self._draw_anew(repaint)

    def _keep(self, live: str, status: str) -> None:
        self._live, self._status, self._live_rows = ANSI(live), ANSI(status), live.count("\n") + 1

    def _draw_anew(self, change: Callable[[], None]) -> None:
        """Take the lower part away, make the change, and draw it again, as one picture where the terminal can."""
        app = self._app
        if app is None or not app.is_running or app.context is None:
            change()
            return
        synchronised = isinstance(self._output, Vt100_Output)
        if synchronised:
            self._output.write_raw(_BEGIN_SYNC)
        app.renderer.erase()
        change()
        app.render_counter += 1  # what the controls cache is kept by this number
        app.context.copy().run(app.renderer.render, app, app.layout)
        if synchronised:
            self._output.write_raw(_END_SYNC)
            self._output.flush()

    def print(self, ansi: str, instead_of: int = 0) -> None:
        """Write lines where the cursor is: before and after `run`; there were `instead_of` before."""
        if self._renderer is not None:
            self._renderer.wrote(ansi.count("\n") + 1 - instead_of)
        print_formatted_text(self._output, ANSI(ansi + "\n"), Style([]), color_depth=self._color_depth)

    # -- running -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read keys and draw until `exit` or cancelled. The terminal is as before when it returns."""
        if self._keyboard:
            await self._run(keyboard_input(KeyReports(self._releases_are_told)))
        else:
            with create_pipe_input() as nothing:
                await self._run(nothing)

    async def _run(self, keys: Input) -> None:
        self._app = Application(
            layout=self._layout,
            key_bindings=self._key_bindings(),
            input=keys,
            output=self._output,
            color_depth=self._color_depth,
            min_redraw_interval=1 / KEY_REDRAWS_PER_S,
            erase_when_done=True,
        )
        self._app.ttimeoutlen = ESCAPE_S
        self._app.renderer = self._renderer = ReflowRenderer(self._app.renderer.style, self._output)
        with stoppable(self._app, self._with_plain_keys), self._asked():
            await self._app.run_async(handle_sigint=False, set_exception_handler=False)

    @contextlib.contextmanager
    def _asked(self) -> Iterator[None]:
        """Ask the terminal whether it tells when a key is let go; leave it as it was."""
        asks = self._keyboard and isinstance(self._output, Vt100_Output)
        if asks:
            self._command(ASK)
        try:
            yield
        finally:
            if self.tells_releases:
                self._command(POP)

    def _releases_are_told(self) -> None:
        self.tells_releases = True
        self._command(PUSH)

    @contextlib.contextmanager
    def _with_plain_keys(self) -> Iterator[None]:
        """While somebody else has the terminal."""
        if self.tells_releases:
            self._command(POP)
        yield
        if self.tells_releases:
            self._command(PUSH)

    def _command(self, sequence: str) -> None:
        self._output.write_raw(sequence)
        self._output.flush()

    def exit(self) -> None:
        if self._app is not None and self._app.is_running and not self._app.is_done:
            self._app.exit()

    # -- parts -------------------------------------------------------------------------------------------------

    def _make_layout(self, text_input: bool) -> Layout:
        live = Window(
            FormattedTextControl(lambda: self._live),
            height=lambda: Dimension(min=0, preferred=self._live_rows, max=self._live_rows),
        )
        status = Window(FormattedTextControl(lambda: self._status), height=1)
        if not text_input:
            return Layout(HSplit([live, status]))
        self._buffer = Buffer(
            history=InMemoryHistory(),
            accept_handler=self._accept,
            multiline=False,
            on_text_changed=self._forget_choices,
        )
        after = AfterInput(lambda: ANSI(self._choices) if self._buffer.text else self._hint)
        line = Window(
            BufferControl(self._buffer, input_processors=[Plainer(), after]),
            height=Dimension(min=1, max=INPUT_ROWS),
            dont_extend_height=True,
            wrap_lines=True,
            get_line_prefix=lambda number, wraps: PROMPT if number == wraps == 0 else " " * len(PROMPT),
        )
        return Layout(HSplit([live, line, status]), focused_element=line)

    def _accept(self, buffer: Buffer) -> bool:
        self._controls.submit(buffer.text)
        return False  # that is: do not keep the text

    def _forget_choices(self, _: Buffer) -> None:
        self._choices = ""

    def _complete(self, buffer: Buffer) -> None:
        """Go on as far as there is one way only, and show the ways from there."""
        begun, rest = buffer.document.text_before_cursor, buffer.document.text_after_cursor
        found = self._controls.complete(begun)
        common = _common(found)
        if len(found) == 1 or len(common) > len(begun):
            buffer.text = common + rest
            buffer.cursor_position = len(common)
        if len(found) > 1:
            self._choices = f"\x1b[2m   {'  '.join(map(_choice, found))[:MOST_CHOICES]}\x1b[0m"

    def _key_bindings(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("escape", eager=True)
        def _interrupt(event: KeyPressEvent) -> None:
            self._controls.interrupt()

        holding = Condition(lambda: self.hold_to_talk and self.tells_releases and not self._buffer.text)

        @keys.add(" ", filter=holding)
        def _space_down(event: KeyPressEvent) -> None:
            if not self._held:  # else the key repeats
                self._held = True
                self._controls.hold(True)

        @keys.add(SPACE_UP)
        def _space_up(event: KeyPressEvent) -> None:
            if self._held:
                self._held = False
                self._controls.hold(False)

        @keys.add("tab")
        def _tab(event: KeyPressEvent) -> None:
            self._complete(event.current_buffer)

        @keys.add("c-c")
        def _quit(event: KeyPressEvent) -> None:
            self._controls.quit()

        @keys.add("c-z")
        def _stop(event: KeyPressEvent) -> None:
            stop_job()

        @keys.add("c-d")
        def _end(event: KeyPressEvent) -> None:
            if event.current_buffer.text:
                event.current_buffer.delete()
            else:
                self._controls.quit()

        @keys.add("enter")
        def _enter(event: KeyPressEvent) -> None:
            event.current_buffer.validate_and_handle()

        return keys


def _common(lines: list[str]) -> str:
    """What they all begin with."""
    first, last = min(lines, default=""), max(lines, default="")
    ends = (place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return first[: next(ends, len(first))]


def _choice(line: str) -> str:
    """What differs: the command, or the last part of its argument."""
    command, space, argument = line.partition(" ")
    if not space or not argument:
        return clean(command)
    name = argument.rstrip("/").rpartition("/")[2]
    return clean(name + "/" if argument.endswith("/") else name)
