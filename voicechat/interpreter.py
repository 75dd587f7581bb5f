"""Another Python beside this one, for what must not share its process."""

import os
import sys
from pathlib import Path


def child_python(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """Command line and environment of a Python with our package: `child_python("-m", "voicechat.engine.child")`.

    It runs nothing of the working directory, which `-m` and `-c` would search first: a `json.py` lies in many a
    folder. What is searched before the installed packages is the folder of our own (it may be a checkout), and what
    the user's PYTHONPATH names with a full path.
    """
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = [str(Path(__file__).resolve().parents[1]), *(path for path in named if os.path.isabs(path))]
    return [sys.executable, "-P", *arguments], {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def processor_s(pid: int) -> float:
    """What a process has taken of the processor; 0 where the system does not tell (it does on Linux) or it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
