"""The pages: they lead to each other, their commands are the program's, and the page of commands is made from it."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from tests import command_help
from tests.pasted import PAGES, README, blocks
from tests.program import ROOT
from voicechat.cli.app import app
from voicechat.providers.catalogue import providers, speech_providers

CHINESE = ROOT / "README.zh-CN.md"
INDEX = ROOT / "docs" / "README.md"
LINES = [(page, line) for page in PAGES for block in blocks(page) for line in block]


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_the_page_of_commands_is_what_the_program_says() -> None:
    assert command_help.PAGE.read_text("utf-8") == command_help.page(), "run python -m tests.command_help"


def calls() -> list[Any]:
    """Every call of the program in the examples: the page, the words after `voicechat`."""
    found = []
    for page, line in LINES:
        words = shlex.split(line, comments=True)
        while words:
            ends = [index for index, word in enumerate(words) if word in ("|", "&&", ";")]
            command, words = (words[: ends[0]], words[ends[0] + 1 :]) if ends else (words, [])
            while command and "=" in command[0]:  # a variable for this call
                command = command[1:]
            if command and Path(command[0]).name == "voicechat":
                found.append(pytest.param(command[1:], id=f"{named(page)}: {' '.join(command)}"))
    return found


@pytest.mark.parametrize("words", calls())
def test_every_example_is_a_command_with_options_that_it_has(words: list[str]) -> None:
    command: Any = get_command(app)
    if words == ["--install-completion"]:
        return
    context = command.make_context("voicechat", list(words), resilient_parsing=False)
    rest = [*context._protected_args, *context.args]
    while rest and hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
        rest = [*context._protected_args, *context.args]
    assert not rest, f"more words than the command takes: {rest}"
    provider = context.params.get("provider")
    assert provider in (None, "auto", *providers(), *speech_providers(), "PROVIDER")


def test_there_are_examples() -> None:
    assert len(calls()) > 40


@pytest.mark.parametrize("page", [README, CHINESE], ids=named)
def test_the_lines_of_the_readme_can_be_pasted(page: Path) -> None:
    for block in blocks(page):
        for line in block:
            assert "…" not in line
            assert not re.search(r"[<>]|\bPROVIDER\b|\bNAME\b|\bFILE\b|\bHOST\b", line.partition("#")[0]), line
            done = subprocess.run(["bash", "-n", "-c", line], capture_output=True, encoding="utf-8", check=False)
            assert done.returncode == 0, done.stderr


def bare(line: str) -> str:
    """A line without its comment and without the words that are translated."""
    return " ".join("TEXT" if " " in word or not word.isascii() else word for word in shlex.split(line, comments=True))


def test_the_chinese_readme_has_the_same_lines_and_outputs() -> None:
    english, chinese = (
        [bare(line).replace("讲个笑话", "TEXT") for block in blocks(page) for line in block]
        for page in (README, CHINESE)
    )
    missing = [line for line in english if line not in chinese]
    assert not missing
    assert blocks(README, "text") == blocks(CHINESE, "text")
    for word in ("闭嘴", "住口", "跟你复述", "凌晨两点"):
        assert word not in CHINESE.read_text("utf-8")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


def test_every_page_is_in_the_index_and_leads_back_to_it() -> None:
    index = INDEX.read_text("utf-8")
    for page in sorted((ROOT / "docs").glob("*.md")):
        if page == INDEX:
            continue
        assert f"]({page.name})" in index, f"{page.name} is not in docs/README.md"
        assert page.read_text("utf-8").split("\n\n")[1] == "[All pages](README.md)", f"{page.name} does not lead back"


def test_nobody_is_told_to_install_what_somebody_else_may_have_put_there() -> None:
    """The name in the public index is not ours."""
    texts = [*PAGES, *sorted((ROOT / "voicechat").rglob("*.py"))]
    for path in texts:
        found = re.search(r"(?:pip|pipx|uv tool|uv pip) install [^\n`]*['\" ]voicechat\b", path.read_text("utf-8"))
        assert not found, f"{named(path)}: {found[0] if found else ''}"
