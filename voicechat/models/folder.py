"""What a folder holds: a model of which kind, whole or not, told by its files alone and without loading anything."""

import difflib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from voicechat.errors import ConfigError
from voicechat.models.catalogue import Model, Use, catalogue
from voicechat.models.store import begun, folder_bytes, home_of, lacking

WHISPER = "whisper"
ZIPFORMER = "zipformer"
MOONSHINE = "moonshine"
MOONSHINE_ONNX = "moonshine-onnx"
KOKORO = "kokoro"
SMART_TURN = "smart-turn"

USES: dict[str, Use] = {
    WHISPER: "ears",
    ZIPFORMER: "ears",
    MOONSHINE: "ears",
    MOONSHINE_ONNX: "ears",
    KOKORO: "voice",
    SMART_TURN: "turns",
}
RUNTIMES = {
    WHISPER: "faster_whisper",
    ZIPFORMER: "sherpa_onnx",
    MOONSHINE: "moonshine_voice",
    MOONSHINE_ONNX: "sherpa_onnx",
    KOKORO: "onnxruntime",
    SMART_TURN: "onnxruntime",
}
"""The module that runs a kind of model."""

_WHAT = {"ears": "something that understands speech", "voice": "a voice", "turns": "something that finds a turn's end"}
_CTRANSLATE2_VERSION = 6
_TAIL_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Folder:
    """A model that may be loaded. `files` are by their part (`encoder`, `tokens`, …)."""

    kind: str
    path: Path
    files: dict[str, Path]


def missing_runtime(kind: str) -> str:
    """How to install what runs a kind of model; "" when it is there. Imports nothing."""
    from importlib.util import find_spec

    if find_spec(RUNTIMES[kind]) is not None:
        return ""
    extra = "offline" if kind in (MOONSHINE, KOKORO, SMART_TURN) else "offline-plus"
    return f"In voicechat's folder: pip install '.[{extra}]'"


def find(wanted: str, use: Use) -> Folder:
    """The model of that name, or the folder at that path, for that use. Raises ConfigError."""
    model = catalogue().get(wanted)
    path = home_of(wanted) if model else Path(wanted).expanduser()
    if model:
        _require_whole(model)
    if not path.exists():
        if {"/", "\\"} & set(wanted) or wanted.startswith("~"):
            raise ConfigError(f"There is no model folder {wanted}.", "`voicechat models list` shows what can be added.")
        close = difflib.get_close_matches(wanted, list(catalogue()), n=1)
        hint = f"Did you mean {close[0]!r}?" if close else "`voicechat models list` shows the names."
        raise ConfigError(f"{wanted!r} is neither a model's name nor a folder.", hint)
    folder = inspect(path)
    if USES[folder.kind] != use:
        raise ConfigError(
            f"{wanted} is {_WHAT[USES[folder.kind]]}, not {_WHAT[use]}.", "Which setting is it meant for?"
        )
    return folder


def inspect(path: Path) -> Folder:
    """Tell the kind of a folder. Raises ConfigError for what is no model, not whole, or of no use here."""
    if not path.is_dir():
        raise ConfigError(f"{path} is a file; a model is a folder.", "Name the folder around it.")
    names = {entry.name for entry in path.iterdir()}
    if half := sorted(name for name in names if name.endswith((".part", ".incomplete", ".aria2", ".crdownload"))):
        raise ConfigError(f"{path} is only loaded in part: there is {half[0]}.", "Load the rest of it.")
    for tells, read in _KINDS:
        if tells(names):
            folder = read(path)
            for file in folder.files.values():
                _require_content(file)
            return folder
    raise ConfigError(f"{path} holds no model of a known kind{_foreign(names)}.", _FORMS)


_FORMS = (
    "Known are Whisper in CTranslate2's form (model.bin), Moonshine (.ort), sherpa-onnx's streaming transducers, "
    "Moonshine and Kokoro (.onnx), and Smart Turn (smart-turn….onnx)."
)


def _foreign(names: set[str]) -> str:
    """What it looks like instead."""
    if any(name.startswith("ggml-") or name.endswith(".gguf") for name in names):
        return ", but one of whisper.cpp or llama.cpp"
    if names & {"model.safetensors", "pytorch_model.bin"} or any(name.endswith(".pt") for name in names):
        return ", but one for PyTorch"
    if any(name.endswith(("-encoder.int8.onnx", "-encoder.onnx")) for name in names):
        return ", but Whisper in ONNX form"
    if "voices-v1.0.bin" in names:
        return ", but one of kokoro-onnx"
    return ""


