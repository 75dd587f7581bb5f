"""A kept conversation in other forms: Markdown, subtitles for its recording, JSON, plain text, a page to print."""

import html
import json
from collections.abc import Callable, Iterator

from voicechat.archive.inert import inert
from voicechat.archive.lines import Kept, Said

SHORTEST_S = 1.0
"""A subtitle stands at least so long, and a typed turn, which takes no time, exactly."""
NOT_UNDERSTOOD = "(not understood)"


def text(kept: Kept) -> str:
    """One line for each thing said."""
    return "".join(f"{_name(kept, said)}: {_plain(said)}\n" for said in kept.said)


def markdown(kept: Kept) -> str:
    parts = [f"# {_title(kept)}\n"]
    for said in kept.said:
        unheard = f" ~~{said.unheard.strip()}~~" if said.unheard.strip() else ""
        parts.append(f"**{_name(kept, said)}:** {_words(said)}{unheard}\n")
    return inert("\n".join(parts))


def subtitles(kept: Kept) -> str:
    """SubRip, in the time of the recording."""
    cues = []
    spoken = [said for said in kept.said if said.who in ("user", "assistant") and said.text.strip()]
    for number, said in enumerate(sorted(spoken, key=lambda said: said.at_s), 1):
        until_s = max(said.until_s, said.at_s + SHORTEST_S)
        words = " ".join(said.text.split())
        cues.append(f"{number}\n{_stamp(said.at_s)} --> {_stamp(until_s)}\n{_name(kept, said)}: {inert(words)}\n")
    return "\n".join(cues)


def as_json(kept: Kept) -> str:
    told = {
        "id": kept.id, "began": kept.began, "seconds": kept.seconds, "provider": kept.provider, "model": kept.model,
        "voice": kept.voice, "continues": kept.continues, "ended": kept.ended, "broken_lines": kept.broken,
        "said": [_entry(said) for said in kept.said],
    }  # fmt: skip
    return inert(json.dumps(told, ensure_ascii=False, indent=2)) + "\n"


def page(kept: Kept) -> str:
    """HTML that needs nothing beside itself."""
    return "".join(_page(kept))


FORMATS: dict[str, Callable[[Kept], str]] = {
    "md": markdown, "srt": subtitles, "json": as_json, "txt": text, "html": page,
}  # fmt: skip


def _page(kept: Kept) -> Iterator[str]:
    title = _safe(_title(kept))
    yield '<!doctype html>\n<html>\n<head>\n<meta charset="utf-8">\n'
    yield f"<title>{title}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    for said in kept.said:
        unheard = f" <s>{_safe(said.unheard.strip())}</s>" if said.unheard.strip() else ""
        words = _safe(_words(said)).replace("\n", "<br>\n")
        yield f'<p class="{said.who}"><b>{_safe(_name(kept, said))}</b> {words}{unheard}</p>\n'
    yield "</body>\n</html>\n"


_STYLE = """body { font: 16px/1.5 system-ui, sans-serif; max-width: 42em; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.1em; font-weight: normal; color: #666 }
p { margin: .6em 0 } .user b { color: #067 } .assistant b { color: #808 } .tool, s { color: #777 }
@media (prefers-color-scheme: dark) {
  body { background: #111; color: #ddd } .user b { color: #6cc } .assistant b { color: #d8d }
}
"""


def _entry(said: Said) -> dict[str, object]:
    return {
        "turn": said.turn, "who": said.who, "text": said.text, "unheard": said.unheard, "at_s": round(said.at_s, 3),
        "until_s": round(said.until_s, 3),
    }  # fmt: skip


def _title(kept: Kept) -> str:
    parts = (kept.began.replace("T", " ")[:16] or kept.id, kept.provider, kept.model)
    return " · ".join(part for part in parts if part)


def _name(kept: Kept, said: Said) -> str:
    return inert(" ".join(kept.name(said.who).split()))


def _words(said: Said) -> str:
    return said.text.strip() or (NOT_UNDERSTOOD if said.who == "user" else "")


def _plain(said: Said) -> str:
    unheard = f" [not heard: {said.unheard.strip()}]" if said.unheard.strip() else ""
    return inert(" ".join(f"{_words(said)}{unheard}".split()))


def _safe(words: str) -> str:
    return html.escape(inert(words))


def _stamp(at_s: float) -> str:
    """`00:01:02,345`."""
    ms = round(max(at_s, 0.0) * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"
