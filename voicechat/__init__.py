"""Talk with any realtime speech model from a terminal."""

import os

__version__ = "0.1.0"

# onnxruntime 1.29 and later tells its maker of each start, unless this is set before it is loaded. What runs on this
# machine needs no network and tells nobody; whoever wants it to sets 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# OpenBLAS, which numpy loads, shares products of more than 10,000 samples with threads of its own: those spin for
# some 25 ms each time, and on a busy machine the one that waits for them is the canceller's.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
