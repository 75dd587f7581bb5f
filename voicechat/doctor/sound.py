"""Microphone, speaker and the way between them: what is measured, and what it means."""

import contextlib
from collections.abc import Callable
from typing import TypeVar

from voicechat.audio.devices import Backend, DeviceInput
from voicechat.audio.echo_watch import FAR_MS, LEAST_CLARITY
from voicechat.audio.permission import how_to_unmute, zeros
from voicechat.audio.vad import VoiceDetector
from voicechat.doctor.bench import CAPTURE_HZ, RENDER_HZ, Bench
from voicechat.doctor.checks import Check, attempt, failed, not_tested
from voicechat.doctor.signals import (
    CHIRP_S,
    MOST_ECHO_S,
    Samples,
    chirp,
    describe,
    find_echo,
    level_dbfs,
    reduction_db,
    speech_like,
)
from voicechat.errors import AudioError, VoicechatError

DEVICES, MICROPHONE, LEVEL, SPEAKER = "devices", "microphone", "microphone level", "speaker"
ECHO, CANCELLATION = "echo", "echo cancellation"
NAMES = (DEVICES, MICROPHONE, LEVEL, SPEAKER, ECHO, CANCELLATION)

SETTLE_S = 0.3
"""What a microphone gives right after it was opened is often a click, or nothing."""
SILENCE_S = 1.0
SPEECH_S = 3.0
LEARNING_S = 0.5
"""The first part of the speech is the canceller's to find the echo; cancellation is measured after it."""
NOISY_DBFS = -40.0
MOST_DELAY_MS = 400.0
"""The canceller models no more than this between a reference block and its echo. In a conversation what comes later is
found beside it."""
MOST_VOICED_MS = 200
"""What is left of an echo may sound like a voice for no longer: services and our own detector then hear a turn."""

TORN_MS, REPEATS = 1.0, 2
"""An echo that moves by more while it is cancelled shows what a standstill does, not the canceller."""

T = TypeVar("T")


def sound_checks(input_device: str, output_device: str, say: Callable[[str], None]) -> list[Check]:
    """All of NAMES, in about seven seconds, ten with headphones. `say` is told what goes on."""
    try:
        backend = Backend()
    except AudioError as error:
        return [failed(DEVICES, error), *(not_tested(name, "There is no sound system.") for name in NAMES[1:])]
    with contextlib.closing(backend):
        devices = attempt(DEVICES, lambda: _devices(backend))
        microphone, no_microphone = _try(lambda: _open_microphone(backend, input_device))
        speaker, no_speaker = _try(lambda: backend.open_output(output_device, RENDER_HZ))
        with contextlib.closing(Bench(microphone, speaker)) as bench:
            silence: Samples | None = None
            if microphone is not None:
                say("Listening to the microphone for a second …")
                silence, no_microphone = _try(lambda: _listen(bench))
            if speaker is not None:
                say("Playing a chirp …")
                _, no_speaker = _try(lambda: _chirp(bench))
            if no_microphone is None and no_speaker is None:
                echo, cancellation = _echo(bench, say)
            else:
                why = "It needs a microphone and a speaker."
                echo, cancellation = not_tested(ECHO, why), not_tested(CANCELLATION, why)
            zeros_only = bench.zeros_only
    name = microphone.name if microphone is not None else ""
    if speaker is not None and no_speaker is None:
        latency = {"latency_ms": round(speaker.latency_ms, 1)}
        speaker_check = Check(SPEAKER, True, f"{speaker.name} plays.", figures=latency)
    else:
        speaker_check = failed(SPEAKER, no_speaker or AudioError("There is no speaker."))
    return [devices, *_microphone(name, silence, zeros_only, no_microphone), speaker_check, echo, cancellation]


def _try(action: Callable[[], T]) -> tuple[T | None, VoicechatError | None]:
    try:
        return action(), None
    except VoicechatError as error:
        return None, error


def _open_microphone(backend: Backend, name: str) -> DeviceInput:
    microphone = backend.open_input(name, CAPTURE_HZ)
    try:
        microphone.settle(lambda: True, lambda: True)
    except AudioError:
        microphone.close()
        raise
    return microphone


def _devices(backend: Backend) -> Check:
    import pyaudio

    found = backend.devices()
    microphones, speakers = sum(d.inputs > 0 for d in found), sum(d.outputs > 0 for d in found)
    apis = ", ".join(dict.fromkeys(device.host_api for device in found)) or "none"
    version = str(pyaudio.get_portaudio_version_text()).split(",")[0]
    both = bool(microphones and speakers)
    return Check(
        DEVICES,
        both,
        f"{microphones} to record, {speakers} to play; host API {apis}; {version}.",
        "" if both else "Plug one in; without one, --input FILE and --output FILE still talk.",
        0 if both else AudioError.exit_code,
        {"microphones": microphones, "speakers": speakers, "host_apis": apis, "portaudio": version},
    )


def _listen(bench: Bench) -> Samples:
    bench.record(SETTLE_S)
    start = bench.record(SILENCE_S)
    return bench.captured(start)


def _chirp(bench: Bench) -> None:
    bench.play(chirp(RENDER_HZ))
    bench.wait_until_played(CHIRP_S)


