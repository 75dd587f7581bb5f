"""Commands about the assistant: its voice, and what it is told to be."""

import difflib
from typing import TYPE_CHECKING

from voicechat.cli.slash.command import Desk, Origin
from voicechat.errors import UsageError

if TYPE_CHECKING:
    from voicechat.cli.role import Role
    from voicechat.config import Choice

MOST_LISTED = 12
ALMOST = 0.8
"""A voice whose name is so like a known one is a slip of the finger; any other may be a cloned one."""


def voices_of(desk: Desk) -> list[str]:
    """The voices that the catalogue knows for the model in use."""
    from voicechat.providers.catalogue import providers

    choice = desk.origin.choice
    return [voice.name for voice in providers()[choice.name].voices(choice.options.model)]


def voice(desk: Desk, argument: str) -> None:
    known = voices_of(desk)
    present = desk.talk.session.voice
    if not argument:
        others = [name for name in known if name != present]
        more = ", …" if len(others) > MOST_LISTED else ""
        listed = f" Others: {', '.join(others[:MOST_LISTED])}{more}." if others else ""
        desk.tell(f"The voice is {present or 'the model’s own'}.{listed}")
        return
    wanted = next((name for name in known if name.lower() == argument.lower()), argument)
    near = difflib.get_close_matches(wanted.lower(), [name.lower() for name in known], n=1, cutoff=ALMOST)
    if wanted not in known and near:
        likely = next(name for name in known if name.lower() == near[0])
        raise UsageError(f"There is no voice {wanted[:40]}.", f"Did you mean {likely}?")
    if wanted == present:
        desk.tell(f"The voice is {wanted} already.")
    else:
        desk.talk.changes.ask("voice", voice=wanted)


def personas_of(desk: Desk) -> list[str]:
    return sorted(desk.origin.loaded.settings.personas)


def persona(desk: Desk, argument: str) -> None:
    """As `--persona`, with its voice where it has one; its greeting is for the beginning of a conversation only."""
    known = personas_of(desk)
    if not argument:
        none = "There are none: [personas.NAME] in the configuration makes one."
        desk.tell(f"Personas: {', '.join(known)}." if known else none)
        return
    choice = _with_persona(desk.origin, argument)
    told = _role(desk, choice.instructions, choice)
    changed = {"instructions": told.instructions, "style": told.style, "name": choice.assistant}
    if desk.origin.loaded.settings.personas[argument].voice:
        changed["voice"] = choice.options.voice
    desk.talk.changes.ask("persona", **changed)
    desk.chose(choice)


def instructions(desk: Desk, argument: str) -> None:
    if not argument:
        desk.tell(desk.talk.changes.config.instructions or "It has no instructions.")
        return
    told = _role(desk, argument, desk.origin.choice)
    desk.talk.changes.ask("instructions", instructions=told.instructions, style=told.style)


def _with_persona(origin: Origin, name: str) -> "Choice":
    """What would have been chosen with this persona and the same service. Raises VoicechatError for none such."""
    from voicechat.config import choose_provider, load

    asked = origin.options.settings() | {"persona": name, "provider": origin.choice.name}
    asked |= {"instructions": None, "voice": None}  # flags of the beginning would win over it
    return choose_provider(load(origin.options.config, asked))


def _role(desk: Desk, words: str, choice: "Choice") -> "Role":
    from voicechat.cli.role import read_context, role

    context, capabilities = read_context(desk.origin.options.context), desk.talk.line.codec.capabilities
    return role(words, choice.assistant, choice.style, context, capabilities, desk.talk.changes.config.language)
