"""What the assistant is told of itself and of the world, put where the service at hand takes it."""

import re
from dataclasses import dataclass
from pathlib import Path

from voicechat.cli.telling import tell
from voicechat.errors import UsageError
from voicechat.realtime.capabilities import Capabilities

MOST_CONTEXT_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Role:
    """Instructions, and apart from them what the service has a place of its own for."""

    instructions: str
    style: str = ""
    context: str = ""


def role(
    instructions: str, name: str, style: str, context: str, capabilities: Capabilities, language: str = ""
) -> Role:
    """What has no place of its own becomes part of the instructions. Says on stderr when the context is cut."""
    parts = [instructions]
    if language and not capabilities.supports_language:
        parts.append(f"The user speaks the language {language}.")
    if name and not capabilities.supports_style:
        parts.append(f"Your name is {name}.")
    if style and not capabilities.supports_style:
        parts.append(f"Your way of speaking: {style}")
    if context and not capabilities.context_chars:
        parts.append(f"Background knowledge for your answers:\n{context}")
    elif len(context) > capabilities.context_chars:
        tell(f"--context: only the first {capabilities.context_chars} characters are used.")
    return Role(
        "\n\n".join(filter(None, parts)),
        style if capabilities.supports_style else "",
        context[: capabilities.context_chars],
    )


def checked_language(language: str) -> str:
    """A tag such as `zh` or `de-CH`. Raises UsageError for anything else."""
    tag = language.strip().replace("_", "-")
    if tag and not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", tag):
        raise UsageError(f"{language!r} is no code of a language.", "Give one such as en, zh, de or pt-BR.")
    head, dash, rest = tag.partition("-")
    return head.lower() + dash + rest


def read_context(path: str) -> str:
    """The text of `--context FILE`; "" without one. Raises UsageError when it is not a text file of some length."""
    if not path:
        return ""
    try:
        with Path(path).expanduser().open("rb") as file:
            text = file.read(MOST_CONTEXT_BYTES + 1)
        if len(text) > MOST_CONTEXT_BYTES:
            raise UsageError(f"{path} is too long for --context.", "One megabyte of text is the most.")
        return text.decode("utf-8-sig").strip()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", "--context takes a text file.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text.", "--context takes a text file.") from error
