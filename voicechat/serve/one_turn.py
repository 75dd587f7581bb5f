"""One recorded turn of a conversation: sound in, the answer's sound and both transcripts out."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from voicechat.audio.resample import Resampler
from voicechat.errors import ConnectionFailed, Refused
from voicechat.providers.base import Provider
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.codec import Codec
from voicechat.realtime.opening import Opening
from voicechat.serve.models import Model
from voicechat.wire.transport import Closed, HandshakeRefused, Transport

PIECE_MS = 100
WORDS_S = 3.0
"""How long the user's words are waited for once the answer is complete: some services recognise late."""
MOST_ANSWER_S = 600.0


@dataclass
class Turn:
    """What was said. `pcm` is s16le at `rate_hz`."""

    rate_hz: int
    heard: str = ""
    answer: str = ""
    pcm: bytearray = field(default_factory=bytearray)
    complaint: str = ""


async def one_turn(
    model: Model,
    config: cmd.SessionConfig,
    sound: Iterable[bytes],
    rate_hz: int,
    most_s: float,
    watch: Callable[[ev.Event], None],
) -> Turn:
    """Say `sound` (s16le at `rate_hz`) to the model; `watch` is told every event.

    Raises VoicechatError, TimeoutError after `most_s`.
    """
    provider = model.service.provider
    talk = _Talk(provider, provider.codec(), model.service.connect(), config, watch)
    try:
        async with asyncio.timeout(most_s):
            await talk.open()
            await talk.say(sound, rate_hz)
            await talk.listen()
        return talk.turn
    except HandshakeRefused as refusal:
        raise provider.refusal(refusal.status, None, refusal.body) from refusal
    except Closed as closed:
        raise provider.refusal(None, closed.code, closed.reason) from closed
    finally:
        with contextlib.suppress(Closed, OSError):
            await talk.close()


class _Talk:
    def __init__(
        self,
        provider: Provider,
        codec: Codec,
        transport: Transport,
        config: cmd.SessionConfig,
        watch: Callable[[ev.Event], None],
    ):
        self._provider = provider
        self._watch = watch
        self._codec = codec
        self._transport = transport
        can = codec.capabilities
        self._opening = Opening(config, service_speaks_first=can.emits_session_created)
        self._ended = self._heard = False
        self.turn = Turn(can.output_rate_hz)

    async def open(self) -> None:
        await self._transport.connect()
        await self._send(*self._opening.begin())
        while not self._opening.done:
            await self._receive()

    async def say(self, sound: Iterable[bytes], rate_hz: int) -> None:
        """At once: nobody but us finds the turn's end."""
        wanted_hz = self._codec.capabilities.input_rate_hz
        resampler = Resampler(rate_hz, wanted_hz)
        step = 2 * wanted_hz * PIECE_MS // 1000
        for block in sound:
            pcm = resampler.feed(block)
            for start in range(0, len(pcm), step):
                await self._send(cmd.AppendAudio(pcm[start : start + step]))
            await asyncio.sleep(0)
        await self._send(cmd.AppendAudio(resampler.feed(bytes(2 * rate_hz // 10), last=True)))
        await self._send(cmd.CommitAudio("turn-1"), cmd.CreateResponse())

    async def listen(self) -> None:
        while not self._ended:
            await self._receive()
        with contextlib.suppress(TimeoutError, Closed):
            async with asyncio.timeout(WORDS_S):
                while not self._heard:
                    await self._receive()

    async def close(self) -> None:
        await self._transport.close()

    async def _send(self, *commands: cmd.Command) -> None:
        for command in commands:
            for frame in self._codec.encode(command):
                await self._transport.send(frame)

    async def _receive(self) -> None:
        for event in self._codec.decode(await self._transport.receive()):
            await self._send(*self._opening.take(event))
            self._watch(event)
            self._take(event)
        for frame in self._codec.replies():
            await self._transport.send(frame)

    def _take(self, event: ev.Event) -> None:
        turn = self.turn
        match event:
            case ev.UserTranscript(final=True):
                turn.heard, self._heard = event.text, True
            case ev.UserTranscriptFailed():
                self._heard = True
            case ev.AssistantText():
                turn.answer += event.delta
            case ev.AssistantTextDone() if event.text:
                turn.answer = event.text
            case ev.AssistantAudio():
                turn.pcm += event.pcm
                if len(turn.pcm) > MOST_ANSWER_S * 2 * turn.rate_hz:
                    raise ConnectionFailed(f"{self._provider.name} does not stop answering.", "Try again.")
            case ev.ResponseFinished():
                turn.complaint, self._ended = event.complaint, True
            case ev.ServiceError(severity="fatal"):
                raise Refused(event.message, event.hint)
            case ev.ServiceError(severity="retry"):
                raise ConnectionFailed(event.message, event.hint or "Try again.")
            case ev.SessionFinished():
                raise ConnectionFailed(f"{self._provider.name} ended the session.", "Try again.")
