"""Fetching a model from the Hugging Face hub or a mirror of it (`HF_ENDPOINT`): resumed, checked, put in place whole.

A file is written as NAME.part and gets its name once its checksum is right; the folder gets its name once every file
has. Whatever ends this, a cut cable, a full disk, Ctrl-C, the next run goes on where it stopped. The hub's own library
is not used because its releases since 2.0 throw away what was loaded of a file when they are interrupted.
"""

import asyncio
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from voicechat.errors import ConfigError, ConnectionFailed, Refused, VoicechatError
from voicechat.models.catalogue import Model, ModelFile, size
from voicechat.models.store import folder_bytes, home_of, incoming, lacking
from voicechat.wire.http import HttpFailed, http_client, http_errors
from voicechat.wire.network import retry_after_s
from voicechat.wire.retry import RETRY_STATUSES, Retry, RetryPolicy

if TYPE_CHECKING:
    import httpx

ENDPOINT = "https://huggingface.co"
SILENCE_TIMEOUT_S = 30.0
MOST_UNKNOWN_BYTES = 50_000_000
"""A file whose size the catalogue does not know is a small one."""
MOST_REDIRECTS = 5
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MIRROR = "Where the hub is out of reach, HF_ENDPOINT may name a mirror."
_KEPT = "What is here already is kept: run the same command again to go on."

OnProgress = Callable[[int], None]
"""Is given how many bytes are here."""


class _Again(Exception):
    """This attempt failed, and another may do better."""

    def __init__(self, error: VoicechatError, after_s: float | None = None):
        super().__init__(str(error))
        self.error = error
        self.after_s = after_s


class _DiskFailed(Exception):
    """The file system said no; kept apart from what the network says."""

    def __init__(self, error: OSError):
        super().__init__(str(error))
        self.error = error


def hub() -> str:
    """The address of the hub: `HF_ENDPOINT`, else the original. Raises ConfigError for one that is no address."""
    endpoint = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or ENDPOINT
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError(f"HF_ENDPOINT is no address: {endpoint}", f"It looks like {ENDPOINT}.")
    return endpoint


