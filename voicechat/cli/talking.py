"""What `vad`, `manual`, `say` and `demo` share: from options to a running conversation."""

import contextlib
import logging
import sys
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, TextIO

import typer

from voicechat.cli.options import TalkOptions
from voicechat.cli.telling import tell
from voicechat.errors import UsageError
from voicechat.redaction import RedactingFormatter

if TYPE_CHECKING:
    from voicechat.cli.slash.command import Origin
    from voicechat.config import Choice, Loaded
    from voicechat.conversation.plan import TalkPlan
    from voicechat.conversation.talk import Talk
    from voicechat.realtime.capabilities import Capabilities
    from voicechat.services import Service

Kind = Literal["vad", "manual", "say"]
DEFAULT_SILENCE_MS = 500


def talk(kind: Kind, options: TalkOptions, opening: str = "") -> None:
    """Hold one conversation; leaves with its exit code. Raises VoicechatError for what goes wrong before or in it."""
    check_streams(options)
    start_logging(options)
    from voicechat.config import choose_provider, load, with_key_file

    loaded = with_key_file(load(options.config, options.settings()), options.api_key_file)
    choice = choose_provider(loaded)
    for line in choice.notes:
        tell(line)
    if choice.fallback:
        tell(choice.fallback, dim=True)
    from voicechat.services import open_service

    service = open_service(choice, loaded.settings.connection, insecure=options.insecure)
    from voicechat.conversation.talk import Talk

    conversation = Talk(service.provider, service.connect, plan(kind, options, loaded, choice, service, opening))
    import asyncio

    from voicechat.cli.slash.command import Origin

    code = asyncio.run(hold(conversation, options, Origin(options, loaded, choice), reads_lines=kind != "say"))
    if code:
        raise typer.Exit(code)


async def hold(conversation: "Talk", options: TalkOptions, origin: "Origin", *, reads_lines: bool = True) -> int:
    """Join the conversation and its view, and run both. `reads_lines`: the user may type meanwhile."""
    from voicechat.audio.devices import private_stderr
    from voicechat.cli.slash import Controls
    from voicechat.tools.printed import stdout_kept_clean
    from voicechat.ui.factory import make_view

    sound_to_stdout = options.output == "-"
    plain = options.plain or sound_to_stdout
    kind: Literal["auto", "plain", "json"] = "json" if options.json else "plain" if plain else "auto"
    controls = Controls(conversation, patient=not sys.stdin.isatty(), origin=origin)
    interactive = reads_lines and "-" not in (options.input, *(options.image or []))
    with private_stderr():
        words = sys.stderr if sound_to_stdout else None
        view = make_view(
            kind, conversation.sound, controls, interactive=interactive, words=words, verbose=options.verbose
        )
        with log_held_back(kind == "auto" and sys.stdout.isatty()), stdout_kept_clean():
            try:
                return await conversation.run(view)
            finally:
                controls.desk.close()


