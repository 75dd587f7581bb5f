"""Providers that other packages add, as the program sees them: installed beside it, found by their entry points."""

from pathlib import Path

import pytest

from tests.program import Program
from tests.realtime_server import RealtimeServer, Reply, Script

MODULE = """
from voicechat.providers.newapi import NewAPI


class Parrot(NewAPI):
    name = "parrot"
    title = "Parrot"
    default_model = "parrot-1"
    catalogue = {
        "title": "A parrot",
        "kind": "gateway",
        "default_model": "parrot-1",
        "environment": {"url": "PARROT_URL"},
        "all_of": ["url"],
    }
"""


@pytest.fixture
def install(tmp_path: Path):
    """Lays a package with entry points into a folder; gives the environment in which it is installed."""

    def lay(entry_points: str, module: str = MODULE) -> dict[str, str]:
        info = tmp_path / "parrot-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: parrot\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[voicechat.providers]\n{entry_points}\n")
        (tmp_path / "parrot.py").write_text(module)
        return {"PYTHONPATH": str(tmp_path)}

    return lay


def test_a_provider_of_another_package_is_talked_to_as_one_of_ours(install) -> None:
    installed = install("parrot = parrot:Parrot")
    with RealtimeServer(script=Script(replies=(Reply("Hello!", seconds=0.3),))) as server:
        env = installed | {"PARROT_URL": server.url}
        with Program(["say", "hi", "--provider", "parrot", "--output", "out.wav", "--plain"], env=env) as program:
            assert program.wait(timeout_s=20) == 0, program.describe()
            assert "Hello!" in program.stdout
    with Program(["providers"], env=installed) as program:
        assert program.wait(timeout_s=20) == 0
        assert "parrot" in program.stdout


@pytest.mark.parametrize(
    ("entry", "module", "complaint"),
    [
        ("parrot = parrot:Parrot", "import nothing_of_that_name", "of parrot cannot be loaded: No module named"),
        ("parrot = parrot:Parrot", "class Parrot: pass", "The provider parrot is left out: its `catalogue`"),
    ],
    ids=["import fails", "no catalogue"],
)
def test_one_that_cannot_be_used_is_named_and_left_out(install, entry: str, module: str, complaint: str) -> None:
    with Program(["providers"], env=install(entry, module)) as program:
        assert program.wait(timeout_s=20) == 0, program.describe()
        assert complaint in program.stderr + program.stdout
        assert "Traceback" not in program.stderr


def test_nobody_takes_the_name_of_one_of_ours(install) -> None:
    installed = install("openai = parrot:Parrot", "raise SystemExit('taken over')")
    with Program(["say", "hi", "--provider", "openai"], env=installed | {"OPENAI_API_KEY": ""}) as program:
        assert program.wait(timeout_s=20) == 3
        assert "taken over" not in program.stderr
