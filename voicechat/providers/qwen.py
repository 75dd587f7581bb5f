"""Alibaba Cloud Model Studio (DashScope): Qwen-Omni-Realtime and Qwen-Audio-Realtime.

Hosts, formats and what each generation can do: Model Studio's documents of 2026. The generation is read from the
model's name, as DashScope's own SDK does.
"""

from urllib.parse import urlsplit, urlunsplit

from voicechat.dialects.openai.client import ClientProfile, Dialect
from voicechat.errors import ConfigError
from voicechat.providers.base import ProviderOptions
from voicechat.providers.refusals import Hints
from voicechat.providers.service import RealtimeService
from voicechat.realtime.capabilities import UPDATES, Capabilities
from voicechat.wire.network import ConnectRequest
from voicechat.wire.urls import query_value, realtime_url

_PATH = "/api-ws/v1/realtime"
_SPEECH_UPDATES = frozenset({"instructions", "tools"})
"""Of Qwen-Audio: voice and turn detection stay as they are after the first sound."""

_REGIONS = {
    "beijing": "cn-beijing",
    "china": "cn-beijing",
    "singapore": "ap-southeast-1",
    "intl": "ap-southeast-1",
    "international": "ap-southeast-1",
    "hongkong": "cn-hongkong",
    "hong-kong": "cn-hongkong",
    "virginia": "us-east-1",
    "frankfurt": "eu-central-1",
    "tokyo": "ap-northeast-1",
}
_SHARED_HOSTS = {
    "cn-beijing": "dashscope.aliyuncs.com",
    "cn-hongkong": "cn-hongkong.dashscope.aliyuncs.com",
    "ap-southeast-1": "dashscope-intl.aliyuncs.com",
    "us-east-1": "dashscope-intl.aliyuncs.com",
    "eu-central-1": "dashscope-intl.aliyuncs.com",
    "ap-northeast-1": "dashscope-intl.aliyuncs.com",
}


class Qwen(RealtimeService):
    name = "qwen"
    title = "Qwen (DashScope)"
    key_env = "DASHSCOPE_API_KEY"
    default_model = "qwen3.5-omni-flash-realtime"
    audio_formats = ("pcm16",)

    def __init__(self, options: ProviderOptions):
        super().__init__(options)
        self.model = options.model or query_value(options.url, "model") or self.default_model
        self.voice = options.voice or _default_voice(self.model)

    def url(self) -> str:
        address = self._options.url or self._host()
        return realtime_url(address, _PATH, {"model": self.model})

    def _host(self) -> str:
        asked = self._options.region.strip().lower() or "beijing"
        region = _REGIONS.get(asked, asked)
        if region not in _SHARED_HOSTS:
            known = ", ".join(("beijing", "singapore", "hongkong", *_SHARED_HOSTS))
            raise ConfigError(f"Qwen has no region {self._options.region}.", f"Known regions: {known}.")
        if self._options.workspace:
            return f"wss://{self._options.workspace}.{region}.maas.aliyuncs.com"
        return f"wss://{_SHARED_HOSTS[region]}"

    def headers(self) -> dict[str, str]:
        workspace = self._options.workspace
        return super().headers() | ({"X-DashScope-WorkSpace": workspace} if workspace else {})

    def inference_request(self) -> ConnectRequest:
        """Where speech synthesis by tasks is served (CosyVoice): the same host, key and workspace."""
        request = self.request()
        parts = urlsplit(request.url)
        path = parts.path.removesuffix("/realtime")
        if not path.endswith("/inference"):
            path += "/inference"
        return ConnectRequest(urlunsplit((parts.scheme, parts.netloc, path, "", "")), request.headers)

    def hints(self) -> Hints:
        model = "Check the model's name (--model): older Qwen models have been retired."
        if "3.8" in self.model and not self._options.workspace:
            model = "Qwen 3.8 is served on workspace hosts only: set the workspace id (DASHSCOPE_WORKSPACE)."
        return Hints(
            key=f"Check {self.key_env}: a key is bound to its region (Beijing and Singapore keys differ).", model=model
        )

    def profile(self) -> ClientProfile:
        dialect = _dialect(self.model)
        newer = "3.5" in self.model or "3.8" in self.model
        speech_only = dialect == "qwen_audio"
        return ClientProfile(
            capabilities=Capabilities(
                input_rate_hz=16_000,
                output_rate_hz=24_000,
                supports_semantic_vad=newer or speech_only,
                supports_interruption=True,
                supports_truncation=False,
                supports_images=not speech_only,
                image_bytes=190_000,  # in base64 within 256 kB
                image_interval_s=1.0,
                images_in_sound=True,
                supports_language=False,
                supports_deletion=speech_only,
                updates=_SPEECH_UPDATES if speech_only else UPDATES,
                supports_tools=newer or speech_only,
                # Message items beside tool results are undocumented before 3.5.
                supports_restoring=newer or speech_only,
                supports_call_items=speech_only,
                emits_session_finished=not speech_only,
                session_limit_s=7200.0,
            ),
            dialect=dialect,
            voice=self.voice,
            pcm_label="pcm" if newer or speech_only else "pcm16",
            sampling="turbo" not in self.model,
            key_name=self.key_env,
        )


def _dialect(model: str) -> Dialect:
    if model.startswith("qwen-audio"):
        return "qwen_audio"
    return "qwen_nested" if model.startswith("qwen3.8") else "qwen"


def _default_voice(model: str) -> str:
    """The documents disagree about Cherry on 3.5; a refusal falls back to the model's own default, Tina."""
    if model.startswith("qwen-audio"):
        return "longanqian"
    if model.startswith("qwen3.8"):
        return "Tina"
    return "Chelsie" if "turbo" in model else "Cherry"
