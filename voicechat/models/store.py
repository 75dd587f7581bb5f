"""Where models live: one folder each, put in place whole. What is still being loaded stands beside it, hidden."""

import shutil
from pathlib import Path

from voicechat.errors import ConfigError
from voicechat.models.catalogue import Model, ModelFile


def models_folder() -> Path:
    """In the platform's folder for a user's data; it need not be there yet."""
    import platformdirs

    return platformdirs.user_data_path("voicechat", appauthor=False) / "models"


def home_of(name: str) -> Path:
    """The folder of an installed model."""
    return models_folder() / name


def incoming(name: str) -> Path:
    """Where a model is loaded to until it is whole."""
    return models_folder() / f".{name}.incoming"


def lacking(model: Model) -> list[ModelFile]:
    """What the folder of a model has not, or not in its size; none when the model is here."""
    return [file for file in model.files if not is_whole(home_of(model.name) / file.path, file)]


def is_whole(path: Path, file: ModelFile) -> bool:
    """As far as its size tells."""
    here = path.stat().st_size if path.is_file() else 0
    return here == file.bytes if file.bytes else here > 0


def begun(name: str) -> int:
    """How many bytes of a model that is not whole are here."""
    return folder_bytes(incoming(name))


def remove(name: str) -> int:
    """Delete a model, or what was loaded of it; returns the bytes freed. Raises ConfigError."""
    freed = folder_bytes(home_of(name)) + folder_bytes(incoming(name))
    leaving = models_folder() / f".{name}.leaving"
    try:
        for folder in (home_of(name), incoming(name)):
            if folder.is_dir():
                shutil.rmtree(leaving, ignore_errors=True)
                folder.rename(leaving)  # from here on it is nobody's model, however far the rest comes
                shutil.rmtree(leaving)
    except OSError as error:
        raise ConfigError(f"{error.filename or home_of(name)} cannot be removed: {error.strerror}.") from error
    return freed


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
