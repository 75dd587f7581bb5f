"""Finding a configuration the service accepts: which dialect it speaks, and what it wants left out.

Four things may be refused, each once: the dialect, the voice, semantic turn detection, the transcription model.
A second complaint about the same thing is an ordinary error.
"""

import re
from dataclasses import replace

from voicechat.dialects.complaints import Complaint
from voicechat.dialects.fields import Json
from voicechat.dialects.openai.client.profile import ClientProfile, Dialect
from voicechat.dialects.openai.client.session_shape import Terms
from voicechat.realtime.commands import SessionConfig
from voicechat.realtime.events import ConfigureAgain

_BETA_KEYS = ("modalities", "input_audio_format", "output_audio_format", "turn_detection", "voice")
_GA_KEYS = ("type", "audio", "output_modalities")
_VOICE_LOCKS: tuple[Dialect, ...] = ("ga", "beta", "qwen_audio")


def dialect_of(session: Json) -> Dialect | None:
    """The dialect a `session.created` shows by its keys, None when it shows none."""
    if "type" in session or "audio" in session:
        return "ga"
    if "modalities" in session or "input_audio_format" in session:
        return "beta"
    return None


class Negotiation:
    """The terms of one session. `configured` turns true with the service's first `session.updated`."""

    def __init__(self, profile: ClientProfile):
        self._profile = profile
        self._known = profile.dialect is not None
        self._terms = Terms(
            profile.dialect or profile.fallback, semantic_vad=profile.capabilities.supports_semantic_vad
        )
        self._tried: set[str] = set()
        self._refused_voice = ""
        self._sent: tuple[Terms, SessionConfig] | None = None
        self._sent_id = ""
        self._superseded: set[str] = set()
        self.configured = False
        self.voice_locked = False

    @property
    def dialect(self) -> Dialect:
        return self._terms.dialect

    @property
    def semantic_vad(self) -> bool:
        return self._terms.semantic_vad

    @property
    def voice_settled(self) -> bool:
        """The session keeps its voice: the service has spoken."""
        return self.voice_locked and self.dialect in _VOICE_LOCKS

    def created(self, session: Json) -> None:
        """Learn the dialect from `session.created`, unless it is known."""
        if not self._known:
            self._terms = replace(self._terms, dialect=dialect_of(session) or self._terms.dialect)

    def terms(self, config: SessionConfig, event_id: str) -> Terms:
        """The terms for the `session.update` called `event_id`, which complaints will be compared with."""
        voice = config.voice or ("" if self._refused_voice else self._profile.voice)
        if voice == self._refused_voice or self.voice_settled:
            voice = ""  # once the service has spoken, naming a voice may cost the whole update
        terms = replace(self._terms, voice=voice)
        self._sent, self._sent_id = (terms, config), event_id
        return terms

    def about_configuration(self, complaint: Complaint) -> bool:
        """Whether `complaint` refuses the first configuration as a whole."""
        return (
            self._sent is not None
            and not self.configured
            and complaint.event_id in ("", self._sent_id)
            and (bool(complaint.event_id) or complaint.param.startswith("session."))
        )

    def superseded(self, complaint: Complaint) -> bool:
        """Whether `complaint` is one more about an update that a later one has replaced."""
        return complaint.event_id in self._superseded

    def again(self, complaint: Complaint) -> ConfigureAgain | None:
        """How to try again after `complaint`, None when there is nothing (more) to change."""
        if self._sent is None:
            return None
        terms, config = self._sent
        if complaint.event_id and complaint.event_id != self._sent_id:
            return None
        for subject, attempt in (
            ("dialect", self._other_dialect),
            ("semantic_vad", self._without_semantic_vad),
            ("transcription", self._without_transcription),
            ("voice", self._without_voice),
        ):
            if subject not in self._tried and (again := attempt(complaint, terms, config)):
                self._tried.add(subject)
                self._superseded.add(self._sent_id)
                return again
        return None

    def _other_dialect(self, complaint: Complaint, terms: Terms, config: SessionConfig) -> ConfigureAgain | None:
        other: Dialect
        if self.configured:
            return None
        if terms.dialect == "ga":
            other, foreign = "beta", _unknown(complaint, _GA_KEYS)
        elif terms.dialect == "beta":
            missing = complaint.code == "missing_required_parameter" or "missing required" in complaint.message.lower()
            other, foreign = "ga", _unknown(complaint, _BETA_KEYS) or (missing and _names(complaint, ("type",)))
        else:
            return None
        if not foreign:
            return None
        self._terms = replace(self._terms, dialect=other)
        return ConfigureAgain(f"the service speaks the {other} dialect")

    def _without_semantic_vad(self, complaint: Complaint, terms: Terms, config: SessionConfig) -> ConfigureAgain | None:
        asked = config.turn_detection is not None and config.turn_detection.kind == "semantic" and terms.semantic_vad
        told = "turn_detection" in complaint.param or re.search(
            r"semantic_vad|smart_turn|turn.detection", complaint.message
        )
        if not (asked and told):
            return None
        self._terms = replace(self._terms, semantic_vad=False)
        return ConfigureAgain("semantic turn detection was refused")

    def _without_transcription(
        self, complaint: Complaint, terms: Terms, config: SessionConfig
    ) -> ConfigureAgain | None:
        told = "transcri" in complaint.param or (not self.configured and "transcri" in complaint.message.lower())
        if not (config.transcribe and terms.transcription and told):
            return None
        self._terms = replace(self._terms, transcription=False)
        return ConfigureAgain("the transcription model was refused")

    def _without_voice(self, complaint: Complaint, terms: Terms, config: SessionConfig) -> ConfigureAgain | None:
        # Some services accept the update and refuse the voice a little later; then it must be named to be meant.
        message = complaint.message.lower()
        told = "voice" in complaint.param or (
            re.search(r"\bvoice\b", message) is not None and (not self.configured or terms.voice.lower() in message)
        )
        if not (terms.voice and told) or self.voice_locked:
            return None
        self._refused_voice = terms.voice
        return ConfigureAgain("the voice was refused", voice_dropped=terms.voice)


def _names(complaint: Complaint, keys: tuple[str, ...]) -> bool:
    """Whether the complaint is about one of these keys of the session itself, by `param` or in its text."""
    if complaint.param:
        return any(complaint.param == f"session.{key}" for key in keys)
    return any(re.search(rf"\bsession\.{key}\b(?!\.)", complaint.message) for key in keys)


def _unknown(complaint: Complaint, keys: tuple[str, ...]) -> bool:
    unknown = complaint.code == "unknown_parameter" or "unknown parameter" in complaint.message.lower()
    return unknown and _names(complaint, keys)
