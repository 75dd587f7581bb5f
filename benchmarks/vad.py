"""Local voice detection, its two verdicts beside the detector without Silero: in noise, on other sounds, on voices.

    python -m benchmarks.vad [--json]

Noise: four recordings of people, one after another behind three seconds of noise, mixed with white, pink and
babble-like noise (eight voices at once, backwards) at 20, 10 and 5 dB below their speech. Marks are made from the clean
sound: a 10 ms block is speech within 30 dB of the loud ones; gaps of up to 200 ms belong to it, and 100 ms around it
count neither way. Three voice blocks in a row pause an answer.

  hit       share of the speech blocks called voice, %
  false     share of the other blocks called voice, %
  pauses    how often three such blocks come in a minute of noise alone
  onset     from the mark of a phrase to the end of its third voice block, median ms (and how many phrases had none)

Sounds: half a minute of each, without a word, in a quiet room. How often it would pause an answer, end one, and begin
a turn of LocalTurns.

Voices: sentences by espeak-ng and flite, where they are installed; nothing was tuned on them. `turns` are the sentences
that were found as exactly one turn, `late` is the most that its start came after the first loud block, ms.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.sounds import SOUNDS, pink, said
from tests.recordings import NAMES, SPEECH_LEVEL, Sound, at_level, pcm, rms, speech
from voicechat.audio.vad import VoiceDetector
from voicechat.conversation.barge_in import BargeIn, Verdict
from voicechat.conversation.local_turns import LocalTurns, Step

RATE_HZ = 16_000
BLOCK = RATE_HZ // 100
LEAD_S, NOISE_S = 3.0, 30.0
SNRS_DB = (20, 10, 5)
RUN = 3
QUIET = 3.0
"""Noise of a quiet room's microphone: −81 dBFS."""
BEFORE, VOICED, SPEECH = "without Silero", "voiced", "speech"

Marks = NDArray[np.bool_]


def white(count: int) -> Sound:
    return np.random.default_rng(11).normal(size=count)


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

    def __str__(self) -> str:
        onset = "–" if self.onset_ms is None else f"{self.onset_ms:.0f}"
        missed = f" ({self.missed})" if self.missed else ""
        return f"{self.hit * 100:.0f} / {self.false * 100:.1f} / {self.pauses_per_minute:.0f} / {onset}{missed}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    tables = {
        "noise, hit / false / pauses / onset": in_noise(),
        "sound, pauses / interruptions / turns": on_sounds(),
        "voice, turns / late / hit": on_voices(),
    }
    if options.json:
        sys.stdout.write(json.dumps(tables, default=vars) + "\n")
        return 0
    for title, rows in tables.items():
        columns = list(next(iter(rows.values()), {}))
        sys.stdout.write(f"\n| {title} | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}\n")
        for name, row in rows.items():
            sys.stdout.write(f"| {name} | {' | '.join(str(row[column]) for column in columns)} |\n")
    return 0


# -- in noise --------------------------------------------------------------------------------------------------


def in_noise() -> dict[str, dict[str, Result]]:
    clean = np.concatenate([np.zeros(round(LEAD_S * RATE_HZ)), *(padded(speech(n, RATE_HZ)) for n in NAMES)])
    is_speech, is_other = marks(clean)
    level = rms(np.concatenate([block for block, on in zip(blocks(clean), is_speech, strict=True) if on]))
    rows: dict[str, dict[str, Result]] = {}
    for name, sound, alone in noises(len(clean), level):
        heard, by_itself = decide(clean + sound), decide(alone)
        rows[name] = {column: judge(heard[column], is_speech, is_other, by_itself[column]) for column in heard}
    return rows


def noises(count: int, level: float) -> Iterator[tuple[str, Sound, Sound]]:
    """Each noise as long as the speech, and for a while by itself."""
    length = round(NOISE_S * RATE_HZ)
    yield "none", QUIET * white(count), QUIET * white(length)
    for name, make in NOISES.items():
        for snr_db in SNRS_DB:
            wanted = level * 10 ** (-snr_db / 20)
            yield f"{name} {snr_db}", at_level(make(count), wanted), at_level(make(length), wanted)


def decide(sound: Sound) -> dict[str, list[bool]]:
    before, now = VoiceDetector(RATE_HZ, use_silero=False), VoiceDetector(RATE_HZ)
    verdicts: dict[str, list[bool]] = {BEFORE: [], VOICED: [], SPEECH: []}
    for block in blocks(sound):
        verdicts[BEFORE].append(before.voiced(pcm(block)))
        verdicts[VOICED].append(now.voiced(pcm(block)))
        verdicts[SPEECH].append(now.speech)
    return verdicts


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
    voice = np.array(verdicts)
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
        float(voice[is_speech].mean()),
        float(voice[is_other].mean()),
        pauses(alone) * 60 / NOISE_S,
        statistics.median(delays) if delays else None,
        len(found) - len(delays),
    )


def pauses(verdicts: list[bool]) -> int:
    """Runs of at least RUN voice blocks."""
    return sum(end - start >= RUN for start, end in phrases(np.array(verdicts)))


# -- other sounds, other voices --------------------------------------------------------------------------------


def on_sounds() -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    for name, make in SOUNDS.items():
        heard = decide(make(round(NOISE_S * RATE_HZ)) + QUIET * white(round(NOISE_S * RATE_HZ)))
        before = f"{consequences(heard[BEFORE])} / {len(turns(heard[BEFORE]))}"
        rows[name] = {BEFORE: before, "with it": f"{consequences(heard[VOICED])} / {len(turns(heard[SPEECH]))}"}
    return rows


def consequences(voiced: list[bool]) -> str:
    """How often an answer would be paused, and how often cut off."""
    barge_in = BargeIn()
    verdicts = [barge_in.hear(each, 10.0, number / 100) for number, each in enumerate(voiced)]
    return f"{verdicts.count(Verdict.SUSPECT)} / {verdicts.count(Verdict.CONFIRM)}"


def turns(said_so: list[bool]) -> list[int]:
    """The blocks that begin turns."""
    local = LocalTurns()
    return [number for number, each in enumerate(said_so) if local.hear(b"", each, 10.0) is Step.START]


def on_voices() -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    for voice, sentences in said(RATE_HZ).items():
        for snr_db in (None, 10, 5):
            columns: dict[str, list[tuple[int, float]]] = {BEFORE: [], SPEECH: []}
            for sentence in sentences:
                clean = np.concatenate([np.zeros(round(LEAD_S * RATE_HZ)), at_level(sentence), np.zeros(RATE_HZ)])
                wanted = QUIET if snr_db is None else SPEECH_LEVEL * 10 ** (-snr_db / 20)
                heard = decide(clean + at_level(pink(len(clean)), wanted))
                is_speech, _ = marks(clean)
                for column, cases in columns.items():
                    begun = turns(heard[column])
                    late = (begun[0] - int(np.argmax(is_speech))) * 10 if len(begun) == 1 else -1
                    cases.append((late, float(np.array(heard[column])[is_speech].mean())))
            title = f"{voice}, {'quiet' if snr_db is None else f'pink {snr_db}'}"
            rows[title] = {column: findings(cases) for column, cases in columns.items()}
    return rows


def findings(cases: list[tuple[int, float]]) -> str:
    """Of each sentence how late its turn began, −1 for no turn of its own, and its share of hits."""
    found = [late for late, _ in cases if late >= 0]
    hit = statistics.mean(hit for _, hit in cases)
    return f"{len(found)} of {len(cases)} / {max(found, default='–')} / {hit * 100:.0f}"


if __name__ == "__main__":
    sys.exit(main())
