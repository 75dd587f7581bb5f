"""Large products are not shared with threads that spin: the audio threads would wait for them."""

import os
import subprocess
import sys

import pytest

PRODUCT = """
import os, voicechat, numpy
one = numpy.ones(100_000)
one @ one
tasks = "/proc/self/task"
print(os.environ["OPENBLAS_NUM_THREADS"], len(os.listdir(tasks)) if os.path.isdir(tasks) else 1)
"""


@pytest.mark.parametrize(("asked", "found"), [({}, "1 1\n"), ({"OPENBLAS_NUM_THREADS": "2"}, "2 ")])
def test_a_large_product_starts_no_threads_unless_somebody_wants_them(asked: dict[str, str], found: str) -> None:
    env = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"} | asked
    done = subprocess.run([sys.executable, "-c", PRODUCT], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(found)