def check_streams(options: TalkOptions) -> None:
    """stdout carries either sound or words, stdin either sound, a picture or lines. A file must be one that can be
    written."""
    if [options.input, *(options.image or [])].count("-") > 1:
        raise UsageError("Only one of --input - and --image - can have stdin.", "Name a file for the others.")
    if options.output == "-" and options.json:
        raise UsageError("--output - and --json both want stdout.", "Write the sound to a file.")
    if options.output == "-" and sys.stdout.isatty():
        raise UsageError("Raw sound does not belong on a terminal.", "--output - is for pipes: voicechat … | aplay …")
    if options.output:
        from voicechat.audio.encode import encoding_of, require

        require(encoding_of(options.output))


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever `sys.stderr` is at that moment: it changes while a conversation runs."""

    held: deque[logging.LogRecord] | None = None
    """Where records wait while a live view owns the terminal; the last of them are kept."""

    def emit(self, record: logging.LogRecord) -> None:
        if self.held is not None:
            self.held.append(record)
            return
        self.stream = sys.stderr
        super().emit(record)


@contextlib.contextmanager
def log_held_back(wanted: bool) -> Iterator[None]:
    """Log lines in the middle of a live view would tear it apart: they are written when it is over."""
    handlers = [h for h in logging.getLogger("voicechat").handlers if isinstance(h, StderrHandler) and wanted]
    for handler in handlers:
        handler.held = deque(maxlen=1000)
    try:
        yield
    finally:
        for handler in handlers:
            held, handler.held = handler.held, None
            for record in held or ():
                handler.emit(record)


def start_logging(options: TalkOptions) -> None:
    """--verbose to stderr, --log-file to a file, with the frames on the wire; else only warnings of ours, to stderr.

    Only what we log ourselves: the debug log of the WebSocket library would hold the key.
    """
    level = logging.DEBUG if options.verbose or options.log_file else logging.WARNING
    try:
        handler = logging.FileHandler(options.log_file, encoding="utf-8") if options.log_file else StderrHandler()
    except OSError as error:
        raise UsageError(
            f"{options.log_file} cannot be written: {error.strerror}.", "--log-file takes a file."
        ) from error
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname).1s %(name)s: %(message)s"))
    ours = logging.getLogger("voicechat")
    ours.handlers, ours.propagate = [handler], False
    ours.setLevel(level)
    if logging.lastResort is not None:  # where the warnings of libraries go
        logging.lastResort.setFormatter(RedactingFormatter("%(message)s"))
    logging.getLogger("voicechat.wire.wirelog").setLevel(logging.DEBUG if options.log_file else logging.WARNING)


def turn_detection_of(asked: str, capabilities: "Capabilities", name: str) -> str:
    """Who finds the turns, `asked` or the next best that the service has; said where it is not what was asked for."""
    if asked == "semantic" and capabilities.supports_semantic_vad:
        return asked
    found, whose = ("server", "the server's") if capabilities.supports_server_vad else ("local", "this machine's")
    if asked in (found, "local"):
        return asked
    tell(f"{name} has no {asked} turn detection: {whose} voice detection is used.")
    return found


def plan(
    kind: Kind, options: TalkOptions, loaded: "Loaded", choice: "Choice", service: "Service", opening: str
) -> "TalkPlan":
    """Everything a conversation is made of, from settings and flags."""
    from voicechat.audio.engine import AudioPlan
    from voicechat.cli.keeping import gone_on_with, keeping
    from voicechat.cli.pictures import pictures
    from voicechat.cli.pricing import pricing
    from voicechat.cli.role import checked_language, read_context, role
    from voicechat.cli.tooling import tool_plan
    from voicechat.conversation.plan import TalkPlan
    from voicechat.conversation.turn_taking import TurnTaking
    from voicechat.realtime.commands import SessionConfig, TurnDetection
    from voicechat.wire.retry import PATIENT_DELAYS_S, RetryPolicy

    settings = loaded.settings
    capabilities = service.provider.codec().capabilities
    turn_kind = turn_detection_of(settings.turn, capabilities, choice.name)
    local = turn_kind == "local"
    silence_ms = settings.silence_ms or DEFAULT_SILENCE_MS
    detection = TurnDetection(
        "semantic" if turn_kind == "semantic" else "server",
        threshold=settings.threshold,
        silence_ms=silence_ms,
        interrupt_response=settings.barge_in,
    )
    language, context = checked_language(settings.language), read_context(options.context)
    told = role(choice.instructions, choice.assistant, choice.style, context, capabilities, language)
    greeting = choice.greeting if options.greeting is None else options.greeting
    config = SessionConfig(
        instructions=told.instructions,
        voice=service.provider.voice,
        turn_detection=detection if kind == "vad" and not local else None,
        transcription_model=settings.transcription_model,
        language=language,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        greeting=greeting if kind != "say" else "",
        name=choice.assistant,
        style=told.style,
        context=told.context,
        source=_source(kind, options, turn_kind),
    )
    past = gone_on_with(options.continues, settings)
    price = pricing(service, choice, settings)
    keep = keeping(settings, {"command": kind, "persona": choice.persona, "continues": past.id if past else ""})
    audio = AudioPlan(
        options.input,
        options.output,
        settings.input_device,
        settings.output_device,
        microphone=kind != "say",
        vad_aggressiveness=settings.vad_aggressiveness,
        vad_floor_dbfs=settings.vad_floor_dbfs,
        cancel_echo=settings.aec,
        gain_control=settings.agc,
        keep_reference=keep is not None and keep.sound,
    )
    turn_taking = TurnTaking(kind == "vad", local and kind == "vad", settings.barge_in, silence_ms)
    watch = settings.connection
    # What was configured is meant; a script is told soon, somebody who sits there sees it and can end it.
    patient = not loaded.rank("connection.retry_delays_s") and kind != "say" and not options.json and _somebody_there()
    delays_s = PATIENT_DELAYS_S if patient else tuple(watch.retry_delays_s)
    return TalkPlan(
        config,
        turn_taking,
        audio,
        opening,
        kind == "say",
        turn_kind,
        choice.called,
        keep,
        past,
        price,
        settings.max_cost,
        RetryPolicy(delays_s, watch.retry_jitter, watch.retries_per_session),
        detection=None if local else detection,
        pictures=pictures(options.image or [], capabilities.image_bytes),
        tools=tool_plan(options, loaded, capabilities, choice.name),
    )


def _somebody_there() -> bool:
    """At the keyboard, and before the screen."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _source(kind: Kind, options: TalkOptions, turn_kind: str) -> Literal["microphone", "push_to_talk", "file", "text"]:
    """Where the user's turns come from, for services that want to know."""
    if kind == "say":
        return "text"
    if kind == "manual" or turn_kind == "local":
        return "push_to_talk"
    return "file" if options.input else "microphone"