def _microphone(name: str, silence: Samples | None, zeros_only: bool, problem: VoicechatError | None) -> list[Check]:
    if silence is None:
        no_sound = problem or AudioError("The microphone gave no sound.")
        return [failed(MICROPHONE, no_sound), not_tested(LEVEL, "There is no sound of it.")]
    heard = describe(silence, CAPTURE_HZ)
    figures = {
        "level_dbfs": round(heard.level_dbfs, 1),
        "noise_floor_dbfs": round(heard.floor_dbfs, 1),
        "peak_dbfs": round(heard.peak_dbfs, 1),
        "clipped_samples": heard.clipped,
        "exact_zeros": zeros_only,
    }
    if zeros_only:
        detail = zeros(name)
        advice = f"{how_to_unmute()} A headset or a noise gate may be silent until you speak: speak while it listens."
        return [
            Check(MICROPHONE, False, detail, advice, AudioError.exit_code, figures),
            not_tested(LEVEL, "There is no sound of it."),
        ]
    levels = f"noise floor {heard.floor_dbfs:.0f} dBFS, peak {heard.peak_dbfs:.0f} dBFS"
    advice = ""
    if heard.clipped > len(silence) // 1000:
        advice = "It clips: turn the microphone's gain down."
    elif heard.floor_dbfs > NOISY_DBFS:
        advice = "The room is loud, or the gain is high: speech must stand 9 dB above the floor."
    return [
        Check(MICROPHONE, True, f"{name} gives sound.", figures={}),
        Check(LEVEL, not advice, f"{levels[0].upper()}{levels[1:]}.", advice, figures=figures),
    ]


def _echo(bench: Bench, say: Callable[[str], None]) -> tuple[Check, Check]:
    """The chirp's echo; then, where there is one and a canceller, how much of something like speech is left."""
    from_start = attempt(ECHO, lambda: _echo_of_chirp(bench), necessary=False)
    delay_ms = from_start.figures.get("delay_ms")
    if not isinstance(delay_ms, float):
        return from_start, not_tested(CANCELLATION, "There is no echo to cancel.")
    if bench.canceller is None:
        missing = bench.why or AudioError("There is no echo canceller for this platform: use headphones.")
        return from_start, failed(CANCELLATION, missing, necessary=False)
    if delay_ms > MOST_DELAY_MS:
        return from_start, not_tested(CANCELLATION, "The echo comes too late for the canceller alone.")
    say("Playing something like speech, to cancel its echo …")
    return from_start, attempt(CANCELLATION, lambda: _cancel_untorn(bench, say), necessary=False)


def _echo_of_chirp(bench: Bench) -> Check:
    bench.record(MOST_ECHO_S)
    echo = find_echo(*bench.pair(), RENDER_HZ)
    if echo is None:
        bench.record(FAR_MS / 1000 - MOST_ECHO_S)
        echo = find_echo(*bench.pair(), RENDER_HZ, FAR_MS / 1000)
    devices = {"devices_latency_ms": round(bench.latency_ms, 1)}
    if echo is None:
        return Check(
            ECHO,
            True,
            "The microphone does not hear the speaker: fine with headphones.",
            "Without headphones: was the chirp to be heard? If not, turn the volume up or choose --output-device.",
            figures={"delay_ms": None, "gain_db": None, **devices},
        )
    fits = echo.delay_ms <= MOST_ECHO_S * 1000
    return Check(
        ECHO,
        fits,
        f"Heard after {echo.delay_ms:.0f} ms, {-echo.gain_db:.0f} dB quieter than played.",
        "" if fits else "A wireless speaker? It may cut the first answer, until its delay is known.",
        figures={"delay_ms": round(echo.delay_ms, 1), "gain_db": round(echo.gain_db, 1), **devices},
    )


def _cancel_untorn(bench: Bench, say: Callable[[str], None]) -> Check:
    """A machine or a sound server that stands still tears the measurement: the echo comes at another time after it."""
    check = _cancel(bench)
    for _ in range(REPEATS):
        if check.passed or not check.figures["torn"]:
            break
        say("The sound was torn; once more …")
        check = _cancel(bench)
    return check


def _cancel(bench: Bench) -> Check:
    bench.renew_canceller()
    bench.play(speech_like(RENDER_HZ, SPEECH_S))
    start = bench.record(LEARNING_S)
    measured = start + round(LEARNING_S * 100)
    half = bench.record((SPEECH_S - LEARNING_S) / 2)
    first = bench.echo(measured)
    bench.record((SPEECH_S - LEARNING_S) / 2 + MOST_ECHO_S)
    second = bench.echo(half)
    torn = abs(second.delay_ms - first.delay_ms) > TORN_MS and min(first.clarity, second.clarity) > LEAST_CLARITY
    captured, cleaned = bench.captured(measured), bench.cleaned(measured)
    quiet = bench.captured()[round(SETTLE_S * CAPTURE_HZ) : round((SETTLE_S + SILENCE_S) * CAPTURE_HZ)]
    noise_dbfs = describe(quiet, CAPTURE_HZ).floor_dbfs
    reduced = reduction_db(captured, cleaned, CAPTURE_HZ, noise_dbfs)
    detector, run, longest = VoiceDetector(CAPTURE_HZ), 0, 0
    for number, block in enumerate(bench.cleaned_blocks(0)):
        run = run + 1 if detector.voiced(block) and number >= start else 0
        longest = max(longest, run)
    silent = longest * 10 < MOST_VOICED_MS
    left = level_dbfs(cleaned)
    figures = {
        "reduction_db": None if reduced is None else round(reduced, 1),
        "left_dbfs": round(left, 1),
        "longest_voiced_ms": longest * 10,
        "delay_ms": round(second.delay_ms, 1),
        "torn": torn,
    }
    if reduced is None:
        return Check(CANCELLATION, True, "The echo is no louder than the room's noise.", figures=figures)
    return Check(
        CANCELLATION,
        silent,
        f"The echo became {reduced:.0f} dB quieter ({left:.0f} dBFS are left).",
        "" if silent else "What is left sounds like a voice: turn the speaker down, move it away, or use headphones.",
        figures=figures,
    )
