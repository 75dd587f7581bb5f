"""The offline engine as a provider: the codec of the GA dialect, and a transport that needs no address."""

from voicechat.errors import ConnectionFailed, VoicechatError
from voicechat.offline.engine import OfflineSettings, connect, require
from voicechat.offline.synthesiser import DEFAULT_VOICE
from voicechat.providers.base import Capabilities, Codec, ConnectRequest, ProviderOptions
from voicechat.transport import Transport

CAPABILITIES = Capabilities(semantic_vad=True, images=False, tools=False)


class Offline:
    """Implements `providers.base.Provider`; `connect` takes the place of a WebSocket to `request`."""

    name = "offline"

    def __init__(self, options: ProviderOptions | None = None, settings: OfflineSettings | None = None):
        self._settings = settings or OfflineSettings()
        self.model = self._settings.model
        self.voice = (options.voice if options else "") or DEFAULT_VOICE

    def request(self) -> ConnectRequest:
        """An address for the record only. Raises ConfigError when the extra is not installed."""
        require()
        return ConnectRequest("memory://offline")

    def connect(self) -> Transport:
        """The client's end of a new session. Raises ConfigError when the extra is not installed."""
        return connect(self._settings)

    def codec(self) -> Codec:
        from voicechat.providers.openai_realtime import Profile, RealtimeCodec

        return RealtimeCodec(Profile(capabilities=CAPABILITIES, dialect="ga", voice=self.voice))

    def refusal(self, status: int | None, close_code: int | None, text: str) -> VoicechatError:
        return ConnectionFailed(f"The offline engine ended: {text or 'no reason given'}.", "Run again with --verbose.")
