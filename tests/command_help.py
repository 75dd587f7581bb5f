"""docs/cli.md, made from the program itself: `python -m tests.command_help` writes it anew.

A test compares the two, so that the page never drifts.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperArgument, TyperGroup
from typer.main import get_command

from voicechat.cli.app import app

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
HEAD = """\
# Commands and options

[All pages](README.md)

Made from the program's own help by `python -m tests.command_help`; `voicechat COMMAND --help` shows the same.
Every command also has `--help` (`-h`).
"""
NOT_SHOWN = {"help", "install_completion", "show_completion"}


def page() -> str:
    """The whole page."""
    root = get_command(app)
    context = typer.Context(root, info_name="voicechat")  # type: ignore[arg-type]
    commands = list(_below(root, context))
    index = " · ".join(f"[{name}](#{_anchor(name)})" for name, _, _ in commands)
    return "\n".join([HEAD, index, "", *(_section(*each) for each in commands)])


def _below(group: Any, context: Any) -> Iterator[tuple[str, Any, Any]]:
    """(name, command, context) of every command that can be called by itself, as the program lists them."""
    for name in group.list_commands(context):
        _, command, _ = group.resolve_command(context, [name])
        under = typer.Context(command, info_name=name, parent=context)
        if not command.hidden:
            yield under.command_path, command, under
        if isinstance(command, TyperGroup):
            yield from _below(command, under)


def _anchor(path: str) -> str:
    return path.replace(" ", "-")


def _section(path: str, command: Any, context: Any) -> str:
    text = inspect.cleandoc(command.help or "")
    usage = " ".join([path, *(piece.strip("{}") for piece in command.collect_usage_pieces(context))])
    lines = [f"## {path}", "", text, "", "```", usage, "```", ""]
    shown = [param for param in command.get_params(context) if param.name not in NOT_SHOWN and not param.hidden]
    arguments = [param for param in shown if isinstance(param, TyperArgument)]
    options = [param for param in shown if param not in arguments]
    if arguments:
        lines += ["| argument | |", "|---|---|"]
        lines += [f"| `{param.display_name_raw}` | {_cell(param.help or '')} |" for param in arguments] + [""]
    for panel in dict.fromkeys(param.rich_help_panel or "" for param in options):
        lines += [f"| {panel.lower() or 'option'} | |", "|---|---|"]
        lines += [_row(param, context) for param in options if (param.rich_help_panel or "") == panel] + [""]
    return "\n".join(lines)


def _row(param: Any, context: Any) -> str:
    names = " ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
    value = f" `{param.metavar}`" if param.metavar else ""
    default = param.get_default(context)
    told = f" (`{default}`)" if param.show_default and default not in (None, "", False, True) else ""
    return f"| {names}{value} | {_cell(param.help or '')}{told} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
