"""A realtime client measured from outside, on a virtual sound card: voicechat beside a client in the vendors' style.

    python -m benchmarks.duplex [--clients naive,voicechat,voicechat-no-aec] [--turns 3] [--rtt-ms 0]
                                [--room-seconds 60] [--room-gain-db -12] [--room-delay-ms 40] [--rt60-ms 0] [--json]
    python -m benchmarks.duplex [OPTIONS] -- COMMAND ARGUMENTS        ({url} is the service's address)

A private PulseAudio daemon is the sound card, the tests' scripted server the model; nothing inside the client is
touched. A turn: a question in silence, a long reply, and after three seconds of it the user talks over the reply.
Medians in milliseconds unless said:

  uplink    speech at the microphone -> the server has its first loud 20 ms
  downlink  the first reply audio reaches the client -> it is heard
  stop      the server's speech_started reaches the client -> silence (negative: it was silent before)
  barge-in  the user's voice over the reply -> silence; `first` over the session's first reply
  gaps      silence inside the reply, before it was interrupted
  truncate  what the client told the server was heard, minus what was heard
  missed    questions and interruptions that never reached the server (number)
  cough     silence that a burst of noise of 80 ms causes in a reply; `ended` when the reply did not go on
  cpu, rss  processor share in %, memory in MB;  ready: launch -> session.update;  exit: Ctrl-C -> gone
  echo      turns the server heard in `--room-seconds` of one long reply although nobody spoke, the loudspeaker being
            heard by the microphone (number); `heard`: how long after that a real question took to be heard

benchmarks/conversation.py has the figures of many short replies in a room. Needs the programs of tests/soundcard.py.
Run nothing beside it.
"""

import argparse
import sys
import time

import numpy as np

from benchmarks.bench import DELTA, STARTED, Bench, Figures, add_options, clients_of, opened, room_of, show, write_json
from tests.realtime_server import Reply, Script, buzz
from tests.recordings import INTERRUPTION as STORY
from tests.recordings import QUESTION as ASKED
from tests.recordings import SPEECH_LEVEL, at_level, pcm, speech

