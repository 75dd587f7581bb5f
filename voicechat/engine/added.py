"""The ears that a user added: a model of the catalogue or a folder, told apart by its files, as a `Recogniser`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from voicechat.engine.builtin import Loaded, load
from voicechat.engine.moonshine import MoonshineRecogniser
from voicechat.engine.recogniser import RATE_HZ, NotLoaded, Recogniser, loading
from voicechat.errors import ConfigError
from voicechat.models.catalogue import catalogue
from voicechat.models.folder import MOONSHINE, MOONSHINE_ONNX, WHISPER, Folder, find, missing_runtime
from voicechat.text.language import NAMES, tag_named


def check_ears(wanted: str) -> None:
    """Raises ConfigError for ears that cannot be used, as far as that is told without loading them."""
    folder = find(wanted, "ears")
    if hint := missing_runtime(folder.kind):
        raise ConfigError(f"What runs {wanted} is not installed.", hint)


def not_understood(ears: str, language: str) -> str:
    """One line where `language` is none of those that these ears are for; "" for ears of which that is not known."""
    spoken = tag_named(language) or language
    models = [model for model in catalogue().values() if model.use == "ears"]
    known = next((model.languages for model in models if model.name == ears), ("en",) if not ears else ())
    if not spoken or not known or spoken in known or not set(known) <= set(NAMES):  # "99 languages" may be any
        return ""
    names = " and ".join(NAMES[tag] for tag in known)
    better = next((model.name for model in models if spoken in model.languages), "")
    if not better:
        hint = "`voicechat models` lists ears for others."
    else:
        hint = f'`voicechat models install {better}` and [providers.offline] ears = "{better}" change that.'
    return (
        f"{ears or 'The built-in ears'} {'understands' if ears else 'understand'} only {names}, not {language}. {hint}"
    )


def load_ears(wanted: str, language: str, without: frozenset[str] = frozenset()) -> Loaded:
    """What the user added; where that does not load, or is in `without`, the best that is built in, with a remark.

    Raises ConfigError when nothing loads at all.
    """
    if not wanted:
        return load(without)
    try:
        if wanted in without:
            raise NotLoaded(f"{wanted} failed before")
        return Loaded(_load(find(wanted, "ears"), language))
    except NotLoaded as error:
        reason = str(error)
    except ConfigError as error:
        reason = f"{error.message} {error.hint}".strip()
    spare = load(without)
    return Loaded(spare.recogniser, f"Only English is understood: {reason.rstrip('.')}. {spare.remark}".strip())


def _load(folder: Folder, language: str) -> Recogniser:
    with _quiet(), loading(str(folder.path)):
        if folder.kind == WHISPER:
            from voicechat.engine.whisper import load_whisper

            return load_whisper(folder, language)
        if folder.kind == MOONSHINE:
            from voicechat.engine.moonshine import open_moonshine

            return open_moonshine(folder.path)
        if folder.kind == MOONSHINE_ONNX:
            return _moonshine(folder)
        from voicechat.engine.zipformer import load_zipformer

        return load_zipformer(folder)


def _moonshine(folder: Folder) -> MoonshineRecogniser:
    from sherpa_onnx import OfflineRecognizer

    files = {part: str(path) for part, path in folder.files.items()}
    recogniser = OfflineRecognizer.from_moonshine(
        preprocessor=files["preprocess"],
        encoder=files["encoder"],
        uncached_decoder=files["uncached_decoder"],
        cached_decoder=files["cached_decoder"],
        tokens=files["tokens"],
        num_threads=1,
    )

    def transcribe(samples: list[float]) -> str:
        stream = recogniser.create_stream()
        stream.accept_waveform(RATE_HZ, samples)
        recogniser.decode_stream(stream)
        return str(stream.result.text)

    return MoonshineRecogniser(transcribe)


@contextmanager
def _quiet() -> Iterator[None]:
    """The libraries write what they like to the terminal while they load, and a conversation is drawn there."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
