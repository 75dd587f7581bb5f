"""Local voice detection in noise: webrtcvad alone beside the program's detector, at each aggressiveness.

    python -m benchmarks.vad [--json]

Four recordings of people, one after another behind three seconds of noise, mixed with white, pink and babble-like
noise (eight voices at once, backwards) at 20, 10 and 5 dB below their speech. Marks are made from the clean sound:
a 10 ms block is speech within 30 dB of the loud ones; gaps of up to 200 ms belong to it, and 100 ms around it count
neither way.

  hit       share of the speech blocks called voice
  false     share of the other blocks called voice
  pause     how often three voice blocks in a row, which pause an answer, come in a minute of noise alone
  onset     from the mark of a phrase to the end of its third voice block, median ms, and how many phrases had none
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from tests.recordings import NAMES, Sound, pcm, rms, speech
from voicechat.audio.vad import VoiceDetector

RATE_HZ = 16_000
BLOCK = RATE_HZ // 100
LEAD_S, NOISE_S = 3.0, 30.0
SNRS_DB = (20, 10, 5)
RUN = 3

Marks = NDArray[np.bool_]


def white(count: int) -> Sound:
    return np.random.default_rng(11).normal(size=count)


def pink(count: int) -> Sound:
    spectrum = np.fft.rfft(np.random.default_rng(12).normal(size=count))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[: count * 40 // RATE_HZ] = 0  # no microphone hears below 40 Hz
    shaped: Sound = np.fft.irfft(spectrum, count)
    return shaped


def babble(count: int) -> Sound:
    rng = np.random.default_rng(13)
    mixed = np.zeros(count)
    for number in range(8):
        voice = speech(NAMES[number % len(NAMES)], RATE_HZ)[::-1]
        voice = np.tile(voice / rms(voice), count // len(voice) + 2)
        start = int(rng.integers(0, len(voice) - count))
        mixed += voice[start : start + count]
    return mixed


NOISES: dict[str, Callable[[int], Sound]] = {"white": white, "pink": pink, "babble": babble}


@dataclass(frozen=True)
class Result:
    hit: float
    false: float
    pauses_per_minute: float
    onset_ms: float | None
    missed: int


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    clean = np.concatenate([np.zeros(round(LEAD_S * RATE_HZ)), *(padded(speech(n, RATE_HZ)) for n in NAMES)])
    is_speech, is_other = marks(clean)
    level = rms(np.concatenate([block for block, on in zip(blocks(clean), is_speech, strict=True) if on]))
    results: dict[str, Result] = {}
    for noise, make in NOISES.items():
        for snr_db in SNRS_DB:
            sound = make(len(clean))
            scale = level / rms(sound) * 10 ** (-snr_db / 20)
            alone = make(round(NOISE_S * RATE_HZ))
            alone *= level / rms(alone) * 10 ** (-snr_db / 20)
            for name, detector in detectors():
                verdicts = decide(detector(), clean + sound * scale)
                results[f"{name} | {noise} | {snr_db}"] = judge(
                    verdicts, is_speech, is_other, decide(detector(), alone)
                )
    if options.json:
        sys.stdout.write(json.dumps({name: vars(result) for name, result in results.items()}) + "\n")
        return 0
    sys.stdout.write("| detector | noise | SNR dB | hit % | false % | pauses a minute | onset ms | missed |\n")
    sys.stdout.write("|---|---|---|---|---|---|---|---|\n")
    for name, each in sorted(results.items(), key=lambda item: item[0].split(" | ")[0]):
        onset = "–" if each.onset_ms is None else f"{each.onset_ms:.0f}"
        sys.stdout.write(
            f"| {name} | {each.hit * 100:.0f} | {each.false * 100:.1f} | {each.pauses_per_minute:.0f} "
            f"| {onset} | {each.missed} |\n"
        )
    return 0


Decide = Callable[[bytes], bool]


def detectors() -> Iterable[tuple[str, Callable[[], Decide]]]:
    def alone(aggressiveness: int) -> Callable[[], Decide]:
        def make() -> Decide:
            vad = webrtcvad.Vad(aggressiveness)
            return lambda block: bool(vad.is_speech(block, RATE_HZ))

        return make

    def ours(aggressiveness: int) -> Callable[[], Decide]:
        return lambda: VoiceDetector(RATE_HZ, aggressiveness).voiced

    for aggressiveness in range(4):
        yield f"webrtcvad {aggressiveness}", alone(aggressiveness)
        yield f"voicechat {aggressiveness}", ours(aggressiveness)


def decide(detector: Decide, sound: Sound) -> list[bool]:
    return [detector(pcm(block)) for block in blocks(sound)]


def padded(sound: Sound) -> Sound:
    """Half a second of nothing after it, and whole blocks."""
    return np.concatenate([sound, np.zeros(RATE_HZ // 2 + -len(sound) % BLOCK)])


def blocks(sound: Sound) -> list[Sound]:
    return [sound[at : at + BLOCK] for at in range(0, len(sound) - BLOCK + 1, BLOCK)]


def marks(clean: Sound) -> tuple[Marks, Marks]:
    """(speech, surely not speech) for each block."""
    levels = np.array([rms(block) for block in blocks(clean)])
    speaks = levels > np.percentile(levels[levels > 0], 95) * 10 ** (-30 / 20)
    phrase = closed(speaks, 20)
    near = np.convolve(phrase, np.ones(21), "same") > 0
    return speaks & phrase, ~near


def closed(on: Marks, most: int) -> Marks:
    """Gaps of up to `most` blocks between speech filled, and single clicks shorter than three blocks removed."""
    filled, gap = on.copy(), most + 1
    for number, is_on in enumerate(on):
        if is_on and 0 < gap <= most:
            filled[number - gap : number] = True
        gap = 0 if is_on else gap + 1
    for start, end in phrases(filled):
        if end - start < RUN:
            filled[start:end] = False
    return filled


def phrases(on: Marks) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], on.astype(int), [0]])))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def judge(verdicts: list[bool], is_speech: Marks, is_other: Marks, alone: list[bool]) -> Result:
    said = np.array(verdicts)
    delays: list[float] = []
    found = phrases(closed(is_speech, 20))
    for start, end in found:
        run = 0
        for number in range(start, end):
            run = run + 1 if verdicts[number] else 0
            if run == RUN:
                delays.append((number + 1 - start) * 10.0)
                break
    return Result(
        float(said[is_speech].mean()),
        float(said[is_other].mean()),
        pauses(alone) * 60 / NOISE_S,
        statistics.median(delays) if delays else None,
        len(found) - len(delays),
    )


def pauses(verdicts: list[bool]) -> int:
    """Runs of at least RUN voice blocks."""
    return sum(end - start >= RUN for start, end in phrases(np.array(verdicts)))


if __name__ == "__main__":
    sys.exit(main())
