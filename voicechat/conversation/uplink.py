"""The way out: commands in order, audio bounded in time, one sender."""

import asyncio
from collections import deque

from voicechat.audio.frames import duration_ms
from voicechat.realtime.codec import Codec, Frame
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
        self._replies: deque[Frame] = deque()
        self._waiting_ms = 0.0
        self._some = asyncio.Event()
        self._idle = asyncio.Event()

    def send(self, command: Command) -> None:
        if isinstance(command, AppendAudio):
            self._waiting_ms += duration_ms(len(command.pcm), self._rate_hz)
            if self._waiting_ms > BACKLOG_MS:
                self._drop_oldest_audio()
        self._commands.append(command)
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
            self._idle.clear()
            self._some.set()

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
        while True:
            while self._replies or self._commands:
                if self._replies:
                    await transport.send(self._replies.popleft())
                    continue
                command = self._commands.popleft()
                if isinstance(command, AppendAudio):
                    self._waiting_ms -= duration_ms(len(command.pcm), self._rate_hz)
                for frame in self._codec.encode(command):
                    await transport.send(frame)
            self._idle.set()
            self._some.clear()
            if self._keep_alive_s is None:
                await self._some.wait()
                continue
            try:
                async with asyncio.timeout(self._keep_alive_s):
                    await self._some.wait()
            except TimeoutError:
                self.send(AppendAudio(b""))

    async def flushed(self) -> None:
        """Wait until everything has been handed to the transport."""
        await self._idle.wait()
