"""The README's lines as somebody pastes them: into an empty shell, with an empty home and no key."""

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path

from tests.program import ROOT, isolated_environment

README = ROOT / "README.md"
PAGES = (README, ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").glob("*.md")))


def blocks(page: Path, kind: str = "sh", under: str = "") -> list[list[str]]:
    """The lines of each fenced block of that kind, under the heading that begins like `under` ("": on the page)."""
    text = page.read_text("utf-8")
    if under:
        text = re.split(r"^## ", text.split(f"\n## {under}", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    found = re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [[line for line in block.splitlines() if line.strip()] for block in found]


def shell_environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment with `voicechat` on the path, which is this checkout's."""
    programs = home / "bin"
    programs.mkdir(exist_ok=True)
    program = programs / "voicechat"
    code = "import sys; sys.argv[0] = 'voicechat'; from voicechat.cli import main; main()"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n')
    program.chmod(0o755)
    environment = isolated_environment(home, None, extra or {})
    environment["PATH"] = f"{programs}{os.pathsep}{environment['PATH']}"
    return environment


def install_environment(home: Path) -> dict[str, str]:
    """An environment in which the lines that install reach no network: the package is built and put where it belongs,
    what it depends on is found where the tests have it."""
    environment = isolated_environment(home, None, {})
    packages = sysconfig.get_path("purelib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needs = [*project["dependencies"], *(each for extra in project["optional-dependencies"].values() for each in extra)]
    excluded = home / "excluded.txt"
    excluded.write_text("\n".join(re.split(r"[^\w.-]", need)[0] for need in needs))
    return environment | {
        "PATH": os.pathsep.join((str(home / ".local/bin"), str(Path(sys.executable).parent), environment["PATH"])),
        "PYTHONPATH": packages,  # its .pth files do not count, so the checkout is not there
        "XDG_DATA_HOME": str(home / ".local/share"),
        "UV_OFFLINE": "1",
        "UV_EXCLUDE": str(excluded),
        "UV_FIND_LINKS": str(_build_wheels(home / "wheels")),
        "UV_PYTHON": sys.executable,
    }


def _build_wheels(folder: Path) -> Path:
    """What builds the package, and all that it needs, as wheels: made from what is installed here."""
    folder.mkdir()
    names, done = ["hatchling"], set()
    while names:
        name = names.pop()
        if name in done:
            continue
        done.add(name)
        package = distribution(name)
        names += [re.split(r"[^\w.-]", need)[0] for need in package.requires or () if ";" not in need]
        with zipfile.ZipFile(folder / f"{name.replace('-', '_')}-{package.version}-py3-none-any.whl", "w") as wheel:
            for file in package.files or ():
                if ".." not in file.parts and "__pycache__" not in file.parts:
                    wheel.write(str(file.locate()), str(file))
    return folder


def paste(
    line: str, environment: Mapping[str, str], folder: Path, timeout_s: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run one line, or several, in a shell of its own."""
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout_s,
        check=False,
    )
