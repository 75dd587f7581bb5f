"""Commands that write the conversation down: `/save` from now on, `/export` what was said so far."""

from pathlib import Path

from voicechat.cli.slash.command import Desk
from voicechat.errors import UsageError


def save(desk: Desk, argument: str) -> None:
    """Into a folder, with the sound from now on and the words from the beginning."""
    from voicechat.cli.keeping import keep_now

    kept = desk.talk.saved or desk.talk.keep(keep_now(desk.origin.loaded.settings, argument))
    if kept is not None:  # else it was told why
        desk.tell(f"It is kept in {kept.transcript}.")


def export(desk: Desk, argument: str) -> None:
    """Into a new file, in the form that its name ends with."""
    from voicechat.archive.export import FORMATS

    minutes = desk.talk.minutes
    path = Path(argument or f"voicechat-{minutes.began:%Y%m%d-%H%M%S}.md").expanduser()
    form = path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise UsageError(f"{path.name} does not say in which form.", f"Its name ends with one of {known}.")
    desk.begin(_write(desk, path, form))


async def _write(desk: Desk, path: Path, form: str) -> None:
    from voicechat.archive.export import FORMATS
    from voicechat.archive.lines import understood
    from voicechat.audio.background import in_background
    from voicechat.redaction import redact

    minutes = desk.talk.minutes
    kept = understood(f"{minutes.began:%Y%m%d-%H%M%S}", minutes.lines())
    if not kept.said:
        raise UsageError("Nothing was said yet.", "Say or type something first.")

    def write() -> None:
        try:
            with path.open("x", encoding="utf-8", errors="backslashreplace") as file:
                file.write(redact(FORMATS[form](kept)))
        except FileExistsError:
            raise UsageError(f"{path} is there already.", "Name another file: nothing is overwritten.") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", "") or "that is no name of a file"
            raise UsageError(f"{path} cannot be written: {reason}.", "Name another file.") from None

    await in_background(write, "export")
    desk.tell(f"{len(kept.said)} things said are in {path}.")
