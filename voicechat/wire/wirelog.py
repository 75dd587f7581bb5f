"""One line of a log for each frame on the wire, without the sound in it."""

import base64
import json
import logging
import re

log = logging.getLogger(__name__)

MOST_CHARS = 2000
_SOUND = re.compile(r'"[A-Za-z0-9+/]{64,}={0,2}"')
_NAMED = re.compile(r'("audio": )"[^"]*"')
_DELTA = re.compile(r'("delta": )"[^"]*"')


def described(frame: str | bytes, keep_audio: bool = False) -> str:
    """Type, size and text of a frame. Base64 is left out unless `keep_audio`, which also shows binary frames.

    Control characters are escaped: a log is read on a terminal.
    """
    if isinstance(frame, bytes):
        return f"binary {len(frame)} B" + (f" {base64.b64encode(frame).decode()}" if keep_audio else "")
    size = f"{len(frame.encode('utf-8', 'replace'))} B"
    try:
        message = json.loads(frame)
        kind = str(message["type"])[:100]
        text = json.dumps(message, ensure_ascii=False)
    except (ValueError, KeyError, TypeError, RecursionError):
        kind, text = "text", frame
    if not keep_audio:
        text = _SOUND.sub(_left_out, text)
        text = _NAMED.sub(r'\1"…"', text)
        if "audio" in kind and "transcript" not in kind:
            text = _DELTA.sub(r'\1"…"', text)
        if len(text) > MOST_CHARS:
            text = f"{text[:MOST_CHARS]}…"
    return _printable(f"{kind} {size} {text}")


def _left_out(found: re.Match[str]) -> str:
    return f'"… {len(found[0]) - 2} characters of base64"'


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
