"""Talk with any realtime speech model from a terminal."""

import os

__version__ = "0.1.0"

# onnxruntime 1.29 and later tells its maker of each start, unless this is set before it is loaded. What runs on this
# machine needs no network and tells nobody; whoever wants it to sets 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
