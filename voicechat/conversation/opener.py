"""How each session begins: with what it is configured, and what it owes to the one before."""

from collections.abc import Callable
from dataclasses import replace

from voicechat.conversation.notices import Notice, WarningNotice
from voicechat.conversation.restore import Owed, Restorer
from voicechat.realtime.commands import Command, Configure, CreateResponse, SessionConfig
from voicechat.realtime.events import ConfigureAgain


class Opener:
    """Owned by a Session. `send` reaches a service that has not accepted anything yet."""

    def __init__(
        self,
        config: SessionConfig,
        restorer: Restorer,
        send: Callable[[Command], None],
        publish: Callable[[Notice], None],
    ):
        self.voice = config.voice
        """The one in force, as far as anybody said."""
        self._config = config
        self._restorer = restorer
        self._send = send
        self._publish = publish

    @property
    def service_finds_turns(self) -> bool:
        return self._config.turn_detection is not None

    def configure(self) -> None:
        """The service is there."""
        self._send(Configure(self._restorer.configuration(self._config)))

    def configure_again(self, event: ConfigureAgain) -> None:
        """It did not take it so."""
        if event.voice_dropped:
            self._config, self.voice = replace(self._config, voice=""), ""
            unknown = f"The service does not know the voice {event.voice_dropped}"
            self._publish(WarningNotice("voice", f"{unknown}: using the model's own."))
        self.configure()

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
