"""The repository stands alone: whatever its tests, benchmarks, scripts and documents need is in it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests", "benchmarks", "script", "docs", "voicechat", ".ci")
ENDS = ("", ".py", ".md", ".toml", ".sh", ".txt")
CLIMB = re.compile(r"__file__\)(?:\.resolve\(\))?(?:\.parents\[(\d+)\]|((?:\.parent\b)+))")
AWAY = re.compile(r"\bROOT\.parent\b|(?<![\w.])/(?:home|work|root|Users|mnt|srv)/(?!me/)\w")  # `/home/me/` is nobody's
UPWARDS = re.compile(r"\.\./[\w./-]*\w")


def texts() -> list[str]:
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in ENDS]
    found += [path for path in ROOT.iterdir() if path.suffix in ENDS and not path.name.startswith(".")]
    here = [path.relative_to(ROOT) for path in found if path.is_file()]
    return sorted(path.as_posix() for path in here if "__pycache__" not in path.parts and "corpus" not in path.parts)


def faults(name: str, text: str) -> list[str]:
    """What a file names that is not in the repository."""
    path = ROOT / name
    wrong = [match[0] for match in AWAY.finditer(text)]
    for match in CLIMB.finditer(text):
        climbed = path.parents[int(match[1]) if match[1] else match[2].count(".parent") - 1]
        if not climbed.is_relative_to(ROOT):
            wrong.append(match[0])
    for match in UPWARDS.finditer(text):
        target = (path.parent / match[0]).resolve()
        if not (target.is_relative_to(ROOT) and target.exists()):
            wrong.append(match[0])
    return wrong


def test_nothing_outside_the_repository_is_named() -> None:
    here = Path(__file__).relative_to(ROOT).as_posix()
    wrong = {name: faults(name, (ROOT / name).read_text("utf-8")) for name in texts() if name != here}
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tests/unit/test_x.py", f'Path(__file__).parents[{3}] / "audio"'),
        ("tests/x.py", "Path(__file__).resolve().parent.parent.parent"),
        ("tests/e2e/test_x.py", 'ROOT.parent / "audio"'),
        ("docs/x.md", "python ../elsewhere/bench.py"),
        ("docs/x.md", "the recordings in /home/somebody/audio"),
    ],
)
def test_what_is_outside_is_found(name: str, text: str) -> None:
    assert faults(name, text)


def test_the_recordings_are_here_with_their_licences() -> None:
    notes = (ROOT / "tests" / "audio" / "README.md").read_text("utf-8")
    recordings = [path for path in (ROOT / "tests" / "audio").iterdir() if path.suffix in (".raw", ".wav")]
    assert len(recordings) == 4
    for path in recordings:
        assert f"`{path.name}`" in notes
