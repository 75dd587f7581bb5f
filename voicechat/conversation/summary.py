"""A conversation in figures: how long it was, what it took, and what it survived."""

from voicechat.audio.keeper import Sound
from voicechat.conversation.notices import EndNotice
from voicechat.conversation.recording import Recording
from voicechat.conversation.session import Session


def so_far(
    session: Session,
    sound: Sound,
    kept: Recording | None,
    underruns: int,
    dropped_uplink_ms: float,
    seconds: float,
    reason: str = "",
    exit_code: int = 0,
) -> EndNotice:
    """Until now; it is the end where there is a `reason` for it."""
    counters, usage = session.counters, session.usage
    return EndNotice(
        reason,
        exit_code,
        session.turns.begun,
        round(seconds, 3),
        sound.dropped_frames,
        underruns,
        counters.ignored_events,
        counters.broken_frames,
        counters.benign_errors,
        round(dropped_uplink_ms),
        sound.speaker_gaps,
        sound.microphone_gaps,
        str(kept.transcript) if kept is not None else "",
        usage.total.input_tokens,
        usage.total.output_tokens,
        usage.cost if usage.used else None,
        usage.currency,
    )
