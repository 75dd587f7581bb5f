"""How each session begins: with what it is configured, and what it owes to the one before."""

from collections.abc import Callable
from dataclasses import fields, replace

from voicechat.conversation.notices import Notice, WarningNotice
from voicechat.conversation.restore import Owed, Restorer
from voicechat.realtime.commands import Command, Configure, CreateResponse, SessionConfig, Tool
from voicechat.realtime.events import ConfigureAgain, SessionConfigured, SessionCreated
from voicechat.realtime.opening import Opening


class Opener:
    """Owned by a Session. `send` reaches a service that has not accepted anything yet."""

    def __init__(
        self,
        config: SessionConfig,
        restorer: Restorer,
        send: Callable[[Command], None],
        publish: Callable[[Notice], None],
        tools: Callable[[], tuple[Tool, ...]] = tuple,
    ):
        """`tools` gives those that there are when a session begins."""
        self._config = config
        self._restored = ""  # the conversation so far, where it had to become a part of the instructions
        self._tools = tools
        self._opening = Opening(config, service_speaks_first=True)
        self._restorer = restorer
        self._send = send
        self._publish = publish

    @property
    def config(self) -> SessionConfig:
        """What is asked for, from now on."""
        return self._config

    def change(self, config: SessionConfig, updates: frozenset[str] | None) -> bool:
        """Ask for `config` instead: of the sessions to come, and of the running one if it takes the change (`updates`).

        False: it does not, or is not to (None).
        """
        changed = {
            field.name for field in fields(config) if getattr(config, field.name) != getattr(self._config, field.name)
        }
        self._config = config
        if updates is None or not changed <= updates:
            return False
        told = replace(config, greeting="", instructions=config.instructions + self._restored, tools=self._tools())
        self._opening = Opening(told, service_speaks_first=True)
        self._send(Configure(told))
        return True

    @property
    def service_finds_turns(self) -> bool:
        return self._config.turn_detection is not None

    @property
    def voice(self) -> str:
        """The one in force, as far as anybody said."""
        return self._opening.voice

    def take(self, event: SessionCreated | ConfigureAgain | SessionConfigured) -> None:
        """The service is there (it is said so too of one that waits for us), refuses, or accepts."""
        if isinstance(event, SessionCreated):
            told = self._restorer.configuration(replace(self._config, tools=self._tools()))
            self._restored = told.instructions.removeprefix(self._config.instructions)
            self._opening = Opening(told, service_speaks_first=True)
        for command in self._opening.take(event):
            self._send(command)
        if isinstance(event, ConfigureAgain) and event.voice_dropped:
            self._config = replace(self._config, voice="")
            unknown = f"The service does not know the voice {event.voice_dropped}"
            self._publish(WarningNotice("voice", f"{unknown}: using the model's own."))

    def greeting(self) -> CreateResponse | None:
        """The assistant's first words, asked for; None when the user begins."""
        words = self._config.greeting
        return CreateResponse(f"Greet the user with exactly these words: {words}", words) if words else None

    def answer_owed(self, owed: Owed) -> CreateResponse | None:
        """What a new session is asked for, once it knows what was said; None: nothing, or it answers by itself."""
        if owed is Owed.WORDS and not self._restorer.history.items():
            return self.greeting() or CreateResponse()
        asked = owed is Owed.WORDS or (owed is Owed.SPEECH and not self.service_finds_turns)
        return CreateResponse() if asked else None
