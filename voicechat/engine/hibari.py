"""English text to speech with hibari: one small model in the wheel, faster than speech by far on one core.

The model and its dictionaries are loaded once for the whole process, and used by one thread at a time. Loading takes
half a second, in which the interpreter's lock is let go again and again; but not while onnxruntime is imported
(`import_runtime`).
"""

import asyncio
import gzip
import json
import logging
import re
import threading
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicechat.engine.packed import Packed
from voicechat.engine.synthesiser import RATE_HZ, Spoken

if TYPE_CHECKING:
    import numpy as np

    Samples = np.ndarray[Any, np.dtype[np.float32]]

log = logging.getLogger(__name__)

VOICE = "heart"
"""The one in the wheel. The package would fetch others from the network by itself: it is never asked to."""
LANGUAGE = "en"
FIRST_CLAUSE_CHARS = 24
"""The first clause of a sentence is made by itself when it is so long at least: it sounds while the rest is made."""
LONG_SENTENCE_CHARS = 60
_CLAUSE = re.compile(r"[,;:—]+\s+")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*\s*$")
_AUDIBLE = 0.01
"""Of full scale: below this is the pause before and after the words."""
LEAD_MS, CLAUSE_PAUSE_MS, SENTENCE_PAUSE_MS = 40, 150, 300
"""What is left of that pause, which the model makes 0.3 s and 0.5 s long: an answer is waited for."""

_lock = threading.Lock()
_voice: Any = None


class HibariFailed(Exception):
    """It does not load here; the message says why."""


class HibariSynthesiser:
    """Implements `Synthesiser` for English in one voice, in one worker thread."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="offline-speech")
        self._closed = threading.Event()

    async def load(self) -> None:
        """Be ready for the first sentence. Raises HibariFailed."""
        await asyncio.get_running_loop().run_in_executor(self._worker, load_voice, self._closed)

    def knows(self, voice: str) -> bool:
        return voice == VOICE

    async def speak(self, text: str, voice: str, speed: float) -> AsyncGenerator[Spoken, None]:
        """Raises HibariFailed."""
        loop = asyncio.get_running_loop()
        for piece in clauses(text):
            sound = await loop.run_in_executor(self._worker, _synthesise, piece, speed, self._closed)
            for block in spread(piece, tightened(sound, piece)):
                yield block

    async def close(self) -> None:
        self._closed.set()
        # What still runs is a clause: one more job through the queue and the thread is idle.
        await asyncio.get_running_loop().run_in_executor(self._worker, bool)
        self._worker.shutdown()


def clauses(text: str) -> list[str]:
    """A long sentence with its first clause cut off, so that it is heard early; joined they are `text`."""
    if len(text) > LONG_SENTENCE_CHARS:
        for match in _CLAUSE.finditer(text):
            if match.end() >= FIRST_CLAUSE_CHARS:
                return [text[: match.end()], text[match.end() :]] if match.end() < len(text) else [text]
    return [text]


def tightened(sound: "Samples", text: str) -> "Samples":
    """The sound of `text` without most of the silence around it."""
    import numpy as np

    loud = np.flatnonzero(np.abs(sound) > _AUDIBLE)
    if not len(loud):
        return sound
    pause_ms = SENTENCE_PAUSE_MS if _SENTENCE_END.search(text) else CLAUSE_PAUSE_MS
    begin, end = int(loud[0]) - LEAD_MS * RATE_HZ // 1000, int(loud[-1]) + pause_ms * RATE_HZ // 1000
    return sound[max(begin, 0) : end]


def spread(text: str, sound: "Samples") -> Iterator[Spoken]:
    """The sound in one block for each word, cut in proportion to the letters: the model tells no times."""
    import numpy as np

    pcm = (np.clip(sound, -1, 1) * 32767).astype("<i2")
    words = re.findall(r"\s*\S+\s*", text) or [text]
    loud = np.flatnonzero(np.abs(sound) > _AUDIBLE)
    begin, end = (int(loud[0]), int(loud[-1]) + 1) if len(loud) else (0, len(pcm))
    letters = np.cumsum([0] + [len(word) for word in words])
    borders = (begin + (end - begin) * letters / max(letters[-1], 1)).astype(int)
    borders[0], borders[-1] = 0, len(pcm)
    for word, start, stop in zip(words, borders, borders[1:], strict=False):
        yield Spoken(word, pcm[start:stop].tobytes())


def import_runtime() -> None:
    """Import what computes the model, for whoever cannot wait 30 ms once somebody speaks: so long does that hold the
    interpreter's lock, whichever thread does it. Where it cannot be imported, `load_voice` says so."""
    with suppress(ImportError, OSError):
        import onnxruntime  # noqa: F401


def load_voice(stop: threading.Event | None = None) -> Any:
    """The one voice of this process, loaded when it is not yet; blocks. Raises HibariFailed, also when `stop` is
    set meanwhile."""
    global _voice
    with _lock:
        if _voice is None:
            try:
                from hibari import SAMPLE_RATE, Hibari

                voice = Hibari(
                    VOICE, threads=1, g2p=_pronunciation(stop or threading.Event())
                )  # a second thread makes it slower
                voice("Ready.")
            # What a broken wheel or a foreign release raises is not foreseeable, and espeak-ng can speak instead.
            except Exception as error:
                raise HibariFailed(f"hibari does not load ({' '.join(str(error).split())[:160]})") from error
            if SAMPLE_RATE != RATE_HZ:
                raise HibariFailed(f"hibari speaks at {SAMPLE_RATE} Hz, not at {RATE_HZ}")
            _voice = voice
        return _voice


def _pronunciation(stop: threading.Event) -> Any:
    """hibari's own, with its American dictionaries in a form that takes a fifth of the memory."""
    from hibari.g2p import ASSETS, G2P, Lexicon, Tagger, Tokenizer

    def read(name: str) -> bytes:
        if stop.is_set():
            raise HibariFailed("nobody waits for it any more")
        return gzip.decompress((Path(ASSETS) / name).read_bytes())

    def tagger() -> Any:
        # The words and the weights are most of it: they are looked up, the rest is small enough to be read at once.
        tags, words, vocabulary, weights = re.split(
            rb',"(?:tagdict|vocab|weights)":', read("tagger.json.gz").strip(), maxsplit=3
        )
        model = {**json.loads(tags + b"}"), "vocab": json.loads(vocabulary)}
        return Tagger({**model, "tagdict": Packed(words), "weights": Packed(weights[:-1])})

    class Light(G2P):  # type: ignore[misc]
        def __init__(self) -> None:
            gold, silver = (Packed(read(f"lexicon_us_{kind}.json.gz")) for kind in ("gold", "silver"))
            self.lexicon = Lexicon(gold, silver, False)
            self.tokenizer = Tokenizer(json.loads((Path(ASSETS) / "tokenizer_exceptions.json").read_bytes()))
            self.tagger = tagger()
            self._oov = None
            self.unk = ""
            self.british = False

    return Light()


def _synthesise(text: str, speed: float, stop: threading.Event) -> "Samples":
    voice = load_voice(stop)
    with _lock:
        sound: Samples = voice(text, speed=speed)
    return sound
