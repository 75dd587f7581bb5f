"""A scripted Doubao realtime dialogue service on loopback, written from the protocol's document alone.

`wire` makes and reads the frames by hand: nothing here imports the client under test. `script` holds what a test
chooses, `session` the order of events, `server` sockets and credentials. Alone: `python -m tests.doubao_server`.
"""

from tests.doubao_server.script import Auth, Failure, Faults, Reply, Script
from tests.doubao_server.server import DoubaoServer

__all__ = ["Auth", "DoubaoServer", "Failure", "Faults", "Reply", "Script"]
