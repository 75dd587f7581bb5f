"""Commands that tell how things are: `/help`, `/stats`, `/doctor`, `/tools`."""

from voicechat.cli.slash.command import Command, Desk, Mode

KEYS: dict[Mode, tuple[tuple[str, str], ...]] = {
    "vad": (("Enter, Esc", "silence the answer"), ("Tab", "completes a command")),
    "manual": (
        ("Enter", "begins your turn, and ends it"),
        ("Esc", "silences the answer"),
        ("Tab", "completes a command"),
    ),
}


def helped(desk: Desk, argument: str, there: list[Command]) -> None:
    """Every command that is there, or those that `argument` names."""
    mode = desk.mode
    wanted = f"/{argument.lower().removeprefix('/').split()[0]}" if argument else ""
    found = [each for each in there if not wanted or wanted in (each.name, *each.others)] or there
    keys = [("a line", "is a typed turn"), *KEYS[mode]] if len(found) > 1 else []
    desk.talk.warn("help", aligned([*keys, *((f"{each.name} {each.usage}", _line(each, mode)) for each in found)]))


def _line(command: Command, mode: Mode) -> str:
    also = f" (also {', '.join(command.others)})" if command.others else ""
    return f"{command.line(mode)}{also}"


def stats(desk: Desk, argument: str) -> None:
    from voicechat.ui.wording import stats

    talk = desk.talk
    talk.warn("stats", "\n".join([stats(talk.usage, talk.elapsed_s), *talk.latencies.summary()]))


def doctor(desk: Desk, argument: str) -> None:
    """What can be told without interrupting the talk; `voicechat doctor` measures more."""
    talk = desk.talk
    sound, session = talk.sound, talk.session
    level, played = sound.microphone_dbfs(), sound.speaker_dbfs()
    heard = "digital silence: is it muted?" if level == float("-inf") else f"{level:.0f} dBFS at this moment"
    speaks = "silent" if played == float("-inf") else f"{played:.0f} dBFS"
    way, echo = talk.line.round_trip_ms, sound.echo_delay_ms
    loss = talk.so_far()
    losses = {
        "underruns": loss.underruns,
        "gaps of the speaker": loss.speaker_gaps,
        "gaps of the microphone": loss.microphone_gaps,
        "frames lost here": loss.dropped_input_frames,
        "ms of sound not sent": loss.dropped_uplink_ms,
        "broken frames": loss.broken_frames,
    }
    rows = [
        ("service", f"{talk.service_name}: {'connected' if session.ready else 'not connected'}"),
        ("session", " · ".join(filter(None, (session.session_id, talk.line.trace))) or "without a name"),
        ("round trip", "not measured" if way is None else f"{way:.0f} ms to the service and back"),
        ("microphone", f"{sound.input_name or 'none'}, {'muted' if sound.muted else heard}"),
        ("speaker", f"{sound.output_name or 'none'}, {sound.output_latency_ms:.0f} ms behind, {speaks}"),
        ("echo", _echo(sound.cancels_echo, echo)),
        ("losses", ", ".join(f"{number} {name}" for name, number in losses.items() if number) or "none"),
        ("", "`voicechat doctor` measures more."),
    ]
    desk.tell(aligned(rows))


def _echo(cancelled: bool, delay_ms: float | None) -> str:
    if not cancelled:
        return "not cancelled: use headphones"
    return "cancelled, " + ("none was heard yet" if delay_ms is None else f"it comes after {delay_ms:.0f} ms")


def tools(desk: Desk, argument: str) -> None:
    desk.tell(desk.workshop.tools())


def tasks(desk: Desk, argument: str) -> None:
    desk.tell(desk.workshop.tasks())


def aligned(rows: list[tuple[str, str]]) -> str:
    """Two columns."""
    width = max((len(name.rstrip()) for name, _ in rows), default=0)
    return "\n".join(f"{name.rstrip():<{width}}  {words}" for name, words in rows)
