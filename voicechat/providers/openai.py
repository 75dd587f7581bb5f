"""OpenAI's own service, and any server that speaks like it (`--url`)."""

from voicechat.dialects.openai.client import ClientProfile
from voicechat.providers.base import ProviderOptions
from voicechat.providers.service import RealtimeService
from voicechat.realtime.capabilities import Capabilities
from voicechat.wire.urls import host_of, query_value, realtime_url

_HOST = "api.openai.com"


class OpenAI(RealtimeService):
    name = "openai"
    title = "OpenAI"
    host = _HOST
    key_env = "OPENAI_API_KEY"
    default_model = "gpt-realtime-2.1"  # the first models, gpt-realtime among them, end in January 2027
    default_voice = "marin"

    def __init__(self, options: ProviderOptions):
        super().__init__(options)
        self._official = not options.url or host_of(options.url) == _HOST
        self.model = options.model or query_value(options.url, "model") or self.default_model
        if not self._official:
            self.voice = options.voice  # another server has other voices: let it choose

    def url(self) -> str:
        query = {} if query_value(self._options.url, "call_id") else {"model": self.model}
        return realtime_url(self._options.url or f"wss://{_HOST}", "/v1/realtime", query)

    def headers(self) -> dict[str, str]:
        headers = super().headers()
        if self._options.organization:
            headers["OpenAI-Organization"] = self._options.organization
        if self._options.project:
            headers["OpenAI-Project"] = self._options.project
        if self.dialect == "beta" and not self._official:
            headers["OpenAI-Beta"] = "realtime=v1"
        return headers

    def profile(self) -> ClientProfile:
        return ClientProfile(
            capabilities=Capabilities(
                supports_semantic_vad=True,
                supports_images="4o" not in self.model,
                supports_asides=self._official,
                session_limit_s=3600.0,
            ),
            dialect=self.dialect or ("ga" if self._official else None),
            voice=self.voice,
            audio_format=self.audio_format,
            takes_names=self._official,
            key_name=self.key_env,
        )
