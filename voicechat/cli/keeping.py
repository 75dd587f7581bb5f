"""Where conversations are kept, and which one is gone on with: from settings and options."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from voicechat import __version__
from voicechat.archive import folder as folders
from voicechat.errors import VoicechatError

if TYPE_CHECKING:
    from voicechat.archive.past import Past
    from voicechat.config.settings import Settings
    from voicechat.conversation.recording import Keep


def folder_of(settings: "Settings") -> Path:
    """Where conversations are kept, or would be: a folder that `save` names, else the program's own."""
    return Path(settings.save).expanduser() if settings.save else folders.default_folder()


def keeping(settings: "Settings", told: Mapping[str, Any]) -> "Keep | None":
    """How this conversation is kept; None where it is not. `told` is noted with it."""
    from voicechat.conversation.recording import Keep

    history = settings.history
    head = {"version": __version__, **told}
    if settings.save:
        return Keep(folder_of(settings), history.sound, head=head)
    if history.enabled:
        return Keep(folder_of(settings), history.sound, ours=True, keep_days=history.keep_days, head=head)
    return None


def keep_now(settings: "Settings", folder: str) -> "Keep":
    """How a conversation is kept from its middle on: in `folder`, else where conversations are kept."""
    from voicechat.conversation.recording import Keep

    head = {"version": __version__}
    if folder or settings.save:
        return Keep(Path(folder).expanduser() if folder else folder_of(settings), settings.history.sound, head=head)
    return Keep(folder_of(settings), settings.history.sound, ours=True, head=head)


def gone_on_with(wanted: str | None, settings: "Settings") -> "Past | None":
    """The conversation that `--continue` names. One that is not there is said, and the new one begins afresh."""
    if wanted is None:
        return None
    from voicechat.archive.past import newest_past, past_of

    folder = folder_of(settings)
    try:
        named = wanted.strip() not in ("", "last")
        past = past_of(folder, folders.find(folder, wanted.strip())) if named else newest_past(folder)
    except VoicechatError as error:
        typer.echo(f"{error.message} The conversation begins afresh.", err=True)
        return None
    if not past.said:
        typer.echo(f"Nothing was said in {past.id}: the conversation begins afresh.", err=True)
        return None
    return past
