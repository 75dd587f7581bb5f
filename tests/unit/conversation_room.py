"""A conversation in a room without a clock: faster than real time, and the same whatever the machine is doing.

Everything of the program that decides about echo is the real one: recorder, lockstep, canceller, watch, detector,
playback queue and session. Simulated are the sound card, which counts samples, the room, the people in it, and a
service that hears with the scripted server's ear and answers what it takes for a question. All of it happens on the
recorder's thread, in `Card.read`.
"""

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from tests.realtime_server.vad import EnergyVad, TouchyVad
from tests.recordings import Sound, at_level, pcm, speech
from tests.room import BLOCK, Convolution
from tests.unit.lockstep_room import CAPTURE, RENDER, impulse_response
from tests.unit.stage import Stage
from voicechat.audio.echo import CleanMicrophone, EchoCanceller
from voicechat.audio.echo_watch import EchoWatch
from voicechat.audio.frames import BLOCK_MS, Frame
from voicechat.audio.lockstep import Lockstep
from voicechat.audio.player import PlaybackDrained, PlaybackStarted, PlayerEvent
from voicechat.audio.recorder import Recorder
from voicechat.audio.resample import Decimator
from voicechat.audio.vad import VoiceDetector
from voicechat.errors import AudioError
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev

HELD, CAPACITY = RENDER * BLOCK_MS // 1000, RENDER * 36 // 1000
AHEAD_MS = 20
"""The room works two blocks at a time: so much of its delay passes by that."""
SERVER_VAD = {"type": "server_vad", "silence_duration_ms": 500}


@dataclass(frozen=True)
class Walls:
    """What lies between loudspeaker and microphone; `delay_ms` is 40 at least."""

    gain_db: float = -12.0
    delay_ms: int = 60
    rt60_ms: int = 0
    noise_dbfs: float = -78.0
    television: str = ""
    """A recording that is heard in the room over and over, 25 dB below who speaks to the program."""
    slips: tuple[tuple[float, float], ...] = ()
    """(s, ms): when the machine or a sound server stands still, and how much later what is captured is from then on;
    below 0, earlier."""

    @property
    def earliest_ms(self) -> int:
        """So much earlier than in the beginning the echo comes at the most."""
        sums = itertools.accumulate(late for _, late in self.slips)
        return -math.floor(min(sums, default=0.0)) if self.slips else 0


def wandering(seed: int) -> tuple[tuple[float, float], ...]:
    """Slips as on a virtual card of a host that stands still now and then: by a block of a sound server, or by any
    little, and about the same place, which is sometimes earlier than in the beginning."""
    random, slips = np.random.default_rng(seed), []
    at_s = place_ms = 0.0
    while at_s < 90.0:
        at_s += random.exponential(2.0) + 0.3
        to_ms = random.choice((-10.0, 0.0, 10.0)) + random.uniform(-1.5, 1.5) if random.random() < 0.5 else place_ms
        to_ms += random.uniform(-1.0, 1.0)
        slips.append((at_s, float(to_ms - place_ms)))
        place_ms = to_ms
    return tuple(slips)