async def install(
    model: Model,
    on_progress: OnProgress,
    *,
    ca_file: str = "",
    policy: RetryPolicy = RetryPolicy(),
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Path:
    """Fetch what is missing of `model`, also of one that was damaged, check it and put it in place; returns its folder.

    Raises ConnectionFailed (no network, a connection that stays broken, a file that arrives damaged), Refused (the hub
    does not have it), ConfigError (no space, no permission).
    """
    root, folder, done = f"{hub()}/{model.repository}/resolve/{model.revision}", incoming(model.name), 0
    with _disk(model), _tidied(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _take_back(model)
        _require_space(model, folder)
        for file in model.files:
            loader = _Loader(f"{root}/{quote(file.path)}", file, folder / file.path, ca_file)
            await loader.load(_after(done, on_progress), policy, sleep)
            done += loader.here
        if home_of(model.name).exists():
            raise ConfigError(f"{home_of(model.name)} is there already.", f"voicechat models remove {model.name}")
        folder.rename(home_of(model.name))
    return home_of(model.name)


def _take_back(model: Model) -> None:
    """What is in place is damaged, if anything is: what is whole of it is kept, and checked where there is a sum."""
    home, folder = home_of(model.name), incoming(model.name)
    if not home.is_dir() or not (lacks := lacking(model)):
        return
    for file in model.files:
        path = folder / file.path
        if file not in lacks and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            (home / file.path).replace(path.with_name(f"{path.name}.part") if file.sha256 else path)
    shutil.rmtree(home)


def _after(done: int, on_progress: OnProgress) -> OnProgress:
    return lambda here: on_progress(done + here)


class _Loader:
    """One file."""

    def __init__(self, url: str, file: ModelFile, path: Path, ca_file: str):
        self._url = url
        self._file = file
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._ca_file = ca_file
        self._answered = False
        self._checksum = file.sha256
        self.here = 0
        """How many bytes of it are here."""

    async def load(
        self, on_progress: OnProgress, policy: RetryPolicy, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        if self._path.is_file():  # it has its name, so it was checked
            self.here = self._path.stat().st_size
            on_progress(self.here)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        retry = Retry(policy)
        while not self._whole():
            before = self.here
            try:
                await self._transfer(on_progress)
                break
            except _Again as failure:
                if self.here > before:
                    retry = Retry(policy)
                delay_s = retry.next_delay_s(failure.after_s)
                if delay_s is None or not self._answered:
                    raise failure.error from failure
            await sleep(delay_s)
        self._check()
        self._part.replace(self._path)
        on_progress(self.here)

    def _whole(self) -> bool:
        """Whether all of it was loaded before, and can be checked without the hub."""
        self.here = self._part.stat().st_size if self._part.is_file() else 0
        return bool(self._file.sha256 and self._file.bytes == self.here)

    async def _transfer(self, on_progress: OnProgress) -> None:
        """Load the rest, from wherever the hub sends us. Raises _Again, or what is final."""
        url = self._url
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={self.here}-"} if self.here else {})
        try:
            for _ in range(MOST_REDIRECTS):
                with http_errors(_host(url), url, SILENCE_TIMEOUT_S) as exchange:
                    client = http_client(url, headers=headers, silence_s=SILENCE_TIMEOUT_S, ca_file=self._ca_file)
                    async with client, client.stream("GET", url) as answer:
                        exchange.answered = self._answered = True
                        self._checksum = self._checksum or _checksum(answer)
                        if not answer.has_redirect_location:
                            self._refuse(answer)
                            return await self._keep(answer, on_progress)
                        url = urljoin(url, answer.headers["Location"])
        except HttpFailed as error:
            hint = _KEPT if self._answered else f"{error.hint} {_MIRROR}"
            raise _Again(ConnectionFailed(error.message, hint)) from error
        raise Refused(f"{_host(self._url)} sends {self._file.path} round in circles.", _MIRROR)

    async def _keep(self, answer: "httpx.Response", on_progress: OnProgress) -> None:
        """Write what comes. Raises _DiskFailed."""
        most = self._file.bytes or MOST_UNKNOWN_BYTES
        with _writing(self._part, resumed=answer.status_code == 206) as (begin, write):
            self.here = begin
            async for block in answer.aiter_bytes():
                write(block)
                self.here += len(block)
                on_progress(self.here)
                if self.here > most:
                    break

    def _refuse(self, answer: "httpx.Response") -> None:
        """Raise for every answer that is not the file."""
        status, host = answer.status_code, _host(str(answer.url))
        if status in (200, 206):
            return
        if status == 416:  # more is here than there is to have
            self._part.unlink(missing_ok=True)
            raise _Again(ConnectionFailed(f"{host} has another {self._file.path} than was begun.", "Try again."))
        if status in RETRY_STATUSES:
            error = ConnectionFailed(f"{host} answered HTTP {status}.", f"Try again later. {_KEPT}")
            raise _Again(error, retry_after_s(answer.headers.get("Retry-After", "")))
        if status == 404:
            raise Refused(f"{host} does not have {self._url}.", "Is HF_ENDPOINT, where it is set, a mirror of the hub?")
        raise Refused(f"{host} refused {self._url}: HTTP {status}.", "It may want a login, which this does not do.")

    def _check(self) -> None:
        """Raises ConnectionFailed when it is not what the catalogue or the hub say; then it is thrown away."""
        found = self._part.stat().st_size
        if self._file.bytes and found != self._file.bytes:
            wrong = f"it has {found} bytes instead of {self._file.bytes}"
        elif self._checksum and _digest(self._part, self._checksum) != self._checksum:
            wrong = "its checksum is another"
        else:
            return
        self._part.unlink()
        raise ConnectionFailed(
            f"{self._file.path} arrived damaged from {_host(self._url)}: {wrong}.",
            "It was thrown away: run the same command again, perhaps with another HF_ENDPOINT.",
        )


@contextmanager
def _writing(part: Path, *, resumed: bool) -> Iterator[tuple[int, Callable[[bytes], object]]]:
    """Where writing begins, and how it is done. Raises _DiskFailed."""
    try:
        out = part.open("ab" if resumed else "wb", buffering=0)
    except OSError as error:
        raise _DiskFailed(error) from error

    def write(block: bytes) -> None:
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[out.write(rest) or 0 :]
        except OSError as error:
            raise _DiskFailed(error) from error

    with out:
        yield out.tell(), write
        try:
            os.fsync(out.fileno())  # a disk may say only now that it is full
        except OSError as error:
            raise _DiskFailed(error) from error


def _checksum(answer: "httpx.Response") -> str:
    """The hub's own word: SHA-256 of a large file, git's SHA-1 of a small one; "" without any."""
    for name in ("X-Linked-ETag", "ETag"):
        tag = answer.headers.get(name, "").removeprefix("W/").strip('"').lower()
        if re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{40}", tag):
            return str(tag)
    return ""


def _digest(path: Path, wanted: str) -> str:
    """SHA-256, or git's SHA-1 when the wanted one is as long as that."""
    digest: Any = hashlib.sha256()
    if len(wanted) == 40:
        digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return str(digest.hexdigest())


def _require_space(model: Model, folder: Path) -> None:
    missing, free = model.bytes - folder_bytes(folder), shutil.disk_usage(folder).free
    if free < missing:
        raise ConfigError(
            f"{model.name} needs {size(missing)} more, and {folder.parent} has {size(free)} free.",
            "Make room, or let XDG_DATA_HOME name a folder elsewhere." if os.name == "posix" else "Make room.",
        )


@contextmanager
def _tidied(folder: Path) -> Iterator[None]:
    """Nothing that was begun leaves nothing."""
    try:
        yield
    finally:
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def _disk(model: Model) -> Iterator[None]:
    """What the file system refuses, as an error of ours."""
    try:
        yield
    except (_DiskFailed, OSError) as failure:
        error = failure.error if isinstance(failure, _DiskFailed) else failure
        place = incoming(model.name).parent
        if error.errno in _NO_SPACE:
            raise ConfigError(f"No space is left for {model.name} in {place}.", f"Make room. {_KEPT}") from error
        named = error.filename or place
        raise ConfigError(f"{named} cannot be written: {error.strerror or error}.", "Whose is it?") from error


def _host(url: str) -> str:
    return urlsplit(url).netloc
