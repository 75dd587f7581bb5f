"""The sentences all views share."""

from voicechat.conversation import notices as note
from voicechat.ui.text import clean

NOT_UNDERSTOOD = "(not understood)"
NO_WORDS = "(no words)"
SILENCED = "(stopped before it spoke)"
ASSISTANT = "assistant"
TRY = "Say something: try “What time is it?”"
TRY_MANUAL = "Press Enter, speak, then Enter: try “What time is it?”"
OWN_WORDS = frozenset({"help", "mute", "connection", "microphone_heard", "stats", "command", "consent"})
"""Codes of warnings that warn of nothing: the program answers what the user asked of it."""


def seconds(ms: float) -> str:
    """`0.62 s`, `12.3 s`."""
    return f"{ms / 1000:.2f} s" if ms < 9_995 else f"{ms / 1000:.1f} s"


def after(latency_ms: float) -> str:
    """How long the answer took to come: `after 0.62 s`."""
    return f"after {seconds(latency_ms)}"


def opening(notice: note.SessionNotice) -> str:
    """What somebody who has never seen it may do."""
    return TRY_MANUAL if notice.turn == "manual" else TRY


def speaker(notice: note.SessionNotice) -> str:
    """What the assistant is called: by its persona, else by a voice that is a name; one like a file's is none."""
    name = notice.assistant.strip() or notice.voice.strip()
    return name if notice.assistant.strip() or name.isalpha() else ASSISTANT


def clock(elapsed_s: float) -> str:
    """`3:12`, `1:03:12`."""
    minutes, rest = divmod(int(max(elapsed_s, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def count(number: int) -> str:
    """`950`, `1.2k`, `3.4M`."""
    if number < 1_000:
        return str(number)
    return f"{number / 1_000:.1f}k" if number < 999_950 else f"{number / 1_000_000:.1f}M"


def cost(amount: float | None, currency: str | None) -> str:
    """`$0.0123`; "" where it is not known, or nothing was used."""
    return "" if amount is None else note.money(amount, currency)


def stats(usage: note.UsageNotice | None, elapsed_s: float) -> str:
    """What the session took and cost so far, for `/stats`: a line for each meter that has run."""
    if usage is None:
        return f"{clock(elapsed_s)} so far; the service has told of no usage yet."
    spent = cost(usage.session_cost, usage.currency)
    lines = [f"{clock(elapsed_s)} so far, {spent or 'at a price that is not known'}"]
    last = cost(usage.cost, usage.currency)
    lines.append(
        f"tokens: {count(usage.session_input_tokens)} in, {count(usage.session_output_tokens)} out; the last answer "
        f"{count(usage.input_tokens)} in ({count(usage.input_audio_tokens)} of sound, {count(usage.cached_tokens)} "
        f"from the cache), {count(usage.output_tokens)} out{f', {last}' if last else ''}"
    )
    if usage.session_seconds:
        lines.append(f"seconds: {usage.session_seconds:.1f}")
    if usage.session_messages:
        lines.append(f"messages: {usage.session_messages}")
    return "\n".join(lines)


def latency_ms(notice: note.LatencyNotice) -> float | None:
    """The figure to show for a turn: to the first sound, or to the first sign of an answer where none was heard."""
    for value in (notice.voice_to_voice_ms, notice.first_audio_ms, notice.first_token_ms):
        if value is not None:
            return value
    return None


def split_heard(turn: note.AssistantTurn) -> tuple[str, str]:
    """The words that were heard, and those that were not because the answer was interrupted."""
    if not turn.interrupted:
        return turn.text, ""
    length = 0
    for heard, said in zip(turn.heard, turn.text, strict=False):
        if heard != said:
            break
        length += 1
    return turn.text[:length], turn.text[length:]


def interrupted(turn: note.AssistantTurn) -> str:
    return f"interrupted at {turn.heard_ms / 1000:.1f} s"


def service(notice: note.SessionNotice) -> str:
    """`qwen · qwen3.5-omni-flash-realtime · Cherry`."""
    return " · ".join(clean(part) for part in (notice.provider, notice.model, notice.voice) if part)


def reconnected(notice: note.SessionNotice) -> str:
    if notice.state_restored:
        return changed(notice) or "connected again; the conversation was restored"
    words = "only the latest part of the conversation was restored"
    return f"{changed(notice)} O{words[1:]}." if notice.change else f"connected again; {words}"


def changed(notice: note.SessionNotice) -> str:
    """What the user has changed, as one sentence each."""
    turns = "Enter begins and ends your turn." if notice.turn == "manual" else "Hands free: it answers when you pause."
    voice = clean(notice.voice) or "the model's own"
    sentences = {
        "voice": f"The voice is now {voice}.",
        "instructions": "The instructions are changed.",
        "persona": "The persona is changed.",
        "turns": turns,
        "clear": "The conversation begins afresh.",
    }
    return " ".join(sentences[what] for what in notice.change.split() if what in sentences)


def summary(notice: note.EndNotice, *, guides: bool = False) -> str:
    """`5 turns in 3:12 · $0.04 · 2 stutters · kept in FILE`: faults are told only when there were any. `guides`:
    somebody may not know how a conversation is kept, and gone on with."""
    said = _several(notice.turns, "turn") if notice.turns else "nothing was said"
    parts = [f"{said} in {clock(notice.seconds)}"]
    parts += [spent] if (spent := cost(notice.cost, notice.currency)) else []
    for number, name in (
        (notice.underruns, "stutter"),
        (notice.speaker_gaps, "pause of the speaker"),
        (notice.microphone_gaps, "gap in your voice"),
        (notice.dropped_input_frames, "piece of your voice lost"),
        (notice.broken_frames, "message of the service not understood"),
    ):
        if number:
            parts.append(_several(number, name))
    if notice.dropped_uplink_ms:
        parts.append(f"{seconds(notice.dropped_uplink_ms)} of your sound not sent")
    if notice.saved:
        parts.append(f"kept in {clean(notice.saved)}")
        parts += ["the same with --continue goes on"] if guides and notice.turns and notice.reason == "quit" else []
    elif guides and notice.turns and notice.reason == "quit":
        parts.append("not kept (--save DIR keeps the next one)")
    return " · ".join(parts)


def picture(notice: note.PictureNotice) -> str:
    """`cat.jpg (1280×853, 112 KB)`."""
    return f"{clean(notice.name)} ({notice.width}×{notice.height}, {max(round(notice.bytes / 1000), 1)} KB)"


def tool(notice: note.ToolNotice) -> str:
    """`get_weather({"city": "Paris"}) → 18 °C`, on one line of bearable length."""
    call = f"{clean(notice.name)}({_shorten(clean(notice.arguments), 80)})"
    if not notice.output:
        return call if notice.ok else f"{call} failed"
    return f"{call} {'→' if notice.ok else 'failed:'} {_shorten(clean(notice.output), 120)}"


def _several(number: int, name: str) -> str:
    """`1 piece of it`, `2 pieces of it`."""
    first, space, rest = name.partition(" ")
    return f"{number} {first}{'' if number == 1 else 's'}{space}{rest}"


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def lost(notice: note.ConnectionNotice) -> str:
    """The line is down."""
    return f"connection lost: {clean(notice.message)}"


def connection(notice: note.ConnectionNotice) -> str:
    """The line is down, and when it is tried again."""
    which = "" if notice.attempt == 1 else f" (attempt {notice.attempt})"
    when = f"in {notice.in_s:.0f} s" if notice.in_s else "now"
    return f"{lost(notice)} Trying again {when}{which}."
