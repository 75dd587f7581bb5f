"""Who thinks in the middle of a sentence: how often the offline engine takes the pause for the end of the turn.

    python -m benchmarks.pauses [--gap 0.6] [--misheard]

hibari says both halves of each sentence, which is harder than a person's: it closes every text, so that the recogniser
ends the first half with a full stop or a question mark. `LOOKED_AT` were before the eyes when the rules of
voicechat/engine/ending.py were written, `UNSEEN` were written afterwards.
"""

import argparse
import sys

import numpy as np
from rich.console import Console

from benchmarks.offline_recognition import hibari
from voicechat.engine.builtin import load
from voicechat.engine.ending import GRACE_MS, wait_ms
from voicechat.engine.recogniser import RATE_HZ, Recogniser
from voicechat.engine.turns import Sound, TurnDetector

LOOKED_AT = (
    "I would like to know | what time it is", "Can you tell me | how old the universe is",
    "I want to ask you | something about music", "What is twelve times | seven", "My name is | Peter",
    "Please remind me | to water the plants", "I think | that we should go home now",
    "The meeting is on Thursday | at half past ten", "I need | a new pair of shoes", "Tell me | a joke",
    "Do you know | what day it is", "How much is nineteen | plus twenty three",
    "I was wondering | whether it will rain tomorrow", "Let me think | yes that is right",
    "Call me | at six thirty tomorrow", "Could you please | repeat that",
    "I have two questions | the first one is about the weather", "When I was young | we lived near the sea",
    "Could you explain | how a radio works", "I am looking for | a good restaurant", "Set a timer | for ten minutes",
    "Where can I find | fresh bread", "Remind me tomorrow | to call the bank", "If it rains | we stay at home",
    "My favorite color | is green", "Is it true that | cats have nine lives",
    "Give me an example of | a prime number", "What happens when | water freezes", "I would rather | stay here",
    "Yesterday evening | we watched a film", "How far is it | from Paris to Rome",
    "Please write down | three apples and a bread", "Do you remember | what I said",
)  # fmt: skip
UNSEEN = (
    "Could you recommend | a good book", "I was looking at | the stars", "Wake me up | at seven tomorrow",
    "Where did you put | the keys", "Please translate | good morning into French",
    "Although it was late | we kept on working", "The capital of Australia | is Canberra",
    "Are you sure that | this is correct", "I would like to order | two pizzas", "What do you think of | modern art",
    "Can we please | start again", "This morning | I missed my train", "How many people live | in Tokyo",
    "I forgot to buy | milk and butter", "Tell him | that I will be late", "He wants to | become a doctor",
)  # fmt: skip
console = Console(highlight=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gap", type=float, default=0.6, help="seconds between the halves")
    parser.add_argument("--misheard", action="store_true", help="show the turns")
    options = parser.parse_args()
    recogniser = load().recogniser
    for name, sentences in (("looked at", LOOKED_AT), ("unseen", UNSEEN)):
        cut = 0
        for sentence in sentences:
            turns = turns_of(recogniser, *sentence.split(" | "), options.gap)
            cut += len(turns) > 1
            if options.misheard:
                console.print(f"    {turns}", markup=False)
        console.print(f"{name}: {cut} of {len(sentences)} cut")
    return 0


def turns_of(recogniser: Recogniser, first: str, second: str, gap_s: float) -> list[str]:
    pcm = quiet(0.5) + trimmed(hibari(first)) + quiet(gap_s) + trimmed(hibari(second)) + quiet(4.0)
    detector, turns = TurnDetector(grace_ms=GRACE_MS), []
    for at in range(0, len(pcm), 640):
        for event in detector.feed(pcm[at : at + 640]):
            if isinstance(event, Sound):
                hypothesis = recogniser.accept(event.pcm, event.quiet_ms)
                if hypothesis.settled:
                    detector.expect(wait_ms(hypothesis.text, detector.silence_ms))
            elif event.kind == "started":
                recogniser.begin()
            else:
                turns.append(recogniser.finish())
    return turns


def quiet(seconds: float) -> bytes:
    return np.random.default_rng(1).normal(0, 5, int(RATE_HZ * seconds)).astype("<i2").tobytes()


def trimmed(pcm: bytes) -> bytes:
    sound = np.frombuffer(pcm, "<i2")
    loud = np.flatnonzero(np.abs(sound) > 300)
    return sound[loud[0] : loud[-1]].tobytes()


if __name__ == "__main__":
    sys.exit(main())
