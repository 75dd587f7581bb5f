"""The models of `catalogue.toml`."""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

Use = Literal["ears", "voice", "turns"]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """`bytes` 0 and `sha256` "" are not known."""

    path: str
    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    title: str
    use: Use
    kind: str
    languages: tuple[str, ...]
    licence: str
    repository: str
    revision: str
    files: tuple[ModelFile, ...]

    @property
    def bytes(self) -> int:
        """How much there is to load, less the few files whose size is not known."""
        return sum(file.bytes for file in self.files)


@cache
def catalogue() -> dict[str, Model]:
    """By name, in the order of the file."""
    import tomllib

    tables = tomllib.loads(resources.files("voicechat.models").joinpath("catalogue.toml").read_text("utf-8"))
    return {
        name: Model(
            name=name,
            title=table["title"],
            use=table["use"],
            kind=table["kind"],
            languages=tuple(table["languages"]),
            licence=table["licence"],
            repository=table["repository"],
            revision=table["revision"],
            files=tuple(ModelFile(**file) for file in table["files"]),
        )
        for name, table in tables.items()
    }


def size(count: int) -> str:
    """A number of bytes as people say it."""
    if count >= 950_000_000:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 950_000 else f"{max(count / 1e3, 0.1):.1f} kB"
