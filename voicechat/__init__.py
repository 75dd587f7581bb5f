"""Talk with any realtime speech model from a terminal."""

import os

__version__ = "0.1.0"

# onnxruntime 1.29 and later tells its maker of each start, unless this is set before it is loaded. What runs on this
# machine needs no network and tells nobody; whoever wants it to sets 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# OpenBLAS, which numpy loads, shares even the voice detector's matrices with threads of its own, which spin: on a busy
# machine the audio threads wait for them. For vectors it does from 10,000 samples on.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
