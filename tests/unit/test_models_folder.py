"""What a folder holds, told by its files: the kinds that can be used, and one clear line for all others."""

import struct
from pathlib import Path

import pytest

from tests.model_hub import model_of
from voicechat.errors import ConfigError
from voicechat.models import catalogue as table
from voicechat.models import folder as folders
from voicechat.models.catalogue import catalogue
from voicechat.models.folder import find, inspect
from voicechat.models.store import home_of, incoming


def ctranslate2(spec: str = "WhisperSpec", version: int = 6) -> bytes:
    """The head of a model.bin: version, length of the name with its end, name."""
    return struct.pack("<IH", version, len(spec) + 1) + spec.encode() + b"\0" + struct.pack("<I", 3)


WHISPER = {"model.bin": ctranslate2(), "config.json": b"{}", "tokenizer.json": b"{}", "vocabulary.txt": b"a"}
ZIPFORMER = {
    "encoder-epoch-99-avg-1.onnx": b"x decode_chunk_len 32",
    "encoder-epoch-99-avg-1.int8.onnx": b"x decode_chunk_len 32",
    "decoder-epoch-99-avg-1.onnx": b"x",
    "decoder-epoch-99-avg-1.int8.onnx": b"x",
    "joiner-epoch-99-avg-1.int8.onnx": b"x",
    "tokens.txt": b"a 1",
}
MOONSHINE = {"encoder_model.ort": b"x", "decoder_model_merged.ort": b"x", "tokenizer.bin": b"x"}
MOONSHINE_ONNX = {
    "preprocess.onnx": b"x",
    "encode.int8.onnx": b"x",
    "uncached_decode.int8.onnx": b"x",
    "cached_decode.int8.onnx": b"x",
    "tokens.txt": b"a 1",
}
KOKORO = {"model.int8.onnx": b"x", "voices.bin": bytes(4 * 510 * 256), "tokens.txt": b"a 1", "lexicon-zh.txt": b""}
SMART_TURN = {"smart-turn-v3.2-cpu.onnx": b"x"}
ALL = {
    "whisper": WHISPER,
    "zipformer": ZIPFORMER,
    "moonshine": MOONSHINE,
    "moonshine-onnx": MOONSHINE_ONNX,
    "kokoro": KOKORO,
    "smart-turn": SMART_TURN,
}


def laid(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


@pytest.mark.parametrize("kind", ALL)
def test_a_folder_tells_its_kind(tmp_path: Path, kind: str) -> None:
    found = inspect(laid(tmp_path / "m", ALL[kind]))
    assert found.kind == kind
    assert all(path.is_file() for path in found.files.values())


def test_the_small_form_is_taken_but_for_the_decoder(tmp_path: Path) -> None:
    files = inspect(laid(tmp_path, ZIPFORMER)).files
    assert files["encoder"].name == "encoder-epoch-99-avg-1.int8.onnx"
    assert files["decoder"].name == "decoder-epoch-99-avg-1.onnx"


@pytest.mark.parametrize(
    ("kind", "without"),
    [
        (kind, name)
        for kind, files in ALL.items()
        for name in list(files)[1:]
        if "int8" not in name or kind != "zipformer"
    ],
)
def test_whatever_is_missing_is_named(tmp_path: Path, kind: str, without: str) -> None:
    files = {name: data for name, data in ALL[kind].items() if name != without}
    if without in ("encoder-epoch-99-avg-1.onnx", "decoder-epoch-99-avg-1.onnx", "lexicon-zh.txt"):
        assert inspect(laid(tmp_path, files)).kind == kind, "there is another, or it is not needed"
        return
    with pytest.raises(ConfigError, match=r"is not whole: .* is missing|holds no model of a known kind"):
        inspect(laid(tmp_path, files))


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "holds no model of a known kind"),
        ({"ggml-base.bin": b"x"}, "but one of whisper.cpp"),
        ({"model.safetensors": b"x", "config.json": b"{}"}, "but one for PyTorch"),
        ({"base-encoder.int8.onnx": b"x", "base-decoder.int8.onnx": b"x"}, "but Whisper in ONNX form"),
        ({"kokoro-v1.0.onnx": b"x", "voices-v1.0.bin": b"x"}, "but one of kokoro-onnx"),
        (WHISPER | {"model.bin": ctranslate2("TransformerSpec")}, "not Whisper: TransformerSpec"),
        (WHISPER | {"model.bin": ctranslate2(version=9)}, "of a newer form .version 9."),
        (WHISPER | {"model.bin": b"\x80\x02moduleq\0"}, "is not in CTranslate2's form"),
        (WHISPER | {"model.bin": b""}, "is empty"),
        (WHISPER | {"tokenizer.json": b""}, "is empty"),
        (WHISPER | {"model.bin": b"version https://git-lfs.github.com/spec/v1\noid"}, "only a pointer of Git LFS"),
        (WHISPER | {"model.bin.part": b"x"}, "only loaded in part: there is model.bin.part"),
        (ZIPFORMER | {"encoder-epoch-99-avg-1.int8.onnx": b"x"}, "not for streaming"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(tmp_path: Path, files: dict[str, bytes], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as failure:
        inspect(laid(tmp_path, files))
    assert failure.value.hint


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"is a file; a model is a folder"):
        find(str(tmp_path / "model.bin"), "ears")


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="There is no model folder ~/nowhere"):
        find("~/nowhere", "ears")


