"""What the recorder and the player need of a microphone and a speaker: a device, a file or a pipe.

Both ends block, which is their clock: `read` returns when the next block has been captured, `write` when the
device can take another. They raise AudioError when the device is lost, and may be closed from another thread
only after the thread that reads or writes has stopped.
"""

from typing import Protocol, runtime_checkable


class InputStream(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def rate_hz(self) -> int: ...

    @property
    def latency_ms(self) -> float: ...

    @property
    def ended(self) -> bool:
        """The source has no more sound; `read` goes on with silence, in time."""
        ...

    def read(self) -> bytes:
        """The next block, s16le mono at `rate_hz`."""
        ...

    def close(self) -> None: ...


class OutputStream(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def rate_hz(self) -> int: ...

    @property
    def latency_ms(self) -> float: ...

    def write(self, block: bytes) -> None:
        """Play one block, s16le mono at `rate_hz`."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class PacedStream(OutputStream, Protocol):
    """A speaker whose buffer can be looked at."""

    @property
    def room_samples(self) -> int:
        """How many samples `write` takes at once without waiting; below 1 where the system does not say."""
        ...
