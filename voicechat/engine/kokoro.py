"""Chinese and English text to speech with Kokoro, a model that the user adds: natural, and slow.

The folder is the one that sherpa-onnx uses; its library is not. It took half as long again for each sound as
onnxruntime does by itself, leaves out words it does not know, and may write to the terminal or end the process.
Chinese phonemes come from the folder's lexicon, the longest word first; English ones from hibari, which was made
after Kokoro and knows words that no list has.
"""

import asyncio
import os
import re
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicechat.engine.hibari import HibariFailed, load_voice, spread
from voicechat.engine.synthesiser import RATE_HZ, Spoken
from voicechat.errors import ConfigError, VoicechatError
from voicechat.models.catalogue import catalogue
from voicechat.models.folder import Folder, find
from voicechat.models.store import home_of
from voicechat.text.mandarin import read_numbers

if TYPE_CHECKING:
    import numpy as np

    Samples = np.ndarray[Any, np.dtype[np.float32]]

_NAMES = (
    "af_alloy af_aoede af_bella af_heart af_jessica af_kore af_nicole af_nova af_river af_sarah af_sky am_adam am_echo "
    "am_eric am_fenrir am_liam am_michael am_onyx am_puck am_santa bf_alice bf_emma bf_isabella bf_lily bm_daniel "
    "bm_fable bm_george bm_lewis ef_dora em_alex ff_siwis hf_alpha hf_beta hm_omega hm_psi if_sara im_nicola jf_alpha "
    "jf_gongitsune jf_nezumi jf_tebukuro jm_kumo pf_dora pm_alex pm_santa zf_xiaobei zf_xiaoni zf_xiaoxiao zf_xiaoyi "
    "zm_yunjian zm_yunxi zm_yunxia zm_yunyang em_santa"
)
SPEAKERS = _NAMES.split()
"""In the order of `voices.bin` of version 1.0. a and b are American and British, z Chinese; f and m female and male."""
SCRIPTS = ("zh",)
"""What it reads besides Latin letters, as `text.language` calls it."""
DEFAULT_SPEAKER = "zf_xiaoxiao"
MOST_TOKENS = 500
_STYLE = (510, 1, 256)
_STYLE_BYTES = 4 * 510 * 256
_LEAD_MS, _TAIL_MS = 40, 140
"""Silence that is left before and after a clause: the model gives half a second of it."""
_AUDIBLE = 0.01

_CLAUSE = re.compile(r"[^，。！？；：、,.!?;:]+(?:[，。！？；：、,.!?;:]+[”』」）\"')\]]*\s*)+|.+", re.DOTALL)
_NUMBER_SIGN = re.compile(r"(?<=\d)[,.:](?=\d)")
_IS_HAN = re.compile(r"[\u3400-\u9fff]")
_RUN = re.compile(r"[\u3400-\u9fff]+|[A-Za-z][A-Za-z'’-]*(?:\s+[A-Za-z][A-Za-z'’-]*)*|.", re.DOTALL)
_SIGNS = str.maketrans("，。！？；：、《》「」【】（）", ",.!?;:,“”“”“”()")
_LONGEST_WORD = 8
_PATH_SIGNS = frozenset("/\\~")


class KokoroFailed(VoicechatError):
    """It does not load, or not speak; the message says why."""


def named(voice: str) -> tuple[str, str] | None:
    """The model and the speaker that a voice means: `kokoro`, `kokoro/zm_yunxi`, `FOLDER` or `FOLDER/SPEAKER`; None
    when it is no voice of a model. The speaker is "" when none is named."""
    if _is_model(voice):
        return voice, ""
    model, slash, speaker = voice.rpartition("/")
    return (model, speaker) if slash and _is_model(model) else None


def _is_model(name: str) -> bool:
    known = catalogue().get(name)
    return known.use == "voice" if known else bool(_PATH_SIGNS & set(name)) and Path(name).expanduser().is_dir()


