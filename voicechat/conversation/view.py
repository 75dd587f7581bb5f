"""What a conversation needs of whoever shows it."""

from typing import Protocol

from voicechat.conversation import notices as note


class View(Protocol):
    """What a conversation needs of a view (see `ui.base`)."""

    def show(self, notice: note.Notice) -> None: ...

    async def run(self) -> None: ...

    def close(self) -> None: ...
