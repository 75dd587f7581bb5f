"""What the providers of the OpenAI Realtime family share: key, address, codec and the reading of refusals."""

from dataclasses import replace

from voicechat.dialects.openai.client import ClientProfile, Dialect, RealtimeCodec
from voicechat.dialects.openai.client.profile import AudioFormat
from voicechat.errors import ConfigError, CredentialsError, VoicechatError
from voicechat.providers.base import ProviderOptions
from voicechat.providers.refusals import Hints, explain
from voicechat.wire.network import ConnectRequest
from voicechat.wire.urls import rest_url

_FORMATS: dict[str, AudioFormat] = {"pcm16": "pcm16", "g711_ulaw": "g711_ulaw", "g711_alaw": "g711_alaw"}
_DIALECTS: dict[str, Dialect] = {"ga": "ga", "beta": "beta"}


class RealtimeService:
    """Base of those providers; implements `providers.base.Provider`. Making one checks nothing, `request` does."""

    name = ""
    title = ""
    key_env = ""
    default_model = ""
    default_voice = ""
    key_optional = False
    host = ""
    """Where the service is, when no address is given."""
    subprotocols: tuple[str, ...] = ()
    audio_formats: tuple[str, ...] = tuple(_FORMATS)
    auth_header = "Authorization"
    auth_scheme = "Bearer"
    """What stands before the key in that header; "" for the key alone."""

    def __init__(self, options: ProviderOptions):
        self._options = options
        self.model = options.model or self.default_model
        self.voice = options.voice or self.default_voice

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r}, voice={self.voice!r})"

    def request(self) -> ConnectRequest:
        """Where to connect. Raises CredentialsError without a key, ConfigError for an address or option of no use."""
        self._check_options()
        if not (self._options.api_key or self._options.token or self.key_optional):
            raise CredentialsError(
                f"No key for {self.title}: {self.key_env} is not set.",
                f"`voicechat setup {self.name}` asks for one and keeps it; {self.key_env} in the environment or in a "
                ".env file does as well.",
            )
        return ConnectRequest(self.url(), self.headers(), self.subprotocols)

    def _check_options(self) -> None:
        dialect, audio_format = self._options.dialect.lower(), self._options.audio_format
        if dialect and dialect not in _DIALECTS:
            raise ConfigError(f"There is no dialect {dialect}.", f"Known dialects: {', '.join(_DIALECTS)}.")
        if audio_format not in self.audio_formats:
            raise ConfigError(
                f"{self.title} has no audio format {audio_format}.", f"It takes {', '.join(self.audio_formats)}."
            )

    def url(self) -> str:
        raise NotImplementedError

    def headers(self) -> dict[str, str]:
        """The request headers; they hold the key."""
        key = self._options.api_key or self._options.token
        return {self.auth_header: f"{self.auth_scheme} {key}".strip()} if key else {}

    def speech_url(self) -> str:
        """Where its `POST /v1/audio/speech` is. Raises ConfigError for an address of no use."""
        return rest_url(self._options.url or f"https://{self.host}", "/v1", "/audio/speech")

    def speech_hints(self) -> Hints:
        """What to check when that is refused."""
        return replace(self.hints(), model="Check the names of the model and the voice (--model, --voice).")

    def profile(self) -> ClientProfile:
        raise NotImplementedError

    def hints(self) -> Hints:
        return Hints(
            key=f"Check {self.key_env}: wrong, expired, or of another account?",
            model="Check the model's name (--model) and that the account may use it.",
        )

    def codec(self) -> RealtimeCodec:
        return RealtimeCodec(self.profile())

    def refusal(self, status: int | None, close_code: int | None, text: str) -> VoicechatError:
        """What an HTTP status of the handshake, or an early close, means and what to fix."""
        return explain(self.title, self.model, self.hints(), status, close_code, text)

    @property
    def dialect(self) -> Dialect | None:
        """The dialect the user insists on."""
        return _DIALECTS.get(self._options.dialect.lower())

    @property
    def audio_format(self) -> AudioFormat:
        return _FORMATS.get(self._options.audio_format, "pcm16")
