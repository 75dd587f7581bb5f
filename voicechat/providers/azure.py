"""Azure OpenAI: a deployment on a resource's own host, with its GA address or the older preview one."""

from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

from voicechat.dialects.openai.client import ClientProfile
from voicechat.errors import ConfigError
from voicechat.providers.base import ProviderOptions
from voicechat.providers.refusals import Hints
from voicechat.providers.service import RealtimeService
from voicechat.realtime.capabilities import Capabilities
from voicechat.wire.urls import path_of, query_value, realtime_url, rest_url

_GA_PATH = "/openai/v1/realtime"
_PREVIEW_PATH = "/openai/realtime"


class AzureOpenAI(RealtimeService):
    """`model` is the name of the deployment. The key goes into `api-key`, an Entra token into `Authorization`."""

    name = "azure"
    title = "Azure OpenAI"
    key_env = "AZURE_OPENAI_API_KEY"
    default_model = "gpt-realtime"  # what Azure proposes to call a deployment of it

    def __init__(self, options: ProviderOptions):
        super().__init__(options)
        in_url = query_value(options.url, "deployment") or query_value(options.url, "model")
        self.model = options.model or in_url or self.default_model
        version = options.api_version or query_value(options.url, "api-version")
        path = path_of(options.url)
        self._preview = "preview" in version or path == _PREVIEW_PATH
        self._version = version
        self.voice = options.voice or ("alloy" if self._preview else "marin")

    def url(self) -> str:
        if not self._options.url:
            raise ConfigError(
                "Azure OpenAI needs the host of your resource.",
                "Set AZURE_OPENAI_ENDPOINT or --url to RESOURCE.openai.azure.com.",
            )
        path = _PREVIEW_PATH if self._preview else _GA_PATH
        if self._preview:
            query = {"api-version": self._version or "2025-04-01-preview", "deployment": self.model}
        else:
            query = {"model": self.model}
        return realtime_url(_without_base_path(self._options.url), path, query)

    def headers(self) -> dict[str, str]:
        if self._options.token:
            return {"Authorization": f"Bearer {self._options.token}"}
        return {"api-key": self._options.api_key}

    def speech_url(self) -> str:
        if not self._preview:
            return rest_url(_without_base_path(self._options.url), "/openai/v1", "/audio/speech")
        version = self._version or "2025-04-01-preview"
        address = _without_base_path(self._options.url.partition("?")[0]).rstrip("/").removesuffix(_PREVIEW_PATH)
        return rest_url(address, f"/openai/deployments/{self.model}", "/audio/speech") + f"?api-version={version}"

    def speech_hints(self) -> Hints:
        deployment = "Check the deployment's name (--model): it must be of a text-to-speech model."
        return replace(self.hints(), model=deployment)

    def hints(self) -> Hints:
        version = "" if self._preview else " The GA address takes no api-version: remove it if you set one."
        return Hints(
            key=f"Check {self.key_env}: is it a key of this resource?{version}",
            model="Check the deployment's name (--model, AZURE_OPENAI_DEPLOYMENT): it must be of a realtime model.",
            url="Check the resource's host (--url, AZURE_OPENAI_ENDPOINT).",
        )

    def profile(self) -> ClientProfile:
        return ClientProfile(
            capabilities=Capabilities(
                supports_semantic_vad=True, supports_images=True, supports_asides=True, session_limit_s=1800.0
            ),
            dialect=self.dialect or ("beta" if self._preview else "ga"),
            voice=self.voice,
            audio_format=self.audio_format,
            takes_names=True,
            key_name=self.key_env,
        )


def _without_base_path(url: str) -> str:
    """Portals hand out `https://HOST/openai/v1/` and the like: the base says nothing, the version decides."""
    if path_of(url) not in ("/openai", "/openai/v1"):
        return url
    head, slashes, rest = url.rpartition("://")
    parts = urlsplit(f"//{rest}")
    rest = urlunsplit(("", parts.netloc, "", parts.query, "")).removeprefix("//")
    return f"{head}{slashes}{rest}"
