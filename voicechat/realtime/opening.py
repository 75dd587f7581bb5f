"""From a connection to an accepted configuration: what is sent when, whoever opens the session."""

from dataclasses import replace

from voicechat.realtime.commands import Command, Configure, SessionConfig
from voicechat.realtime.events import ConfigureAgain, Event, SessionConfigured, SessionCreated


class Opening:
    """One session's opening. Send what `begin` gives, then what `take` gives for each event, until `done`."""

    def __init__(self, config: SessionConfig, *, service_speaks_first: bool):
        self.config = config
        """As it is asked for: a refused voice is not asked for again."""
        self.done = False
        self.voice = config.voice
        """The voice in force, as far as anybody said."""
        self.refused_voice = ""
        self._service_speaks_first = service_speaks_first

    def begin(self) -> list[Command]:
        """On connecting."""
        return [] if self._service_speaks_first else [Configure(self.config)]

    def take(self, event: Event) -> list[Command]:
        """What one event of the service asks for."""
        match event:
            case SessionCreated() if self._service_speaks_first:
                return [Configure(self.config)]
            case ConfigureAgain():
                if event.voice_dropped:
                    self.refused_voice = event.voice_dropped
                    self.config, self.voice = replace(self.config, voice=""), ""
                return [Configure(self.config)]
            case SessionConfigured():
                self.done = True
                self.voice = event.voice or self.voice
        return []
