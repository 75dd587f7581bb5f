"""An hour of conversation on a virtual clock: does the session itself remember too much?

    python -m benchmarks.simulated_hour

The session, the playback queue, history and recent sound of a real conversation, fed with events as a service sends
them; every fourth answer is talked over, every twentieth minute the connection is lost and restored. Prints what
Python holds after five minutes and after the hour.
"""

import gc
import time
import tracemalloc

from tests.unit.stage import Stage
from voicechat.realtime import events as ev


def turn(stage: Stage, number: int) -> None:
    """Two seconds of speech, an answer of six, and a pause; every fourth answer is interrupted."""
    item = f"u{number}"
    stage.tell(ev.SpeechStarted(item))
    stage.pass_ms(2000, voiced=True)
    stage.pass_ms(500, voiced=False)
    words = f"question number {number}"
    stage.tell(ev.SpeechStopped(item), ev.InputCommitted(item), ev.UserTranscript(item, words, True))
    stage.speak(number, "an answer of several words, of which some may not be heard", ms=6000)
    if number % 4 == 0:
        stage.pass_ms(2000, voiced=False)
        stage.pass_ms(600, voiced=True)
    else:
        stage.pass_ms(6500, voiced=False)
    if number % 130 == 0:
        stage.session.lost()
        stage.pass_ms(3000, voiced=False)
        stage.tell(ev.SessionCreated(f"sess{number}"), ev.SessionConfigured())
    stage.sent.clear()  # what a transport would have sent, and a view shown
    stage.notices.clear()


def main() -> None:
    stage = Stage().open()
    began, real, number, early_kb = stage.now, time.perf_counter(), 0, 0.0
    tracemalloc.start()
    while stage.now - began < 3600:
        number += 1
        turn(stage, number)
        if not early_kb and stage.now - began > 300:
            gc.collect()
            early_kb = tracemalloc.get_traced_memory()[0] / 1024
    gc.collect()
    late_kb = tracemalloc.get_traced_memory()[0] / 1024
    print(f"{number} turns in a simulated hour, {time.perf_counter() - real:.0f} s of real time")
    print(f"held after five minutes: {early_kb:.0f} kB, after the hour: {late_kb:.0f} kB")


if __name__ == "__main__":
    main()
