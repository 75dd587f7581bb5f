"""The way out: commands in order, audio bounded in time, one sender."""

import asyncio
from collections import deque

from voicechat.audio.frames import duration_ms
from voicechat.realtime.codec import Codec, WireFrame
from voicechat.realtime.commands import AppendAudio, Command
from voicechat.wire.transport import Transport

BACKLOG_MS = 10_000.0
"""Audio that may wait for a slow network. Beyond it the oldest is dropped and counted."""
CROWDED_MS = 2_000.0
CROWDED_COMMANDS = 200
"""Whoever can wait does so from here on."""


class Uplink:
    """`send` never waits; `run` moves everything to the transport until the connection ends."""

    def __init__(self, codec: Codec):
        self.dropped_ms = 0.0
        self._codec = codec
        self._rate_hz = codec.capabilities.input_rate_hz
        self._keep_alive_s = codec.capabilities.keep_alive_s  # a codec works out its capabilities when asked
        self._commands: deque[Command] = deque()
        self._replies: deque[WireFrame] = deque()
        self._waiting_ms = 0.0
        self._at_rest: Transport | None = None
        """The connection, while nothing waits for it: then there is no need for another task to send."""
        self._some = asyncio.Event()
        self._idle = asyncio.Event()

    def send(self, command: Command) -> None:
        if isinstance(command, AppendAudio):
            if self._at_rest is not None:
                self._send_at_once(command, self._at_rest)
                return
            self._waiting_ms += duration_ms(len(command.pcm), self._rate_hz)
            if self._waiting_ms > BACKLOG_MS:
                self._drop_oldest_audio()
        self._commands.append(command)
        self._wake()

    def _send_at_once(self, audio: AppendAudio, transport: Transport) -> None:
        """The short way, for what comes fifty times a second; a frame for which there is no room takes the other."""
        frames = self._codec.encode(audio)
        for count, frame in enumerate(frames):
            if not transport.send_now(frame):
                self._replies.extend(frames[count:])
                self._wake()
                return

    def _wake(self) -> None:
        self._at_rest = None
        self._idle.clear()
        self._some.set()

    @property
    def crowded(self) -> bool:
        """So much is waiting that whoever can should wait for `flushed`."""
        return self._waiting_ms > CROWDED_MS or len(self._commands) > CROWDED_COMMANDS

    def answer(self) -> None:
        """Send what the codec itself has to say, before anything else."""
        if replies := self._codec.replies():
            self._replies.extend(replies)
            self._wake()

    def renew(self, codec: Codec) -> None:
        """Another connection: what waited was meant for the one before."""
        self._codec, self._keep_alive_s = codec, codec.capabilities.keep_alive_s
        self._commands.clear()
        self._replies.clear()
        self._waiting_ms = 0.0
        self._idle.set()

    def _drop_oldest_audio(self) -> None:
        for index, command in enumerate(self._commands):
            if isinstance(command, AppendAudio):
                length_ms = duration_ms(len(command.pcm), self._rate_hz)
                self.dropped_ms += length_ms
                self._waiting_ms -= length_ms
                del self._commands[index]
                return

    async def run(self, transport: Transport) -> None:
        """Send until cancelled; raises `transport.Closed` when the connection has ended."""
        self.answer()
        try:
            while True:
                await self._send_what_waits(transport)
                self._idle.set()
                self._some.clear()
                if self._keep_alive_s is None:
                    self._at_rest = transport
                    await self._some.wait()
                    continue
                try:
                    async with asyncio.timeout(self._keep_alive_s):
                        await self._some.wait()
                except TimeoutError:
                    self.send(AppendAudio(b""))
        finally:
            self._at_rest = None

    async def _send_what_waits(self, transport: Transport) -> None:
        while self._replies or self._commands:
            if self._replies:
                await transport.send(self._replies.popleft())
                continue
            command = self._commands.popleft()
            if isinstance(command, AppendAudio):
                self._waiting_ms -= duration_ms(len(command.pcm), self._rate_hz)
            for frame in self._codec.encode(command):
                await transport.send(frame)

    async def flushed(self) -> None:
        """Wait until everything has been handed to the transport."""
        await self._idle.wait()