class KokoroSynthesiser:
    """Implements `Synthesiser` in one worker thread. The model is loaded with the first sentence, or by `load`."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="offline-speech")
        self._models: dict[str, Kokoro] = {}

    async def load(self, voice: str) -> None:
        """Be ready to speak. Raises ConfigError for a model that is not there, KokoroFailed when it does not load."""
        await asyncio.get_running_loop().run_in_executor(self._worker, self._model, voice)

    def knows(self, voice: str) -> bool:
        try:
            check(voice)
        except ConfigError:
            return False
        return True

    async def speak(self, text: str, voice: str, speed: float) -> AsyncGenerator[Spoken, None]:
        loop = asyncio.get_running_loop()
        for piece in clauses(text):
            sound = await loop.run_in_executor(self._worker, self._say, piece, voice, speed)
            for block in spread(piece, sound):
                yield block

    async def close(self) -> None:
        # What still runs is a clause: one more job through the queue and the thread is idle.
        await asyncio.get_running_loop().run_in_executor(self._worker, bool)
        self._worker.shutdown()

    def _say(self, text: str, voice: str, speed: float) -> "Samples":
        found = named(voice)
        return self._model(voice).say(text, found[1] if found else "", speed)

    def _model(self, voice: str) -> "Kokoro":
        folder = check(voice)
        if str(folder.path) not in self._models:
            self._models[str(folder.path)] = Kokoro(folder)
        return self._models[str(folder.path)]


def check(voice: str) -> Folder:
    """The folder of a voice that can speak, as far as its files tell. Raises ConfigError."""
    found = named(voice)
    if found is None:
        raise ConfigError(f"There is no model folder {voice}.", "A voice of one is FOLDER or FOLDER/SPEAKER.")
    folder = find(found[0], "voice")
    if found[1]:
        _number(found[1], folder)
    return folder


def require(voice: str) -> None:
    """Raises ConfigError for a voice that is meant to be of a model, and cannot be used."""
    if named(voice) or _PATH_SIGNS & set(voice):
        check(voice)


def speakers(folder: Folder) -> list[str]:
    """The names of a folder's speakers; numbers where they are not known."""
    count = folder.files["voices"].stat().st_size // _STYLE_BYTES
    return SPEAKERS[:count] if count in (len(SPEAKERS) - 1, len(SPEAKERS)) else [str(number) for number in range(count)]


def installed_voices() -> list[tuple[str, str, str]]:
    """The Chinese and English voices of the models that are here: name, language and gender. Imports nothing heavy."""
    languages, genders = {"z": "zh", "a": "en-us", "b": "en-gb"}, {"f": "female", "m": "male"}
    found = []
    for model in catalogue().values():
        if model.use != "voice" or not home_of(model.name).is_dir():
            continue
        with suppress(ConfigError):  # a damaged one is told when it is to speak
            for speaker in speakers(find(model.name, "voice")):
                if speaker[0] in languages:
                    found.append((f"{model.name}/{speaker}", languages[speaker[0]], genders[speaker[1]]))
    return found


def _number(speaker: str, folder: Folder) -> int:
    known = speakers(folder)
    if speaker in known:
        return known.index(speaker)
    if speaker.isdigit() and int(speaker) < len(known):
        return int(speaker)
    raise ConfigError(f"{folder.path} has no speaker {speaker!r}.", f"It has {', '.join(known)}.")


class Kokoro:
    """One loaded model; not for several threads. Raises KokoroFailed."""

    def __init__(self, folder: Folder):
        import numpy as np

        self._folder = folder
        self._session = _session(folder)
        lines = folder.files["tokens"].read_text("utf-8").splitlines()
        self._ids = {line[0]: int(line[2:]) for line in lines if len(line) > 2 and line[1] == " "}
        self._lexicon = _lexicon(folder.path / "lexicon-zh.txt")
        self._styles = np.memmap(folder.files["voices"], "<f4", "r")

    def say(self, text: str, speaker: str, speed: float) -> "Samples":
        """24 kHz float samples of one clause."""
        import numpy as np

        ids = [self._ids[sign] for sign in phonemes(text, self._lexicon, _english) if sign in self._ids][:MOST_TOKENS]
        if not ids:
            return np.zeros(0, np.float32)
        inputs = {
            "tokens": np.array([[0, *ids, 0]], np.int64),
            "style": self._style(speaker, len(ids)),
            "speed": np.array([speed], np.float32),
        }
        try:
            sound: Samples = self._session.run(None, inputs)[0].reshape(-1)
        except Exception as error:  # onnxruntime has an exception for each kind of failure, in a module without types
            raise KokoroFailed(f"Kokoro could not speak ({_one_line(error)}).") from error
        return _trimmed(sound)

    def _style(self, speaker: str, length: int) -> "Samples":
        import numpy as np

        number = _number(speaker, self._folder) if speaker else self._default()
        begin = (number * _STYLE[0] + length) * _STYLE[2]
        style: Samples = np.array(self._styles[begin : begin + _STYLE[2]]).reshape(1, _STYLE[2])
        return style

    def _default(self) -> int:
        known = speakers(self._folder)
        return known.index(DEFAULT_SPEAKER) if DEFAULT_SPEAKER in known else 0


