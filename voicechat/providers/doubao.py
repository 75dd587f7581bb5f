"""Doubao as a provider: address, credentials of both consoles, and what its refusals mean."""

import uuid

from voicechat.dialects.doubao import session_shape
from voicechat.dialects.doubao.audio import FORMS
from voicechat.dialects.doubao.codec import DoubaoCodec
from voicechat.dialects.doubao.errors import classify
from voicechat.errors import ConfigError, CredentialsError, VoicechatError
from voicechat.providers.base import ProviderOptions
from voicechat.providers.refusals import Hints, explain
from voicechat.wire.network import ConnectRequest
from voicechat.wire.urls import realtime_url

HOST = "wss://openspeech.bytedance.com"
PATH = "/api/v3/realtime/dialogue"
RESOURCE_ID = "volc.speech.dialog"
PUBLIC_APP_KEY = "PlgvMymc7f3tQnJ6"
"""The same for everybody: printed in the official document, no secret."""


class Doubao:
    """Implements `providers.base.Provider`. Making one checks nothing, `request` does."""

    name = "doubao"
    title = "Doubao (Volcengine)"

    def __init__(self, options: ProviderOptions):
        self._options = options
        self.model = options.model or session_shape.DEFAULT_MODEL
        self.voice = options.voice or session_shape.default_speaker(self.model)

    def __repr__(self) -> str:
        return f"Doubao(model={self.model!r}, voice={self.voice!r})"

    def request(self) -> ConnectRequest:
        """Where to connect. Raises CredentialsError without credentials, ConfigError for an address of no use."""
        if self._options.audio_format not in FORMS:
            raise ConfigError(
                f"{self.title} has no audio format {self._options.audio_format}.", f"It takes {', '.join(FORMS)}."
            )
        address = realtime_url(self._options.url or HOST, PATH, {}, ending="")
        return ConnectRequest(address, self._headers(), trace_header="X-Tt-Logid")

    def _headers(self) -> dict[str, str]:
        """App id and access token of the old console, or the one key of the new: mixed they are not understood."""
        options = self._options
        headers = {
            "X-Api-Resource-Id": RESOURCE_ID,
            "X-Api-App-Key": options.app_key or PUBLIC_APP_KEY,
            "X-Api-Connect-Id": str(uuid.uuid4()),
        }
        if options.app_id and options.access_key:
            return {"X-Api-App-ID": options.app_id, "X-Api-Access-Key": options.access_key, **headers}
        if options.api_key:
            return {"X-Api-Key": options.api_key, **headers}
        missing = [
            name
            for name, value in (("API_APP_ID", options.app_id), ("API_ACCESS_KEY", options.access_key))
            if not value
        ]
        raise CredentialsError(
            f"No credentials for {self.title}: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set.",
            "`voicechat setup doubao` asks for them and keeps them; API_APP_ID and API_ACCESS_KEY (the console's app "
            "id and access token), or DOUBAO_API_KEY (a key of the new console), in the environment or in a .env file "
            "do as well.",
        )

    def codec(self) -> DoubaoCodec:
        options = self._options
        return DoubaoCodec(
            session_shape.DialogueProfile(self.model, self.voice, options.audio_format, options.location)
        )

    def refusal(self, status: int | None, close_code: int | None, text: str) -> VoicechatError:
        """What an HTTP status of the handshake, or an early close, means and what to fix."""
        options = self._options
        key = "Check API_APP_ID and API_ACCESS_KEY: are they of the same app, and is it the access token?"
        if options.api_key and not (options.app_id and options.access_key):
            key = "Check DOUBAO_API_KEY: is it a key of the new console, and is the service switched on for it?"
        said = classify("", text, dead=True)
        hints = Hints(
            key=said.hint if said.severity == "fatal" and said.hint and "DOUBAO_API_KEY" not in key else key,
            model="Check the model's name (--model) and that the app may use it.",
        )
        return explain(self.title, self.model, hints, status, close_code, text)
