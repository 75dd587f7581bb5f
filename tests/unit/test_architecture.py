"""Who may import whom, as docs/architecture.md says it, and the other promises a newcomer may rely on."""

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "voicechat"
MODULES = sorted(PACKAGE.rglob("*.py"))
AROUND = sorted(path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
LONGEST = 400
HEAVY = {
    "numpy", "livekit", "pydantic", "pocketsphinx", "websockets", "httpx", "prompt_toolkit", "soxr", "soundfile",
    "pyaudio", "webrtcvad", "asyncio", "starlette", "uvicorn",
}  # fmt: skip
PROVIDER_NAMES = re.compile(r"(?<![a-z])(qwen|openai|azure|newapi|doubao)(?![a-z])", re.IGNORECASE)
NAMES_PROVIDERS = {
    "config/choose.py",  # someone who gives nothing but an address means a gateway
    "cli/options.py",  # the help of --provider
}


def inside(path: Path) -> str:
    return path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT).as_posix()


def part_of(path: Path) -> str:
    """The package or top-level module a file belongs to."""
    return inside(path).split("/")[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Every module of ours that a file imports anywhere, in functions and for type checkers too; less `voicechat.`"""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{inside(path)}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("voicechat."):
                yield module_named(name.removeprefix("voicechat."))


def module_named(dotted: str) -> str:
    """`conversation.notices.Notice` is `conversation.notices`."""
    while dotted and not any((PACKAGE / dotted.replace(".", "/")).with_suffix(end).exists() for end in ("", ".py")):
        dotted = dotted.rpartition(".")[0]
    return dotted


def rules() -> dict[str, set[str]]:
    """The table of docs/architecture.md: what each part of the package may import."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    table = text.split("## Who may import whom")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|", table, re.MULTILINE)
    return {name: set(re.findall(r"`([\w.]+)`", allowed)) for name, allowed in rows}


def permitted(wanted: str, allowed: set[str]) -> bool:
    return "everything" in allowed or any(wanted == name or wanted.startswith(f"{name}.") for name in allowed)


def test_every_part_of_the_package_is_in_the_document() -> None:
    parts = {part_of(path) for path in MODULES} - {"__init__", "__main__"}
    assert parts == set(rules())


@pytest.mark.parametrize("path", MODULES, ids=inside)
def test_imports_follow_the_document(path: Path) -> None:
    part = part_of(path)
    if part in ("__init__", "__main__"):
        assert set(imports(path)) <= {"cli"}
        return
    wrong = {name for name in imports(path) if name and name.split(".")[0] != part}
    wrong = {name for name in wrong if not permitted(name, rules()[part])}
    assert not wrong, f"{inside(path)} must not import {', '.join(sorted(wrong))}"


def test_the_document_keeps_the_directions_of_the_design() -> None:
    allowed = rules()
    for ground in ("errors", "realtime", "text", "redaction", "interpreter", "backlog"):
        assert allowed[ground] == set()
    assert allowed["audio"] == {"errors", "interpreter"}
    assert allowed["ui"] == {"backlog", "conversation.notices", "errors", "signals"}
    for part in ("conversation", "providers", "engine", "wire", "config", "audio", "dialects"):
        assert not any(permitted(upper, allowed[part]) for upper in ("cli", "ui", "doctor"))
    for part in ("dialects", "providers"):
        assert not any(permitted(upper, allowed[part]) for upper in ("audio.player", "conversation.session", "engine"))
    # The heart knows what a service can do, and none of them.
    assert {name for name in allowed["conversation"] if name.startswith("providers")} == {"providers.base"}
    assert not any(permitted(upper, allowed["conversation"]) for upper in ("engine", "dialects"))
    # The engine speaks no dialect: whoever wants it on a wire puts the server's half of one in front.
    assert not permitted("dialects.openai.server", allowed["engine"])


def test_no_part_imports_one_that_stands_on_it() -> None:
    """A room stands above all that it imports: the table lists them from the ground up."""
    order = list(rules())
    for part, allowed in rules().items():
        higher = {name.split(".")[0] for name in allowed - {"everything"}} & set(order[order.index(part) :])
        assert not higher, f"{part} imports upwards: {', '.join(sorted(higher))}"


def test_no_module_imports_one_that_stands_on_it() -> None:
    """Neither within a part, nor in a function: a circle of imports that nobody notices is one all the same."""
    graph = {}
    for path in MODULES:
        name = inside(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        graph[name] = set(imports(path)) - {name, ""}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError with the circle


def test_everything_the_document_names_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    source = "\n".join(path.read_text("utf-8") for path in MODULES)
    for name in re.findall(r"`([A-Z][A-Za-z]+[a-z])[`(.]", text):
        assert re.search(rf"^(class {name}\b|{name} = )", source, re.MULTILINE), name
    for path in re.findall(r"[\w/]+\.py\b", text):
        if "/" in path:
            assert (PACKAGE / path).is_file() or (ROOT / path).is_file(), path


@pytest.mark.parametrize("path", MODULES, ids=inside)
def test_only_providers_and_their_catalogue_know_a_provider_by_name(path: Path) -> None:
    if part_of(path) in ("providers", "dialects") or inside(path) in NAMES_PROVIDERS:
        return
    tree = ast.parse(path.read_text("utf-8"))
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    for node in ast.walk(tree):
        words = ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            words = node.value
        elif isinstance(node, ast.Name):
            words = node.id
        elif isinstance(node, ast.Attribute):
            words = node.attr
        elif isinstance(node, ast.arg):
            words = node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            words = node.name
        found = PROVIDER_NAMES.search(words)
        assert not found, f"{inside(path)}, line {getattr(node, 'lineno', 0)} names a provider: {words!r}"


@pytest.mark.parametrize("path", MODULES + AROUND, ids=inside)
def test_a_module_is_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", MODULES, ids=inside)
def test_a_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8"))) or inside(path) == "__main__.py"


LOADED = "import sys; sys.stderr.write('\\n' + ' '.join(sorted({name.split('.')[0] for name in sys.modules})))"


@pytest.mark.parametrize(
    "arguments",
    [
        None,
        ["--help"],
        ["--version"],
        ["vad", "--help"],
        ["manual", "--help"],
        ["say", "--help"],
        ["speak", "--help"],
        ["demo", "--help"],
        ["serve", "--help"],
    ],
    ids=lambda arguments: " ".join(arguments) if arguments else "import",
)
def test_help_imports_nothing_heavy(arguments: list[str] | None) -> None:
    program = "import voicechat.cli"
    if arguments is not None:
        program = (
            f"import sys, voicechat.cli; sys.argv = ['voicechat', *{arguments!r}]\n"
            "try:\n    voicechat.cli.main()\nexcept SystemExit as end:\n    assert end.code in (0, None), end.code\n"
        )
    ran = subprocess.run(
        [sys.executable, "-c", f"{program}\n{LOADED}"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    loaded = set(ran.stderr.splitlines()[-1].split())
    if arguments is not None and len(arguments) > 1:
        loaded -= {"pydantic"}  # Typer itself imports it for a command's parameters, where it is installed
    assert "voicechat" in loaded
    assert "typer" in loaded
    assert loaded & HEAVY == set()