QUESTION = pcm(speech(ASKED, 16_000, sharp=True))
INTERRUPTION = pcm(speech(STORY, 16_000, sharp=True)[: 16_000 * 5 // 2])
COUGH = pcm(np.random.default_rng(7).normal(0, 3000, 16_000 * 80 // 1000))
LONG, SHORT = Reply(pcm=buzz(20.0)), Reply(pcm=buzz(1.0))
COUGHS = 3
ONSET_BLOCKS = 6  # 120 ms: services hear no turn in a noise of 80 ms, which touches up to five blocks


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--room-seconds", type=float, default=60.0, help="0: no room")
    add_options(parser, "naive,voicechat,voicechat-no-aec")
    options = parser.parse_args()
    results: dict[str, Figures] = {}
    for name in clients_of(options):
        figures = results[name] = Figures()
        in_silence(name, options, figures)
        if options.room_seconds:
            in_a_room(name, options, figures)
    medians = {name: each.medians() for name, each in results.items()}
    if options.json:
        write_json({name: {"medians": medians[name], "each": each.each} for name, each in results.items()})
    else:
        show(medians)
    return 0


def in_silence(name: str, options: argparse.Namespace, figures: Figures) -> None:
    script = Script(replies=(LONG, SHORT) * options.turns + (LONG,), onset_blocks=ONSET_BLOCKS)
    with opened(name, options, script, None) as bench:
        figures.add("ready", bench.ready_ms)
        cpu, began = bench.client.cpu_s(), time.monotonic()
        figures.add("missed", sum(not turn(bench, figures) for _ in range(options.turns)))
        figures.add("cpu", (bench.client.cpu_s() - cpu) / (time.monotonic() - began) * 100)
        coughs(bench, figures)
        figures.add("rss", bench.client.rss_mb())
        figures.add("exit", bench.client.exit_ms())


def ask(bench: Bench, figures: Figures) -> tuple[float, float] | None:
    """(when the reply was sent, when it was heard), None when there was none."""
    begin = time.monotonic()
    bench.card.play(QUESTION).wait()
    sent = bench.await_event(DELTA, begin, 6)
    if sent is None:
        return None
    heard = bench.speaker.wait_for_sound(5, after=sent.at)
    arrived = bench.first_loud_frame(begin)
    spoke = bench.microphone.wait_for_sound(1, after=begin)
    figures.add("uplink", None if arrived is None else (arrived - spoke - bench.half_s) * 1000)
    figures.add("downlink", (heard - sent.at - bench.half_s) * 1000)
    return sent.at, heard


def turn(bench: Bench, figures: Figures) -> bool:
    """A question, its reply and an interruption; False when the server did not hear one of the two."""
    asked = ask(bench, figures)
    if asked is None:
        return False
    _, heard = asked
    time.sleep(max(0.0, heard + 3 - time.monotonic()))
    quiet = [at for at, level in bench.speaker.levels(heard, time.monotonic() - 0.1) if level < SPEECH_LEVEL / 4]
    figures.add("gaps", 5 * len(quiet))
    begin = time.monotonic()
    playing = bench.card.play(INTERRUPTION)
    spoke = bench.microphone.wait_for_sound(2, after=begin)
    started = bench.await_event(STARTED, begin, 5)
    playing.wait()
    if started is None:
        bench.speaker.wait_for_silence(30, after=begin, hold_s=1.0)
        return False
    silent = bench.speaker.wait_for_silence(5, after=spoke)
    figures.add("stop", (silent - started.at - bench.half_s) * 1000)
    figures.add("barge-in", (silent - spoke) * 1000)
    told = next(iter(bench.events("conversation.item.truncate", begin)), None)
    figures.add("truncate", None if told is None else told.event["audio_end_ms"] - (silent - heard) * 1000)
    bench.await_event("response.done", started.at, 10)
    answer = bench.await_event(DELTA, started.at + 0.5, 5)
    bench.speaker.wait_for_silence(10, after=answer.at if answer else begin, hold_s=1.5)
    return True


def coughs(bench: Bench, figures: Figures) -> None:
    """Short noises in one long reply: how long each silences it."""
    asked = ask(bench, Figures())
    if asked is None:
        return
    _, heard = asked
    for number in range(COUGHS):
        time.sleep(max(0.0, heard + 2 + number * 3 - time.monotonic()))
        begin = time.monotonic()
        bench.card.play(COUGH).wait()
        time.sleep(max(0.0, begin + 2 - time.monotonic()))
        levels = bench.speaker.levels(begin, begin + 2)
        quiet = [level < SPEECH_LEVEL / 4 for _, level in levels]
        ended = all(quiet[-40:])
        figures.add("cough", "ended" if ended else 5 * sum(quiet))
        if ended:
            return


def in_a_room(name: str, options: argparse.Namespace, figures: Figures) -> None:
    """One long reply of people talking, and a question over its end."""
    talk = at_level(np.tile(speech(STORY, 24_000), round(options.room_seconds / 7 + 6)))
    script = Script(replies=(Reply(pcm=pcm(talk)), SHORT), onset_blocks=ONSET_BLOCKS)
    with opened(name, options, script, room_of(options)) as bench:
        begin = time.monotonic()
        bench.card.play(QUESTION).wait()
        sent = bench.await_event(DELTA, begin, 6)
        if sent is None:
            figures.add("echo", "no reply")
            return
        time.sleep(options.room_seconds)
        turns = len(bench.events(STARTED, sent.at))
        figures.add("echo", turns)
        begin = bench.card.play(QUESTION).started
        over = bench.await_event(STARTED, begin, 6)
        figures.add("heard", None if turns or over is None else (over.at - begin) * 1000)


if __name__ == "__main__":
    sys.exit(main())