class Card:
    """Microphone and speaker with one clock, as an InputStream and a PacedStream. `step` is called for each block."""

    name = "card"
    rate_hz = CAPTURE
    latency_ms = 24.0
    ended = False

    def __init__(self, walls: Walls, step: Callable[[], None]):
        self.now = 0.0
        self.played: list[Sound] = []
        self._step = step
        early_ms = max(walls.earliest_ms, 0)
        way = impulse_response(walls.gain_db, walls.delay_ms - AHEAD_MS - early_ms, walls.rt60_ms)
        self._room = Convolution(way)
        self._random, self._noise = np.random.default_rng(5), 32768 * 10 ** (walls.noise_dbfs / 20)
        self._television = np.zeros(1)
        if walls.television:
            self._television = at_level(speech(walls.television, CAPTURE)) * 10 ** (-25 / 20)
        self._held: Sound = np.zeros(0)
        self._slips = list(walls.slips)
        self._echo: Sound = np.zeros(early_ms * CAPTURE // 1000)
        self._said: Sound = np.zeros(0)
        self._blocks = 0

    def say(self, sound: Sound) -> None:
        """Somebody speaks to the program; `sound` at CAPTURE."""
        self._said = sound

    @property
    def speaking(self) -> bool:
        return len(self._said) > 0

    @property
    def room_samples(self) -> int:
        return CAPACITY - len(self._held)

    def write(self, block: bytes) -> None:
        self._held = np.concatenate([self._held, np.frombuffer(block, "<i2").astype(float)])

    def read(self) -> bytes:
        self._step()
        taken, self._held = self._held[:HELD], self._held[HELD:]
        self.played.append(np.concatenate([taken, np.zeros(HELD - len(taken))]))
        self.now += BLOCK_MS / 1000
        self._blocks += 1
        while self._slips and self._slips[0][0] <= self.now:
            late = round(self._slips.pop(0)[1] * CAPTURE / 1000)
            self._echo = np.concatenate([self._echo[max(-late, 0) :], np.zeros(max(late, 0))])
        if self._blocks % 2:
            last = np.concatenate([np.zeros(BLOCK), *self.played[-2:]])[-BLOCK:]
            self._echo = np.concatenate([self._echo, np.repeat(self._room.feed(last), CAPTURE // RENDER)])
        said, self._said = self._said[:BLOCK], self._said[BLOCK:]
        at = (np.arange(BLOCK) + self._blocks * BLOCK) % len(self._television)
        echo, self._echo = self._echo[:BLOCK], self._echo[BLOCK:]
        heard = echo + self._random.normal(0, self._noise, BLOCK) + self._television[at]
        heard[: len(said)] += said
        return pcm(heard)

    def close(self) -> None: ...


class Conversation:
    """`hold` a script: a generator that yields for each block that passes. `touchy`: how real services hear."""

    def __init__(self, walls: Walls, *, touchy: bool):
        self.heard_at: list[float] = []
        """When turns began for the service, by the card's clock."""
        self.held_ms = 0
        """For so long answers were held because the user was suspected."""
        self.took_ms: list[float] = []
        """Of processor, by each block that an answer or its echo sounded in, for canceller and `EchoWatch`."""
        self.stage = Stage().open()
        self.card = Card(walls, self._pass)
        self.reply: Sound = np.zeros(0)
        """At RENDER: what the next turn is answered with."""
        self._ear: EnergyVad = TouchyVad(RENDER) if touchy else EnergyVad(RENDER)
        self._script: Iterator[None] = iter(())
        self._over = threading.Event()
        self._failure: BaseException | None = None
        self._before = self.stage.now

    def hold(self, script: Iterator[None]) -> None:
        """Raises what the script, the recorder or anything else on its thread raised."""
        self._script = script
        lockstep = Lockstep(self.stage.speaker, self.card, self._played, clock=lambda: self.card.now)
        canceller = EchoCanceller(CAPTURE, RENDER)
        canceller.hint_delay(60)
        canceller.warm_up()
        watch = EchoWatch(CleanMicrophone(canceller), CAPTURE, RENDER, lambda: lockstep.put_later)

        def cancel(captured: bytes, reference: bytes) -> bytes:
            begin = time.thread_time()
            clean = watch.process(captured, reference)
            if watch.sounding:
                self.took_ms.append((time.thread_time() - begin) * 1000)
            return clean

        recorder = Recorder(
            self.card,
            self._hear,
            self._lose,
            reference=lockstep,
            cancel=cancel,
            detector=VoiceDetector(CAPTURE),
            convert=Decimator(CAPTURE // RENDER).feed,
            apart=False,
        )
        recorder.start()
        self._over.wait()
        recorder.stop()
        if self._failure is not None:
            raise self._failure

    # -- what scripts use --------------------------------------------------------------------------------------

    def ask(self, question: Sound, reply: Sound) -> Iterator[None]:
        """A question, until its answer sounds."""
        self.reply, turns = reply, len(self.heard_at)
        self.card.say(question)
        yield from self.until(lambda: not self.card.speaking, 20)
        assert len(self.heard_at) == turns + 1, "the question was not heard as one turn"
        yield from self.until(lambda: self.stage.session.state == "speaking", 3)

    def until(self, happened: Callable[[], bool], most_s: float) -> Iterator[None]:
        end = self.card.now + most_s
        while not happened():
            assert self.card.now < end, "it did not happen in time"
            yield

    def wait(self, seconds: float) -> Iterator[None]:
        end = self.card.now + seconds
        while self.card.now < end:
            yield

    # -- on the recorder's thread ------------------------------------------------------------------------------

    def _pass(self) -> None:
        self.stage.now = self._before + self.card.now
        self.held_ms += BLOCK_MS * self.stage.speaker.paused
        if round(self.card.now * 100) % 10 == 0:
            self.stage.session.tick()
        if not self._over.is_set():
            try:
                next(self._script)
            except StopIteration:
                self._over.set()
            except BaseException as failure:  # noqa: BLE001 - the test's thread raises it
                self._failure = failure
                self._over.set()

    def _lose(self, error: AudioError) -> None:
        self._failure = self._failure or error
        self._over.set()

    def _played(self, event: PlayerEvent) -> None:
        if isinstance(event, PlaybackStarted | PlaybackDrained):
            self.stage.session.played(replace(event, at=self.stage.now))

    def _hear(self, frame: Frame) -> None:
        before = len(self.stage.sent)
        self.stage.session.hear(replace(frame, captured_at=self.stage.now))
        for command in self.stage.sent[before:]:
            if isinstance(command, cmd.AppendAudio):
                for what, _ in self._ear.hear(np.frombuffer(command.pcm, "<i2"), SERVER_VAD):
                    self._turn(what)

    def _turn(self, what: str) -> None:
        """As a service does it: who begins to speak silences the answer, whose pause is answered."""
        count = len(self.heard_at)
        if what == "started":
            self.heard_at.append(self.card.now)
            self.stage.tell(ev.SpeechStarted(f"user{count}"))
            return
        item, response, answer = f"user{count - 1}", f"resp{count - 1}", f"item{count - 1}"
        self.stage.tell(ev.SpeechStopped(item), ev.InputCommitted(item), ev.UserTranscript(item, "a question", True))
        self.stage.tell(
            ev.ResponseStarted(response),
            ev.AssistantText(response, answer, 0, "an answer of several words"),
            ev.AssistantAudio(response, answer, 0, pcm(self.reply)),
            ev.AssistantAudioDone(response, answer),
            ev.ResponseFinished(response, "completed"),
        )
