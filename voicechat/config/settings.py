"""Every setting, with its type, range and default. `config.example.toml` explains each one to the user.

Importing this module imports pydantic.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

DEFAULT_INSTRUCTIONS = (
    "You are a friendly voice assistant in a live spoken conversation. Answer in the language the user speaks, "
    "in one to three short sentences, as one says them aloud: no markdown, lists, headings, emoji or links. "
    "Say numbers, dates and units the way people speak them. If you did not understand, ask briefly."
)

TABLES = frozenset({"connection", "history", "mcp", "personas", "prices", "providers", "serve", "tools"})
"""The settings that are tables: they stand in the file only, apart from the services' own variables."""

AudioFormat = Literal["pcm16", "g711_ulaw", "g711_alaw"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, hide_input_in_errors=True)


class Persona(_Table):
    """A named way of talking: `[personas.NAME]`. What is empty is taken from the other settings."""

    instructions: str = ""
    voice: str = ""
    provider: str = ""
    greeting: str = ""
    name: str = ""
    style: str = ""


class ProviderSettings(_Table):
    """One service: `[providers.NAME]`. What is empty is the service's default."""

    api_key: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")
    url: str = ""
    model: str = ""
    voice: str = ""
    speech_model: str = ""
    speech_voice: str = ""
    dialect: Literal["", "ga", "beta"] = ""
    region: str = ""
    workspace: str = ""
    api_version: str = ""
    organization: str = ""
    project: str = ""
    app_id: str = ""
    access_key: SecretStr = SecretStr("")
    app_key: str = ""
    location: str = ""
    audio_format: Literal["", "pcm16", "g711_ulaw", "g711_alaw", "float32"] = ""
    ears: str = ""
    turns: str = ""
    language: str = ""
    chat_url: str = ""
    chat_model: str = ""
    chat_key: SecretStr = SecretStr("")


class Connection(_Table):
    """How a connection is watched, and made again after a drop: `[connection]`."""

    ping_interval_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    ping_timeout_s: Annotated[float, Field(gt=0, le=600)] = 15.0
    retry_delays_s: Annotated[list[Annotated[float, Field(ge=0, le=600)]], Field(max_length=100)] = [
        1.0, 2.0, 3.0, 4.0, 5.0
    ]  # fmt: skip
    retry_jitter: Annotated[float, Field(ge=0, le=1)] = 0.2
    retries_per_session: Annotated[int, Field(ge=0)] = 100


class History(_Table):
    """Whether conversations are kept, what of them, and for how long: `[history]`."""

    enabled: bool = False
    sound: bool = True
    keep_days: Annotated[int, Field(ge=0, le=36500)] = 0


Money = Annotated[float, Field(ge=0, le=1e9)]


class PriceSettings(_Table):
    """What a model costs, for a million tokens, a second or a message: `[prices."MODEL"]`."""

    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    input_text: Money | None = None
    input_audio: Money | None = None
    input_image: Money | None = None
    cached_text: Money | None = None
    cached_audio: Money | None = None
    cached_image: Money | None = None
    output_text: Money | None = None
    output_audio: Money | None = None
    spoken_text_free: bool = False
    second: Money | None = None
    message: Money | None = None


class ToolSettings(_Table):
    """Functions that the model may call: `[tools]`."""

    files: list[str] = []
    confirm: Literal["never", "writes", "always"] = "writes"
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    max_chars: Annotated[int, Field(ge=100, le=1_000_000)] = 8000
    max_in_a_row: Annotated[int, Field(ge=1, le=100)] = 8
    filler_after_ms: Annotated[int, Field(ge=0, le=60_000)] = 2000


class McpSettings(_Table):
    """A server of tools: `[mcp.NAME]`, either a program (`command`) or an address (`url`)."""

    command: str = ""
    args: list[str] = []
    env: dict[str, SecretStr] = {}
    cwd: str = ""
    url: str = ""
    headers: dict[str, SecretStr] = {}
    enabled: bool = True


class ServeToken(_Table):
    """Who may use the server: `[serve.tokens.NAME]`. What is not given is not limited."""

    hash: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    models: list[str] = ["*"]
    sessions: Annotated[int, Field(ge=1)] | None = None
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    minutes_per_day: Annotated[float, Field(gt=0)] | None = None
    spend_per_day: Annotated[float, Field(gt=0)] | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"


class Serve(_Table):
    """What `voicechat serve` offers to whom: `[serve]`."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8765
    cert: str = ""
    key: str = ""
    origins: list[str] = []
    max_sessions: Annotated[int, Field(ge=1)] = 200
    offline_sessions: Annotated[int, Field(ge=0)] | None = None
    session_minutes: Annotated[float, Field(gt=0, le=1440)] = 30.0
    drain_s: Annotated[float, Field(ge=0, le=3600)] = 30.0
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    redis: SecretStr = SecretStr("")
    models: dict[str, str] = Field(default_factory=dict)
    tokens: dict[str, ServeToken] = Field(default_factory=dict)


class Settings(_Table):
    """The whole of `config.toml`."""

    provider: str = "auto"
    model: str = ""
    voice: str = ""
    instructions: str = DEFAULT_INSTRUCTIONS
    persona: str = ""
    url: str = ""
    ca_file: str = ""
    language: str = ""
    transcription_model: str = ""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None

    turn: Literal["server", "semantic", "local"] = "server"
    silence_ms: Annotated[int, Field(ge=200, le=6000)] | None = None
    threshold: Annotated[float, Field(ge=-1, le=1)] | None = None
    barge_in: bool = True

    input_device: str = ""
    output_device: str = ""
    aec: bool = True
    agc: bool = False
    vad_aggressiveness: Annotated[int, Field(ge=0, le=3)] = 2
    vad_floor_dbfs: Annotated[float, Field(ge=-120, le=0)] | None = None
    audio_format: AudioFormat = "pcm16"

    save: str = ""
    max_cost: Annotated[float, Field(gt=0, le=1e9)] | None = None
    log_audio: bool = False

    connection: Connection = Field(default_factory=Connection)
    history: History = Field(default_factory=History)
    tools: ToolSettings = Field(default_factory=ToolSettings)
    mcp: dict[str, McpSettings] = Field(default_factory=dict)
    personas: dict[str, Persona] = Field(default_factory=dict)
    prices: dict[str, PriceSettings] = Field(default_factory=dict)
    providers: dict[str, ProviderSettings] = Field(default_factory=dict)
    serve: Serve = Field(default_factory=Serve)

    def provider_settings(self, name: str) -> ProviderSettings:
        """`[providers.NAME]`, empty when there is no such table."""
        return self.providers.get(name, ProviderSettings())
