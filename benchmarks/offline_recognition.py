"""How well the offline engine hears: words wrong of people and of voices, in quiet and in noise; sounds without words.

    python -m benchmarks.offline_recognition [--without moonshine] [--folder DIR] [--misheard] [--unseen | --latest]

Each sentence goes through the turn detector and the recogniser as in a conversation: what is cut off at its
beginning, or in its middle by a pause, counts as wrong. People are tests/audio, and with --folder every DIR/NAME.wav
beside a DIR/NAME.txt with what is said in it; voices are flite (Debian package `flite`) and hibari. Real time is
the recogniser's processor time as a share of the speech; "end" how long the last word was waited for after the turn.

With `--unseen`: only sentences that nothing was ever tried on, in these voices and in espeak-ng's and festival's
(Debian: espeak-ng, festival), and people and hibari spoken faster, slower, quieter and louder (`UNSEEN`, `WAYS`).
With `--latest` other sentences, that the low-pass in front of Moonshine was not chosen with either.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console

from benchmarks import sounds
from voicechat.audio.resample import Resampler
from voicechat.engine.builtin import load
from voicechat.engine.ending import GRACE_MS, wait_ms
from voicechat.engine.recogniser import RATE_HZ, Recogniser
from voicechat.engine.turns import Sound, Turn, TurnDetector

# What may be written in two ways has both, with a bar between them; the first is spoken.
SENTENCES = (
    "go forward ten meters",
    "what time is it",
    "what is twelve times seven",
    "my name is peter",
    "seven, eight, nine|789",
    "call me at five five five, one two three four|call me at 555 1234",
    "it costs nineteen dollars and ninety five cents|it costs 19 95",
    "nineteen eighty four is a novel by george orwell|1984 is a novel by george orwell",
    "the meeting with susan is on the twenty third of march|the meeting with susan is on the 23rd of march",
    "the queen of hearts and the ten of spades",
    "the ace of clubs beats the seven of diamonds",
    "tell me something about the weather in paris",
    "i would like to order a pizza with mushrooms please",
    "where is the nearest railway station",
    "can you play some music for me",
    "how old is the universe",
    "turn off the lights in the kitchen",
    "my sister lives in london with her two children",
    "it was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness",
    "there was no possibility of taking a walk that day, we had been wandering, indeed, in the leafless shrubbery an "
    "hour in the morning",
)
UNSEEN = (
    "the train to manchester leaves at a quarter past eight",
    "she bought three kilos of potatoes and a dozen eggs",
    "could you remind me to water the plants on thursday evening",
    "my daughter wants to become a marine biologist",
    "the bridge was closed because of heavy snow",
    "how many people live in new zealand",
    "please write a short poem about an old lighthouse",
    "he forgot his umbrella in the dentist's waiting room",
    "what is the difference between a violin and a viola",
    "two hundred and forty six divided by six|246 divided by six",
    "open the window and let the cat out",
    "they had not spoken to each other for almost twenty years when the letter arrived one rainy morning in november|"
    "they had not spoken to each other for almost 20 years when the letter arrived one rainy morning in november",
)
"""Written for this table, after everything else was settled but `SMOOTHING` in voicechat/engine/moonshine.py."""
LATEST = (
    "the museum is closed on mondays and on public holidays",
    "my grandfather repairs old radios in his garage",
    "how do i get a coffee stain out of a white shirt",
    "the captain ordered the crew to lower the sails before the storm",
    "please wake me up at six thirty tomorrow",
    "which planet has the most moons",
    "she has been learning portuguese for about two years",
    "the soup needs more salt and a little pepper",
    "what should i wear to a wedding in the summer",
    "a black cat was sleeping under the kitchen table",
    "turn left after the bridge and follow the signs to the airport",
    "the committee will publish its report at the end of january",
)
"""Written after that as well."""
WAYS = {
    "15 % faster": (1.15, 0),
    "15 % slower": (0.85, 0),
    "20 dB quieter": (1.0, -20),
    "12 dB louder, cut off": (1.0, 12),
}
"""How sound is changed: the speed (and pitch), the level in dB."""
PEOPLE = {
    "goforward.raw": "go forward ten meters",
    "ss-0870.wav": "and mr john dashwood had then leisure to consider how much there might be prudently in his power "
    "to do for them",
    "ss-0880.wav": "he was not an ill disposed young man",
    "ss-0890.wav": "unless to be rather cold hearted and rather selfish is to be ill disposed",
}
SMALL = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
RECORDINGS = Path(__file__).parents[1] / "tests" / "audio"
NOISES = {"pink": 0.5, "white": 0.0}
SILENT = ("keys", "knocks", "claps", "music", "whistling", "siren", "breathing", "paper", "rain", "hum", "fan")
console = Console()


@dataclass
class Tally:
    words: int = 0
    wrong: int = 0
    spent_s: float = 0.0
    speech_s: float = 0.0
    ends_ms: list[float] = field(default_factory=list)
    misheard: list[tuple[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        share = 100 * self.wrong / max(self.words, 1)
        end = statistics.median(self.ends_ms) if self.ends_ms else 0
        return f"{self.words:>6}{share:>8.1f} %{self.spent_s / max(self.speech_s, 1):>10.2f}{end:>8.0f} ms"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--without", default="", help="a recogniser not to use")
    parser.add_argument("--folder", type=Path, help="recordings with their texts")
    parser.add_argument("--misheard", action="store_true", help="show what was misheard")
    parser.add_argument("--unseen", action="store_true", help="sentences and voices that nothing was tuned on")
    parser.add_argument(
        "--latest", action="store_true", help="the same with sentences that the low-pass was not either"
    )
    options = parser.parse_args()
    loaded = load(frozenset({options.without}))
    console.print(loaded.remark or "The best recogniser.", highlight=False)
    console.print(f"{'speech':<26}{'words':>6}{'wrong':>10}{'real time':>10}{'end':>11}")
    if options.unseen or options.latest:
        show_unseen(loaded.recogniser, LATEST if options.latest else UNSEEN, options.misheard)
        return 0
    groups = {"people": [(text, read(RECORDINGS / name)) for name, text in PEOPLE.items()]}
    if options.folder:
        groups["people, more"] = list(folder(options.folder))
    groups["hibari"] = [(text, hibari(text.split("|")[0])) for text in SENTENCES]
    if shutil.which("flite"):
        for voice in sounds.FLITE:
            groups[f"flite {voice}"] = [(text, flite(voice, text.split("|")[0])) for text in SENTENCES]
    for name, pairs in groups.items():
        show(name, loaded.recogniser, pairs, options.misheard)
    clear = [*groups["people"], *groups["hibari"]]
    for noise, slope in NOISES.items():
        for decibels in (20, 10, 5):
            mixed = [(text, with_noise(pcm, slope, decibels)) for text, pcm in clear]
            show(f"people, hibari: {noise} {decibels} dB", loaded.recogniser, mixed, options.misheard)
    for name in SILENT:
        made = getattr(sounds, name)(RATE_HZ * 20)
        heard = hear(loaded.recogniser, made.clip(-32768, 32767).astype("<i2").tobytes(), Tally())
        console.print(f"{name:<26}{heard or 'no words'}", highlight=False)
    return 0


def show_unseen(recogniser: Recogniser, texts: tuple[str, ...], misheard: bool) -> None:
    sentences = [(text, text.split("|")[0]) for text in texts]
    spoken = [(text, hibari(said)) for text, said in sentences]
    people = [(text, read(RECORDINGS / name)) for name, text in PEOPLE.items()]
    show("hibari", recogniser, spoken, misheard)
    for voice in sounds.FLITE if shutil.which("flite") else ():
        show(f"flite {voice}", recogniser, [(text, flite(voice, said)) for text, said in sentences], misheard)
    for voice in ("en-us", "en-gb+f3") if shutil.which("espeak-ng") else ():
        show(f"espeak-ng {voice}", recogniser, [(text, espeak(voice, said)) for text, said in sentences], misheard)
    if shutil.which("text2wave"):
        show("festival", recogniser, [(text, festival(said)) for text, said in sentences], misheard)
    for way, (speed, decibels) in WAYS.items():
        changed = [(text, change(pcm, speed, decibels)) for text, pcm in (*people, *spoken)]
        show(f"people, hibari: {way}", recogniser, changed, misheard)
    for noise, slope in NOISES.items():
        mixed = [(text, with_noise(pcm, slope, 10)) for text, pcm in (*people, *spoken)]
        show(f"people, hibari: {noise} 10 dB", recogniser, mixed, misheard)


def show(name: str, recogniser: Recogniser, pairs: list[tuple[str, bytes]], misheard: bool) -> None:
    tally = Tally()
    for text, pcm in pairs:
        heard = hear(recogniser, pcm, tally)
        got = words(heard)
        said = min((words(way) for way in text.split("|")), key=lambda way: distance(way, got))
        tally.words += len(words(text.split("|")[0]))
        tally.wrong += distance(said, got)
        if said != got:
            tally.misheard.append((text, heard))
    console.print(f"{name:<26}{tally}", highlight=False)
    for text, heard in tally.misheard if misheard else ():
        console.print(f"    {text!r} was heard as {heard!r}", highlight=False, markup=False)


def hear(recogniser: Recogniser, pcm: bytes, tally: Tally) -> str:
    """All turns that were found, as one text."""
    room = np.random.default_rng(1).normal(0, 5, RATE_HZ * 2).astype("<i2").tobytes()
    pcm = room[: RATE_HZ // 2 * 2] + pcm + room
    detector = TurnDetector(grace_ms=GRACE_MS)
    texts = []
    spent = time.process_time()
    for at in range(0, len(pcm), 640):
        for event in detector.feed(pcm[at : at + 640]):
            if isinstance(event, Sound):
                hypothesis = recogniser.accept(event.pcm, event.quiet_ms)
                if hypothesis.settled:
                    detector.expect(wait_ms(hypothesis.text, detector.silence_ms))
            elif isinstance(event, Turn) and event.kind == "started":
                recogniser.begin()
            else:
                ended = time.perf_counter()
                texts.append(recogniser.finish())
                tally.ends_ms.append((time.perf_counter() - ended) * 1000)
    tally.spent_s += time.process_time() - spent
    tally.speech_s += len(pcm) / RATE_HZ / 2
    return " ".join(filter(None, texts))


def words(text: str) -> list[str]:
    plain = "".join(letter if letter.isalnum() or letter == "'" else " " for letter in text.lower())
    plain = plain.replace("mister", "mr").replace("metres", "meters")
    return [SMALL[int(word)] if word.isdecimal() and int(word) < len(SMALL) else word for word in plain.split()]


def distance(said: list[str], heard: list[str]) -> int:
    """Words inserted, left out or changed."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row = row, [i]
        for j, other in enumerate(heard, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
    return row[-1]


def with_noise(pcm: bytes, slope: float, decibels: float) -> bytes:
    """Noise from before the first word to after the last, so far below the loud parts of the speech."""
    speech = np.frombuffer(pcm, "<i2").astype(float)
    levels = np.sqrt(np.mean(speech[: len(speech) // 160 * 160].reshape(-1, 160) ** 2, axis=1))
    loud = float(np.sqrt(np.mean(levels[levels > levels.max() / 10] ** 2)))
    noise = sounds.coloured(len(speech) + RATE_HZ * 2, 7, slope, 40)
    noise *= loud * 10 ** (-decibels / 20) / float(np.sqrt(np.mean(noise**2)))
    noise[RATE_HZ : RATE_HZ + len(speech)] += speech
    return noise.clip(-32768, 32767).astype("<i2").tobytes()


def folder(path: Path) -> Iterator[tuple[str, bytes]]:
    for text in sorted(path.glob("*.txt")):
        yield text.read_text("utf-8").strip(), read(text.with_suffix(".wav"))


def hibari(sentence: str) -> bytes:
    from voicechat.engine.hibari import load_voice

    sound = (load_voice()(sentence, seed=1) * 32767).astype("<i2").tobytes()
    return Resampler(24_000, RATE_HZ, "HQ").feed(sound, last=True)


def flite(voice: str, sentence: str) -> bytes:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "x.wav"
        subprocess.run(["flite", "-voice", voice, "-t", sentence, "-o", str(path)], check=True)
        return read(path)


def espeak(voice: str, sentence: str) -> bytes:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "x.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-w", str(path), sentence], check=True)
        return read(path)


def festival(sentence: str) -> bytes:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "x.wav"
        subprocess.run(["text2wave", "-o", str(path)], input=sentence, text=True, check=True)
        return read(path)


def change(pcm: bytes, speed: float, decibels: float) -> bytes:
    quicker = Resampler(round(RATE_HZ * speed), RATE_HZ, "HQ").feed(pcm, last=True)
    louder = np.frombuffer(quicker, "<i2") * 10 ** (decibels / 20)
    return louder.clip(-32768, 32767).astype("<i2").tobytes()


def read(path: Path) -> bytes:
    """16 kHz s16le."""
    if path.suffix == ".raw":
        return path.read_bytes()
    samples, rate = soundfile.read(path, dtype="int16")
    return Resampler(rate, RATE_HZ, "HQ").feed(samples.tobytes(), last=True)


if __name__ == "__main__":
    sys.exit(main())
