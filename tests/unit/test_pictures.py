"""Pictures: whatever is read becomes a small upright JPEG without metadata; whatever is none is said in one line."""

import io
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from voicechat.errors import UsageError
from voicechat.pictures import source
from voicechat.pictures.prepare import Picture, prepare
from voicechat.pictures.source import from_clipboard, from_file, from_screen


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)  # type: ignore[arg-type]
    return out.getvalue()


def opened(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.jpeg))


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8))


def test_a_photograph_is_turned_upright_and_tells_nothing_of_where_it_was_taken() -> None:
    image = Image.new("RGB", (400, 200), "blue")
    image.paste("red", (0, 0, 200, 200))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: the left is the top
    exif[0x010E] = "canary"
    exif.get_ifd(0x8825)[1] = "N"
    data = encoded(image, "JPEG", exif=exif, comment=b"canary", icc_profile=b"canary" * 30, quality=95)
    assert data.count(b"canary") > 2
    picture = prepare(data, "photo.jpg", 1_000_000)
    assert (picture.width, picture.height) == (200, 400)
    assert b"canary" not in picture.jpeg
    shown = opened(picture)
    assert shown.format == "JPEG"
    assert not shown.getexif()
    assert not {"exif", "icc_profile", "comment"} & set(shown.info)
    top, bottom = shown.getpixel((100, 50)), shown.getpixel((100, 350))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert top[0] > 200 > 50 > top[2]
    assert bottom[2] > 200 > 50 > bottom[0]


@pytest.mark.parametrize("most_bytes", [1_000_000, 190_000, 20_000])
def test_it_is_made_as_small_as_the_service_wants_it(most_bytes: int) -> None:
    picture = prepare(encoded(noise(2000, 1000), "JPEG", quality=95), "noise.jpg", most_bytes)
    assert len(picture.jpeg) <= most_bytes
    assert max(picture.width, picture.height) <= 1280
    assert opened(picture).size == (picture.width, picture.height)
    assert picture.width == pytest.approx(2 * picture.height, abs=2)


def test_a_small_picture_is_not_made_larger() -> None:
    assert prepare(encoded(Image.new("L", (30, 20))), "dot.png", 190_000).size == "30×20, 1 KB"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "GIF", "BMP"])
def test_every_mode_of_every_format_becomes_rgb(mode: str, kind: str) -> None:
    base = Image.new(mode, (40, 30)) if mode == "I;16" else Image.new("RGB", (40, 30), "white").convert(mode)
    try:
        data = encoded(base, kind)
    except (OSError, ValueError, KeyError):
        return  # the format does not have it
    assert opened(prepare(data, "x", 190_000)).mode == "RGB"


def test_what_shows_through_is_white() -> None:
    picture = opened(prepare(encoded(Image.new("RGBA", (40, 30), (255, 0, 0, 0))), "clear.png", 190_000))
    assert picture.getpixel((5, 5)) == (255, 255, 255)


def test_the_first_picture_of_an_animation_is_shown() -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert opened(prepare(data, "a.gif", 190_000)).getpixel((5, 5))[0] > 200  # type: ignore[index]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def gigantic(width: int, height: int) -> bytes:
    """A PNG of some hundred bytes that says it is of this size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "x is no picture that can be read."),
        (b"Dear Sir or Madam, ", "x is no picture that can be read."),
        (b"\x00\x00\x00\x18ftypheic", "x is no picture that can be read."),
        (b"GIF89a", "x is no picture that can be read."),
        (encoded(noise(100, 100))[:5000], "x is a broken picture: "),
        (gigantic(10_000, 10_000), "x is too large (10000×10000): 64 megapixels are the most."),
        (gigantic(100_000, 100_000), "x is too large (100000×100000): 64 megapixels are the most."),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "x is EPS, which is a program."),
    ],
    ids=["nothing", "a letter", "HEIC", "a beginning", "cut off", "100 megapixels", "a bomb", "a program"],
)
def test_what_is_no_picture_is_said_in_one_line(data: bytes, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        prepare(data, "x", 190_000)
    assert refused.value.message.startswith(words)
    assert "\n" not in refused.value.message
    assert refused.value.hint


@pytest.fixture
def traps(tmp_path: Path) -> Path:
    (tmp_path / "round").symlink_to(tmp_path / "about")
    (tmp_path / "about").symlink_to(tmp_path / "round")
    (tmp_path / "folder").mkdir()
    (tmp_path / "closed.png").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(source.MOST_BYTES + 1)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("round", "cannot be read: its symbolic links lead in a circle."),
        ("folder", "cannot be read: is a directory."),
        ("pipe", "is no file."),  # opening it would wait for ever
        ("huge.png", "is too large: 50 MB are the most."),
        ("none.png", "cannot be read: no such file or directory."),
        ("a\0b", "cannot be read: that is no name of a file."),
        ("x" * 300, "cannot be read: file name too long."),
        ("/dev/zero", "is no file."),
        ("~nobody-9/x.png", "cannot be read: there is no such place."),
    ],
)
def test_a_file_that_is_none_is_said_in_one_line(name: str, words: str, traps: Path) -> None:
    path = name if name[0] in "/~" else str(traps / name)
    with pytest.raises(UsageError) as refused:
        from_file(path)
    assert refused.value.message == f"{path} {words}"


def program(folder: Path, name: str, script: str) -> dict[str, str]:
    """An environment with one program, on a display."""
    (folder / name).write_text(f"#!{sys.executable}\n{script}")
    (folder / name).chmod(0o755)
    return {"PATH": str(folder), "DISPLAY": ":9"}


def test_the_clipboard_and_the_screen_are_read_by_the_systems_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = encoded(Image.new("RGB", (20, 10), "green"))
    (tmp_path / "image.png").write_bytes(image)
    copied = f"import sys; sys.stdout.buffer.write(open({str(tmp_path / 'image.png')!r}, 'rb').read())"
    taken = f"import sys, shutil; shutil.copy({str(tmp_path / 'image.png')!r}, sys.argv[-1])"
    with_both = program(tmp_path, "xclip", copied) | program(tmp_path, "maim", taken)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert from_clipboard(with_both) == image
    assert from_screen(with_both) == image
    for environment in ({"PATH": str(tmp_path)}, {"PATH": "/nowhere", "DISPLAY": ":9"}):
        with pytest.raises(UsageError, match="cannot be read here"):
            from_clipboard(environment)
        with pytest.raises(UsageError, match="No program for a screenshot"):
            from_screen(environment)
    program(tmp_path, "xclip", "import sys; sys.exit(1)")
    program(tmp_path, "maim", "import sys; sys.exit(1)")
    with pytest.raises(UsageError, match="no picture in the clipboard"):
        from_clipboard(with_both)
    with pytest.raises(UsageError, match="maim made no screenshot"):
        from_screen(with_both)
    program(tmp_path, "xclip", "import time; time.sleep(60)")
    monkeypatch.setattr(source, "PATIENCE_S", 0.2)
    with pytest.raises(UsageError, match="xclip did not answer"):
        from_clipboard(with_both)
