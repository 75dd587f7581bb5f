"""Child interpreters: they run our code, and nothing that happens to lie in the working directory."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.program import ROOT, isolated_environment
from voicechat.audio import defaults, devices
from voicechat.engine.ear import ProcessEar
from voicechat.interpreter import child_python

OTHERS = ("difflib", "json", "queue", "random", "struct", "types", "numpy", "pyaudio", "voicechat")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder with modules that leave a mark when they are run, and cannot be used."""
    for name in OTHERS:
        mark = (
            f"open({str(tmp_path / 'ran')!r}, 'a').write(__name__ + '\\n')\nraise ImportError('not the one you want')\n"
        )
        (tmp_path / f"{name}.py").write_text(mark)
    return tmp_path


def ran(folder: Path) -> str:
    mark = folder / "ran"
    return mark.read_text() if mark.exists() else ""


def test_the_recogniser_runs_nothing_of_the_working_directory(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(hostile)

    async def main() -> str:
        ear = ProcessEar()
        ear.start()
        try:
            utterance = ear.listen(lambda partial: None)
            utterance.feed(bytes(16_000), 0)
            utterance.finish()
            return await utterance.text()
        finally:
            await ear.close()

    assert asyncio.run(main()) == ""  # heard, and nothing in it
    assert ran(hostile) == ""


def test_the_defaults_are_asked_for_without_it(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(hostile)
    monkeypatch.setattr(defaults, "_has_pactl", lambda: False)
    defaults.default_devices()  # what devices there are is the machine's affair
    assert ran(hostile) == ""


def test_so_is_a_missing_alsa_configuration(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not sys.platform.startswith("linux"):
        return
    monkeypatch.chdir(hostile)
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(hostile / "none"))
    with pytest.raises(devices.AudioError):
        devices._check_alsa()
    assert ran(hostile) == ""


def test_a_conversation_in_such_a_folder_is_held(hostile: Path) -> None:
    """The real program, started as its script starts it: without the working directory in its own path."""
    words = ["say", "--provider", "offline", "--output", str(hostile / "answer.raw"), "--plain", "what time is it"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "voicechat", *words],
        cwd=hostile, env=isolated_environment(hostile, None, {}), stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "unexpectedly" not in done.stdout + done.stderr
    assert ran(hostile) == ""


def test_a_checkout_and_full_paths_of_the_user_are_searched_and_nothing_relative(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", ".", str(tmp_path), "lib"]))
    command, environment = child_python("-c", "import voicechat")
    assert command[:2] == [sys.executable, "-P"]
    assert environment["PYTHONPATH"].split(os.pathsep) == [str(ROOT), str(tmp_path)]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, timeout=30)
