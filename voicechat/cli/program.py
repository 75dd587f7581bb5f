"""The program as one Typer group: help without the names of Python's types, and a text in quotes."""

import contextlib
import shlex
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

from voicechat.errors import UsageError

if TYPE_CHECKING:
    from typer import Context

ONE_TEXT = {"allow_extra_args": True}
"""The context of a command that takes one text: `one_text` says what is wrong with more words."""


class Program(TyperGroup):
    """Every option in every help says what its value is called; a flag has none."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            _tidy(command, ctx, name or "")
        return name, command, rest

    def get_params(self, ctx: Any) -> Any:
        return _named(super().get_params(ctx), ctx)


def _tidy(command: Any, parent: "Context", name: str) -> None:
    context = typer.Context(command, parent=parent, info_name=name)
    _named(command.get_params(context), parent)
    for below, each in getattr(command, "commands", {}).items():
        _tidy(each, context, below)


class _AsTyped:
    """In place of Typer's converter of values, which imports pydantic: while Tab waits, words are enough."""

    def coerce(self, value: Any, **_: object) -> Any:
        return value


def _named(params: list[Any], ctx: "Context") -> list[Any]:
    """Name the values of options that have no name: by default Typer shows `<str>` and `<bool>`."""
    for option in params:
        if isinstance(option, TyperArgument):
            option.display_type_rich = lambda ctx: None  # type: ignore[method-assign]
        if ctx.resilient_parsing:
            option._runtime_param = _AsTyped()
        if isinstance(option, TyperOption) and option.metavar is None:
            kind = option.type_descriptor
            number = kind.annotation in (int, float)
            option.metavar = "" if option.is_flag else "FILE" if kind.is_path else "NUMBER" if number else "TEXT"
    return params


def mend_completion() -> None:
    """Repairs of Typer's completion, for the runs that serve it; a Typer without these parts needs none.

    It imports Rich to take markup out of what Tab offers: a hundred milliseconds, and ours has none. The first Tab in
    a zsh only loaded its script, which must complete then, too. And bash takes `--option=value` for three words.
    """
    with contextlib.suppress(ImportError, AttributeError, KeyError):
        from typer import _completion_classes, _completion_shared

        _completion_classes._sanitize_help_text = lambda text: text
        _completion_shared._completion_scripts["zsh"] += (
            '\n[[ $zsh_eval_context[-1] == loadautofunc ]] && %(complete_func)s "$@"\n'
        )
        typed = _completion_classes.BashComplete.get_completion_args

        def without_equals(self: Any) -> tuple[list[str], str]:
            words, incomplete = typed(self)
            return [word for word in words if word != "="], incomplete

        _completion_classes.BashComplete.get_completion_args = without_equals  # type: ignore[method-assign]


def one_text(context: typer.Context, text: str | None) -> str | None:
    """The text that was given. Raises UsageError when further words follow: what was meant is one text."""
    if text is None or not context.args:
        return text
    whole = " ".join((text, *context.args))
    quoted = shlex.quote(whole) if set(whole) & set('"$`\\!') else f'"{whole}"'
    raise UsageError(
        f"A text of {1 + len(context.args)} words needs quotes.", f"Try: voicechat {context.info_name} {quoted}"
    )
