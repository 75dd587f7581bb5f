"""The echo canceller in simulated rooms, reference and capture in strict step: what leaks, and when the user is heard.

    python -m benchmarks.canceller [--after 6] [--json]

A new canceller, two seconds of silence, `--after` seconds of the first reply, and then the user talks into it.
`a / b`: the turns that a service would hear in the echo / how long the user talks until a service hears it, in
milliseconds. A turn begins with five blocks of 20 ms in a row above an RMS of 400 and ends with half a second
below. Recordings of people on both sides, a room tail of 150 ms, a noise floor of 3; the processing is the
program's own, at its rates.
"""

import argparse
import json
import sys
from dataclasses import dataclass

import numpy as np

from tests.recordings import Sound, at_level, pcm, rms, speech
from voicechat.audio.echo import WARM_UP_S, CleanMicrophone, EchoCanceller
from voicechat.audio.engine import CANCELLER_HZ
from voicechat.audio.frames import block_bytes

CAPTURE_HZ, RENDER_HZ = CANCELLER_HZ, 24_000
IDLE_S, TALK_S, TAIL_S = 2.0, 4.0, 0.15
WARM_UPS_S = (0.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0)


@dataclass(frozen=True)
class Room:
    gain_db: float | None
    delay_ms: int = 0

    def __str__(self) -> str:
        return "no echo" if self.gain_db is None else f"{self.gain_db:+.0f} dB, {self.delay_ms} ms"

    def hears(self, sound: Sound) -> Sound:
        """`sound` at CAPTURE_HZ as it comes to the microphone: direct, and a decaying tail."""
        if self.gain_db is None:
            return np.zeros(len(sound))
        count = round(TAIL_S * CAPTURE_HZ)
        tail = np.random.default_rng(3).normal(size=count) * np.exp(-6.9 * np.arange(count) / count) * 0.07
        response = np.concatenate([np.zeros(self.delay_ms * CAPTURE_HZ // 1000), [1.0], tail])
        size = 1 << (len(sound) + len(response)).bit_length()
        spectrum = np.fft.rfft(sound, size) * np.fft.rfft(response, size)
        heard: Sound = np.fft.irfft(spectrum, size)[: len(sound)] * 10 ** (self.gain_db / 20)
        return heard


ROOMS = (Room(None), Room(-20, 40), Room(-12, 40), Room(-6, 40), Room(-6, 120), Room(-12, 250), Room(0, 60))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--after", type=float, default=6.0, help="seconds of the reply before the user talks")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = {
        f"{'cold' if seconds == 0 else f'warmed {seconds} s'}{' (ours)' if seconds == WARM_UP_S else ''}": [
            measure(room, seconds, options.after) for room in ROOMS
        ]
        for seconds in WARM_UPS_S
    }
    if options.json:
        table = {name: dict(zip(map(str, ROOMS), row, strict=True)) for name, row in results.items()}
        sys.stdout.write(json.dumps(table) + "\n")
        return 0
    sys.stdout.write(f"| canceller | {' | '.join(map(str, ROOMS))} |\n|{'---|' * (len(ROOMS) + 1)}\n")
    for name, row in results.items():
        cells = [f"{turns} / {'never' if heard is None else heard}" for turns, heard in row]
        sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")
    return 0


def measure(room: Room, warm_up_s: float, after_s: float) -> tuple[int, int | None]:
    """(echo turns in the first reply, milliseconds until the user is heard)."""
    canceller = EchoCanceller(CAPTURE_HZ, RENDER_HZ)
    if warm_up_s:
        canceller.warm_up(warm_up_s)
    seconds = IDLE_S + after_s + TALK_S
    reply = at_level(np.tile(speech("ss-0890.wav", CAPTURE_HZ, sharp=True), 3))
    reply = reply[: round((after_s + TALK_S) * CAPTURE_HZ)]
    played = np.concatenate([np.zeros(round(IDLE_S * CAPTURE_HZ)), reply])
    captured = room.hears(played) + np.random.default_rng(5).normal(0, 3, len(played))
    user, talk_at = speech("ss-0870.wav", CAPTURE_HZ, sharp=True), round((IDLE_S + after_s) * CAPTURE_HZ)
    captured[talk_at:] += user[: len(captured) - talk_at]
    clean = through(canceller, captured, played[:: CAPTURE_HZ // RENDER_HZ], seconds)
    return turns(clean[:talk_at]), first_turn_ms(clean[talk_at:])


def through(canceller: EchoCanceller, captured: Sound, reference: Sound, seconds: float) -> Sound:
    """Both sides in pairs of 10 ms through the canceller, as the recorder thread does it."""
    microphone = CleanMicrophone(canceller)
    capture, render = pcm(captured), pcm(reference)
    size, reference_size = block_bytes(CAPTURE_HZ), block_bytes(RENDER_HZ)
    blocks = [
        microphone.process(
            capture[number * size : (number + 1) * size],
            render[number * reference_size : (number + 1) * reference_size],
        )
        for number in range(round(seconds * 100))
    ]
    return np.frombuffer(b"".join(blocks), "<i2").astype(np.float64)


def loud_blocks(sound: Sound) -> list[bool]:
    size = CAPTURE_HZ // 50
    return [rms(sound[at : at + size]) > 400 for at in range(0, len(sound) - size + 1, size)]


def turns(sound: Sound) -> int:
    found, loud, quiet, speaking = 0, 0, 0, False
    for is_loud in loud_blocks(sound):
        loud, quiet = (loud + 1, 0) if is_loud else (0, quiet + 1)
        if not speaking and loud >= 5:
            found, speaking = found + 1, True
        elif speaking and quiet >= 25:
            speaking = False
    return found


def first_turn_ms(sound: Sound) -> int | None:
    run = 0
    for number, is_loud in enumerate(loud_blocks(sound)):
        run = run + 1 if is_loud else 0
        if run == 5:
            return (number + 1) * 20
    return None


if __name__ == "__main__":
    sys.exit(main())
