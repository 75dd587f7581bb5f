"""Any gateway that speaks the OpenAI Realtime protocol, New-API first of all. A token is sent when there is one."""

from voicechat.dialects.openai.client import ClientProfile
from voicechat.errors import ConfigError
from voicechat.providers.base import ProviderOptions
from voicechat.providers.refusals import Hints
from voicechat.providers.service import RealtimeService
from voicechat.realtime.capabilities import Capabilities
from voicechat.wire.urls import query_value, realtime_url


class NewAPI(RealtimeService):
    """Beta unless the gateway's `session.created` or the user says otherwise."""

    name = "newapi"
    title = "The gateway"
    key_env = "NEWAPI_API_KEY"
    default_model = "cosyvoice-v2"  # the model of New-API's realtime guide
    key_optional = True
    subprotocols = ("realtime",)

    def __init__(self, options: ProviderOptions):
        super().__init__(options)
        self.model = options.model or query_value(options.url, "model") or self.default_model

    def url(self) -> str:
        if not self._options.url:
            raise ConfigError(
                "The provider newapi needs the gateway's address.",
                "Give --url ws://HOST:3000/v1/realtime, or set NEWAPI_BASE_URL, or url under [providers.newapi].",
            )
        return realtime_url(self._options.url, "/v1/realtime", {"model": self.model})

    def hints(self) -> Hints:
        return Hints(
            key=f"Check the gateway's token in {self.key_env}.",
            model="Check the model's name (--model): the gateway must have a channel for it.",
        )

    def profile(self) -> ClientProfile:
        return ClientProfile(
            capabilities=Capabilities(supports_semantic_vad=True, supports_images=True, session_limit_s=1800.0),
            dialect=self.dialect,
            fallback="beta",
            voice=self.voice,
            audio_format=self.audio_format,
            key_name=self.key_env,
        )