def _whisper(path: Path) -> Folder:
    model = path / "model.bin"
    _require_content(model)
    with model.open("rb") as file:
        head = file.read(64)
    try:
        version, length = struct.unpack_from("<IH", head)
        what = head[6 : 6 + length].rstrip(b"\0").decode("ascii")
    except (struct.error, UnicodeDecodeError):
        version, what = 0, ""
    if not what.isidentifier() or not 0 < version < 100:
        raise ConfigError(f"{model} is not in CTranslate2's form.", "ct2-transformers-converter makes it so.")
    if what != "WhisperSpec":
        raise ConfigError(f"{path} holds a model of CTranslate2, but not Whisper: {what}.", _FORMS)
    if version > _CTRANSLATE2_VERSION:
        raise ConfigError(f"{path} is of a newer form (version {version}) than is known here.", "Convert it again.")
    # Without tokenizer.json the library would look for one in the network.
    vocabulary = "vocabulary.json" if (path / "vocabulary.json").exists() else "vocabulary.txt"
    return _folder(path, WHISPER, model="model.bin", config="config.json", tokenizer="tokenizer.json", words=vocabulary)


def _zipformer(path: Path) -> Folder:
    found = {part: _onnx(path, part) for part in ("encoder", "decoder", "joiner")}
    folder = _folder(path, ZIPFORMER, **found, tokens="tokens.txt")
    encoder = folder.files["encoder"]
    _require_content(encoder)
    with encoder.open("rb") as file:
        file.seek(max(0, encoder.stat().st_size - _TAIL_BYTES))
        tail = file.read()
    if b"decode_chunk_len" not in tail:  # a note in the model; the library would end the process without it
        raise ConfigError(f"{path} holds a transducer that is not for streaming.", "Its name should say streaming.")
    return folder


def _moonshine_onnx(path: Path) -> Folder:
    return _folder(
        path,
        MOONSHINE_ONNX,
        preprocess="preprocess.onnx",
        encoder=_onnx(path, "encode"),
        uncached_decoder=_onnx(path, "uncached_decode"),
        cached_decoder=_onnx(path, "cached_decode"),
        tokens="tokens.txt",
    )


def _moonshine(path: Path) -> Folder:
    return _folder(
        path,
        MOONSHINE,
        encoder="encoder_model.ort",
        decoder="decoder_model_merged.ort",
        tokenizer="tokenizer.bin",
    )


def _kokoro(path: Path) -> Folder:
    return _folder(path, KOKORO, model=_onnx(path, "model"), voices="voices.bin", tokens="tokens.txt")


def _smart_turn(path: Path) -> Folder:
    return _folder(path, SMART_TURN, model=_onnx(path, "smart-turn"))


_KINDS: tuple[tuple[Callable[[set[str]], bool], Callable[[Path], Folder]], ...] = (
    (lambda names: "model.bin" in names, _whisper),
    (lambda names: "encoder_model.ort" in names, _moonshine),
    (lambda names: "preprocess.onnx" in names, _moonshine_onnx),
    (lambda names: "voices.bin" in names, _kokoro),
    (lambda names: any(name.startswith("smart-turn") and name.endswith(".onnx") for name in names), _smart_turn),
    (lambda names: any(name.startswith(("joiner", "encoder-epoch", "encoder.")) for name in names), _zipformer),
)


def _folder(path: Path, kind: str, **names: str) -> Folder:
    files = {part: path / name for part, name in names.items()}
    if missing := [file.name for file in files.values() if not file.is_file()]:
        raise ConfigError(f"{path} is not whole: {', '.join(missing)} is missing.", "Load it again.")
    return Folder(kind, path, files)


def _onnx(path: Path, part: str) -> str:
    """The file of a part; the quantised one where there are two, except for the decoder, which is small."""
    found = sorted(file.name for file in path.glob(f"{part}*.onnx"))
    quantised = [name for name in found if ".int8." in name]
    plain = [name for name in found if name not in quantised]
    best = plain or quantised if part == "decoder" else quantised or plain
    return best[0] if best else f"{part}.onnx"


def _require_content(file: Path) -> None:
    with file.open("rb") as content:
        head = content.read(64)
    if not head:
        raise ConfigError(f"{file} is empty.", "Load it again.")
    if head.startswith(b"version https://git-lfs"):
        raise ConfigError(f"{file} is only a pointer of Git LFS, not the file.", "git lfs pull fetches the files.")


def _require_whole(model: Model) -> None:
    lacks, home = lacking(model), home_of(model.name)
    if lacks and folder_bytes(home):
        path = home / lacks[0].path
        wrong = f"damaged: {path} is {'not what it was' if path.is_file() else 'missing'}"
    elif lacks:
        wrong = f"{'only in part' if begun(model.name) else 'not'} here"
    else:
        return
    raise ConfigError(f"The model {model.name} is {wrong}.", f"Fetch it with: voicechat models install {model.name}")