def clauses(text: str) -> list[str]:
    """Pieces to be made one after another: the first is heard while the next is made. Joined they are `text`."""
    hidden = _NUMBER_SIGN.sub(lambda match: chr(0xE000 + ord(match[0])), text)  # 3.5 and 8:30 are no clauses
    pieces = _CLAUSE.findall(hidden) or [hidden]
    return [re.sub(r"[\ue000-\ue0ff]", lambda match: chr(ord(match[0]) - 0xE000), piece) for piece in pieces]


def phonemes(text: str, lexicon: dict[str, str], english: Callable[[str], str]) -> str:
    """Kokoro's signs for a text: Han by the lexicon, Latin words by `english`, marks as they are."""
    if not _IS_HAN.search(text):
        return english(text)
    said = []
    for run in _RUN.findall(read_numbers(text).translate(_SIGNS)):
        if _IS_HAN.match(run):
            said.append(" ".join(_words(run, lexicon)))
        elif run[0].isascii() and run[0].isalpha():
            said.append(f" {english(run)} ")
        else:
            said.append(run)
    return " ".join("".join(said).split())


def _words(run: str, lexicon: dict[str, str]) -> Iterator[str]:
    """The phonemes of each word, the longest that the lexicon has taken first; a sign it has not is left out."""
    at = 0
    while at < len(run):
        for size in range(min(_LONGEST_WORD, len(run) - at), 0, -1):
            if found := lexicon.get(run[at : at + size]):
                yield found
                break
        at += size


def _lexicon(path: Path) -> dict[str, str]:
    """Words with their phonemes; empty for an English folder."""
    if not path.is_file():
        return {}
    lexicon = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            word, _, signs = line.rstrip("\n").partition(" ")
            lexicon[word] = signs.replace(" ", "")
    return lexicon


_english_lock = threading.Lock()


def _english(text: str) -> str:
    """English in the phonemes of Kokoro. Raises KokoroFailed where hibari is not."""
    try:
        voice = load_voice()
    except HibariFailed as error:
        raise KokoroFailed(f"Kokoro cannot read English: {error}.") from error
    with _english_lock:
        return " ".join(str(sentence) for sentence in voice.phonemize(text))


def _session(folder: Folder) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise KokoroFailed("Kokoro needs onnxruntime.", "In voicechat's folder: pip install '.[offline]'") from error
    options = onnxruntime.SessionOptions()
    # One of two cores is left for the ears: with both, the two got into each other's way.
    options.intra_op_num_threads = max(1, min(4, (os.cpu_count() or 1) // 2))
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(folder.files["model"]), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise KokoroFailed(f"{folder.files['model']} does not load ({_one_line(error)}).") from error
    if {given.name for given in session.get_inputs()} != {"tokens", "style", "speed"}:
        raise KokoroFailed(f"{folder.files['model']} is no Kokoro that is known here.", "It takes version 1.0 or 1.1.")
    return session


def _trimmed(sound: "Samples") -> "Samples":
    import numpy as np

    loud = np.flatnonzero(np.abs(sound) > _AUDIBLE)
    if not len(loud):
        return sound[:0]
    begin = max(0, int(loud[0]) - _LEAD_MS * RATE_HZ // 1000)
    return sound[begin : int(loud[-1]) + 1 + _TAIL_MS * RATE_HZ // 1000]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
