"""The OpenAI Realtime family of protocols: GA, Beta, and DashScope's (Qwen) variations of Beta.

`RealtimeCodec` translates; `ClientProfile` says for whom. `session_shape` writes the configuration of each dialect,
`client_events` the other commands, `server_events` reads what comes back, `negotiation` finds the form of the
configuration that a service accepts, `errors` knows what a complaint means.
"""

from voicechat.dialects.openai.client.codec import RealtimeCodec
from voicechat.dialects.openai.client.profile import ClientProfile, Dialect

__all__ = ["ClientProfile", "Dialect", "RealtimeCodec"]
