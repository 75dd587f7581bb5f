"""Any picture that Pillow reads becomes a JPEG within a service's limits: upright, opaque, and without its metadata.

Where somebody stood when a photograph was taken is nobody's business: nothing but the pixels goes on.
"""

import importlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voicechat.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 64_000_000
"""More would take hundreds of megabytes to decode."""
SIDE_PX = 1280
"""The longer side: more than a model looks at (openai-realtime, qwen-dashscope: 1080p at most)."""
QUALITIES = (80, 65, 50, 35)
"""Tried in this order, then a smaller picture."""
SMALLEST_PX = 64
_PROGRAMS = ("EPS",)
"""Read by running another program (Ghostscript) on them: not for a picture of unknown origin."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG, ready to be sent. `name` is what the user calls it."""

    name: str
    jpeg: bytes
    width: int
    height: int

    @property
    def size(self) -> str:
        """`1280×853, 112 KB`."""
        return f"{self.width}×{self.height}, {max(round(len(self.jpeg) / 1000), 1)} KB"


def prepare(data: bytes, name: str, most_bytes: int) -> Picture:
    """The picture in `data` (a file's content), of at most `most_bytes`. Slow: not for the event loop.

    Raises UsageError in one line for what is no picture, is broken, or is too large to be looked at.
    """
    image = _upright(_decoded(data, name))
    image.thumbnail((SIDE_PX, SIDE_PX), reducing_gap=3.0)
    while True:
        for quality in QUALITIES:
            jpeg = _jpeg(image, quality)
            if len(jpeg) <= most_bytes:
                return Picture(name, jpeg, *image.size)
        if max(image.size) <= SMALLEST_PX:
            raise UsageError(f"{name} does not fit into {most_bytes} bytes.", "Show another picture.")
        image.thumbnail((image.width * 3 // 4, image.height * 3 // 4))


def require() -> None:
    """Raises UsageError where Pillow is not installed."""
    try:
        importlib.import_module("PIL.Image")
    except ImportError as error:
        raise UsageError("Pictures need Pillow.", "In voicechat's folder: pip install '.[images]'") from error


def _decoded(data: bytes, name: str) -> "Image":
    """The first picture in `data`, of one of the simple modes."""
    require()
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # it would warn on stderr, into the view: the size is looked at here
    try:
        image = Image.open(io.BytesIO(data))
        if image.format in _PROGRAMS:
            raise UsageError(f"{name} is {image.format}, which is a program.", "Show it as PNG or JPEG.")
        if image.width * image.height > MOST_PIXELS:
            size = f"{image.width}×{image.height}"
            most = f"{MOST_PIXELS // 1_000_000} megapixels are the most"
            raise UsageError(f"{name} is too large ({size}): {most}.", "Show a smaller version of it.")
        image.draft("RGB", (SIDE_PX, SIDE_PX))  # a JPEG is decoded at a fraction of its size
        image.load()
    except UnidentifiedImageError as error:
        hint = "Export HEIC as JPEG first." if b"ftyphei" in data[:32] else "PNG, JPEG, WebP and others are."
        raise UsageError(f"{name} is no picture that can be read.", hint) from error
    except UsageError:
        raise
    except Exception as error:  # a broken file makes decoders fail in all manner of ways
        raise UsageError(f"{name} is a broken picture: {_short(error)}.", "Show another.") from error
    return image


def _upright(image: "Image") -> "Image":
    """As its camera was held, opaque, in RGB; what shows through is white, as paper is."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        image = image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _jpeg(image: "Image", quality: int) -> bytes:
    image.info.clear()  # comments, profiles and EXIF are all in here
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, optimize=True)
    return out.getvalue()


def _short(error: Exception) -> str:
    """One line of what a decoder says."""
    return " ".join(str(error).split()).rstrip(".")[:80] or type(error).__name__
