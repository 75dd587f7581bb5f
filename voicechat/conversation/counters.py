"""What a conversation survived, counted."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """What was survived."""

    benign_errors: int = 0
    ignored_events: int = 0
    broken_frames: int = 0

    def ignore(self, *, broken: bool) -> None:
        """A frame meant nothing: broken, or only unknown."""
        if broken:
            self.broken_frames += 1
        else:
            self.ignored_events += 1
