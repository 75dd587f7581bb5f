"""The server's half of the OpenAI Realtime dialects GA and Beta, without I/O: client events to commands, events to
server events.

`ServerCodec` translates, and `profile` tells whom it stands for and which dialect a client has chosen. Within it
`client_events` reads what a client sends, and `checks` refuses what is malformed; `session` and its three tables hold
the configuration, `conversation` and `items` what was said, `speech` the user's sound and its transcripts, `responses`
the ladder from `response.created` to `response.done`.
"""

from voicechat.dialects.openai.server.codec import ServerCodec
from voicechat.dialects.openai.server.profile import Dialect, ServerProfile, chosen_dialect

__all__ = ["Dialect", "ServerCodec", "ServerProfile", "chosen_dialect"]
