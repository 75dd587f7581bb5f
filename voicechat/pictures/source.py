"""Where a picture comes from: a file, stdin, the clipboard, the screen.

All of this may block: it is not for the event loop.
"""

import errno
import io
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from voicechat.errors import UsageError

MOST_BYTES = 50_000_000
"""A larger file is hardly a picture, and would have to be read as a whole."""
WANTED = "A picture is wanted, such as photo.jpg."
PATIENCE_S = 10.0
"""How long a program may take to give the clipboard or the screen."""

_CLIPBOARDS = (
    (("WAYLAND_DISPLAY",), ("wl-paste", "--no-newline", "--type", "image/png")),
    (("DISPLAY",), ("xclip", "-selection", "clipboard", "-target", "image/png", "-out")),
)
_SCREENS = (
    (("WAYLAND_DISPLAY",), ("grim", "{}")),
    (("WAYLAND_DISPLAY", "DISPLAY"), ("spectacle", "--background", "--nonotify", "--fullscreen", "--output", "{}")),
    (("WAYLAND_DISPLAY", "DISPLAY"), ("gnome-screenshot", "--file", "{}")),
    (("DISPLAY",), ("maim", "{}")),
    (("DISPLAY",), ("scrot", "--overwrite", "{}")),
    (("DISPLAY",), ("import", "-window", "root", "{}")),
)
"""On Linux: the displays for which it works, and the program; `{}` is the file that it writes."""


def from_file(path: str) -> bytes:
    """The content of a regular file of bearable size. Raises UsageError in one line for anything else."""
    try:
        with open(Path(path).expanduser(), "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UsageError(f"{path} is no file.", WANTED)
            return _bounded(file.read(MOST_BYTES + 1), path)
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: ~nobody; ValueError: a name with a NUL
        raise UsageError(f"{path} cannot be read: {_reason(error)}.", WANTED) from None


def from_stdin() -> bytes:
    """What a pipe holds. Raises UsageError when it holds nothing, or stdin is the keyboard."""
    hint = "For example: voicechat vad --image - < photo.jpg"
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("--image - reads a picture from stdin, which is the keyboard.", hint)
    data = sys.stdin.buffer.read(MOST_BYTES + 1)
    if not data:
        raise UsageError("There is no picture on stdin.", hint)
    return _bounded(data, "The picture on stdin")


def from_clipboard(environment: dict[str, str]) -> bytes:
    """The picture in the clipboard. Raises UsageError when there is none, or no way to it."""
    if sys.platform in ("win32", "darwin"):
        return _of_pillow("grabclipboard", "There is no picture in the clipboard.")
    command = _first(_CLIPBOARDS, environment)
    if command is None:
        raise UsageError(
            "The clipboard cannot be read here.", "Install wl-clipboard (Wayland) or xclip (X11), or name a file."
        )
    data = _run(command)
    if not data:
        raise UsageError("There is no picture in the clipboard.", "Copy one, or name a file.")
    return _bounded(data, "The picture in the clipboard")


def from_screen(environment: dict[str, str]) -> bytes:
    """What is on the screen. Raises UsageError where no program can tell."""
    if sys.platform == "win32":
        return _of_pillow("grab", "The screen cannot be read.")
    command = ("screencapture", "-x", "{}") if sys.platform == "darwin" else _first(_SCREENS, environment)
    if command is None:
        names = ", ".join(sorted({program for _, (program, *_) in _SCREENS}))
        raise UsageError("No program for a screenshot was found.", f"These are known: {names}.")
    with tempfile.TemporaryDirectory(prefix="voicechat-") as folder:
        file = Path(folder) / "screen.png"
        _run(tuple(str(file) if part == "{}" else part for part in command))
        if not file.exists():
            raise UsageError(f"{command[0]} made no screenshot.", "Make one yourself, then /image FILE.")
        return from_file(str(file))


def _without_waiting(path: str, flags: int) -> int:
    """Opening a pipe that nobody writes into would wait for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _bounded(data: bytes, what: str) -> bytes:
    if len(data) > MOST_BYTES:
        raise UsageError(f"{what} is too large: {MOST_BYTES // 1_000_000} MB are the most.", "Show a smaller version.")
    return data


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "its symbolic links lead in a circle"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower() if error.strerror.isascii() else error.strerror
    return "there is no such place" if isinstance(error, RuntimeError) else "that is no name of a file"


def _first(
    table: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...], environment: dict[str, str]
) -> tuple[str, ...] | None:
    """The first program of `table` that is there and fits the display."""
    for displays, command in table:
        if any(environment.get(name) for name in displays) and shutil.which(command[0], path=environment.get("PATH")):
            return command
    return None


def _run(command: tuple[str, ...]) -> bytes:
    """What the program writes; b"" when it fails."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        raise UsageError(f"{command[0]} did not answer within {PATIENCE_S:.0f} s.", "Name a file instead.") from None
    except OSError as error:
        raise UsageError(f"{command[0]} cannot be run: {error.strerror}.", "Name a file instead.") from None
    return done.stdout if done.returncode == 0 else b""


def _of_pillow(function: str, nothing: str) -> bytes:
    """What the library gives where the system has calls for it."""
    from PIL import ImageGrab

    from voicechat.pictures.prepare import require

    require()
    try:
        found = getattr(ImageGrab, function)()
    except (OSError, NotImplementedError) as error:
        raise UsageError(nothing, "Name a file instead.") from error
    if isinstance(found, list) and found:  # files that were copied
        return from_file(str(found[0]))
    if not found:
        raise UsageError(nothing, "Name a file instead.")
    out = io.BytesIO()
    found.save(out, "PNG")
    return out.getvalue()