def test_a_name_that_is_none() -> None:
    with pytest.raises(ConfigError, match="neither a model's name nor a folder") as failure:
        find("wisper-base", "ears")
    assert failure.value.hint == "Did you mean 'whisper-base'?"


def test_a_voice_is_no_ears(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a voice, not something that understands speech"):
        find(str(laid(tmp_path, KOKORO)), "ears")


def test_a_model_of_the_catalogue_that_is_not_here_or_not_whole() -> None:
    with pytest.raises(ConfigError, match="The model whisper-base is not here") as failure:
        find("whisper-base", "ears")
    assert failure.value.hint == "Fetch it with: voicechat models install whisper-base"
    laid(incoming("whisper-base"), {"model.bin.part": b"x"})
    with pytest.raises(ConfigError, match="The model whisper-base is only in part here"):
        find("whisper-base", "ears")


def test_a_model_of_the_catalogue_that_was_damaged_since(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "catalogue", lambda: {"small": model_of(WHISPER)})
    monkeypatch.setattr(table, "catalogue", lambda: {"small": model_of(WHISPER)})
    laid(home_of("small"), WHISPER)
    assert find("small", "ears").kind == "whisper"
    (home_of("small") / "vocabulary.txt").write_bytes(b"ab")
    with pytest.raises(
        ConfigError, match=r"The model small is damaged: .*vocabulary.txt is not what it was"
    ) as failure:
        find("small", "ears")
    assert failure.value.hint == "Fetch it with: voicechat models install small"
    (home_of("small") / "model.bin").unlink()
    with pytest.raises(ConfigError, match=r"The model small is damaged: .*model.bin is missing"):
        find("small", "ears")
    for path in home_of("small").iterdir():
        path.unlink()
    with pytest.raises(ConfigError, match="The model small is not here") as failure:
        find("small", "ears")
    assert failure.value.hint == "Fetch it with: voicechat models install small"


def test_the_catalogue_is_sound() -> None:
    for name, model in catalogue().items():
        assert model.use == folders.USES[model.kind], name
        assert len({file.path for file in model.files}) == len(model.files)
        assert model.bytes > 5_000_000, name
        for file in model.files:
            assert file.bytes > 0, (name, file.path)
            assert len(file.sha256) in (0, 64)
            assert not file.path.startswith("/")
            assert ".." not in file.path
        assert sum(file.bytes for file in model.files if file.sha256) > 0.9 * model.bytes, "the weights have sums"


@pytest.mark.parametrize("name", catalogue())
def test_what_the_catalogue_fetches_is_a_model_of_its_kind(tmp_path: Path, name: str) -> None:
    model = catalogue()[name]
    contents = {"model.bin": ctranslate2(), "voices.bin": bytes(4 * 510 * 256)}
    files = {file.path: contents.get(file.path, b"decode_chunk_len") for file in model.files}
    assert inspect(laid(tmp_path, files)).kind == model.kind
