"""What a codec is told about the service it talks to."""

from dataclasses import dataclass, field
from typing import Literal

from voicechat.realtime.capabilities import Capabilities

Dialect = Literal["ga", "beta", "qwen", "qwen_nested", "qwen_audio"]
"""`ga` and `beta` are OpenAI's; `qwen` is DashScope's flat session, `qwen_nested` that of the 3.8 generation,
`qwen_audio` that of Qwen-Audio-Realtime."""

AudioFormat = Literal["pcm16", "g711_ulaw", "g711_alaw"]

OPENAI_DIALECTS: tuple[Dialect, ...] = ("ga", "beta")


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """A service, as far as the wire is concerned. Only a dialect known for sure is given.

    With `dialect` None the dialect is read from `session.created`, and `fallback` holds until and unless that tells.
    """

    capabilities: Capabilities = field(default_factory=Capabilities)
    dialect: Dialect | None = None
    fallback: Dialect = "ga"
    voice: str = ""
    """Asked for when the configuration names none; "" leaves it to the service."""
    audio_format: AudioFormat = "pcm16"
    """Both ways on the wire. The law-coded ones are 8 kHz, and so are then the codec's capabilities."""
    flat_fields: frozenset[str] = frozenset()
    """Which of `voice` and `turn_detection` stand at the top of a GA session, as they did in Beta (xAI)."""
    model: str = ""
    """Asked for inside the session, where a service does not take it from the address (ElevenLabs)."""
    pcm_label: str = "pcm16"
    """How the flat session calls s16le: DashScope's newer models say `pcm`."""
    transcription_model: str = ""
    sampling: bool = True
    """The session accepts `temperature` (the dialects that have it at all)."""
    takes_names: bool = False
    """The service is known to take the names that we give to new items. Others might refuse an item for its name."""
    key_name: str = "the API key"
    """What to check when the key is refused: the name of an environment variable."""
