"""How fast Doubao's event 450 silences a reply, on the virtual sound card.

    python -m benchmarks.doubao_stop

The real program with the real sound path. `voice`: a user speaks over the reply and the service hears it, as in life;
the local detector may have paused the reply before (then the figure is negative). `450 alone`: nobody speaks, so the
service's word is all there is, and what the sound card holds is heard out. From the frame's way out to the first silent
block of 5 ms at the loudspeaker. Some late frames follow each 450, and must not be heard.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

from tests.doubao_server import DoubaoServer, Reply, Script
from tests.program import ROOT, Program
from tests.soundcard import Recording, SoundCard

GOAL_MS = 50.0
QUESTION = ROOT / "voicechat" / "engine" / "questions" / "what-time-is-it.wav"


def stops_ms(count: int, voice: Path | None, arguments: list[str]) -> list[float]:
    """The times of `count` interruptions of one conversation."""
    environment = {"API_APP_ID": "1", "API_ACCESS_KEY": "access-token-0123456789"}
    with (
        SoundCard() as card,
        DoubaoServer(Script((Reply(seconds=10.0, late=4),))) as server,
        Program(
            ["vad", "--provider", "doubao", "--url", server.url, "--json", *arguments], card=card, env=environment
        ) as talk,
        card.record("speaker.monitor") as speaker,
    ):
        talk.wait_for("session")
        server.wait_for(200)
        found = []
        for number in range(count + 1):  # the first one interrupts nothing, and begins the first reply
            found.append(_interrupt(card, server, speaker, voice, number))
            began = speaker.wait_for_sound(after=time.monotonic())
            time.sleep(max(0.0, began + 1.0 + 0.037 * number - time.monotonic()))  # anywhere in the card's buffer
        talk.interrupt()
        talk.wait()
    return found[1:]


def _interrupt(card: SoundCard, server: DoubaoServer, speaker: Recording, voice: Path | None, number: int) -> float:
    """Milliseconds from 450 to silence; afterwards the next reply is on its way."""
    begin = time.monotonic()
    dialogue = server.connections[0].dialogue
    if voice is None:
        server.run(dialogue.speech_began())
    else:
        playing = card.play(voice)
    told = server.wait_for(450, count=number + 1).at
    silent = speaker.wait_for_silence(after=begin)
    if voice is None:
        server.run(dialogue.speech_ended())
    else:
        playing.wait()
    return (silent - told) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10, help="interruptions of each conversation")
    count = parser.parse_args().count
    medians = {}
    for name, voice in (("voice", QUESTION), ("450 alone", None)):
        for more in ([], ["--no-aec"]):
            stops = stops_ms(count, voice, more)
            label = " ".join([name, *more])
            medians[label] = statistics.median(stops)
            print(f"{label:<20} median {medians[label]:4.0f} ms, {min(stops):.0f} to {max(stops):.0f} ms of {count}")
    return 0 if max(medians["voice"], medians["voice --no-aec"]) <= GOAL_MS else 1


if __name__ == "__main__":
    sys.exit(main())
