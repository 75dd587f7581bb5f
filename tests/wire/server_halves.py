"""Both halves of one session, joined without a wire, and every server frame checked by the `openai` package's types."""

import json
from typing import Any, get_args

from openai.types.beta.realtime import RealtimeServerEvent as BetaServerEvent
from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel

from tests.wire.test_realtime_oracle import models
from voicechat.dialects.openai import client, server
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities

Json = dict[str, Any]


def by_type(union: Any) -> dict[str, type[BaseModel]]:
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in models(union)}


GA = by_type(RealtimeServerEvent)
BETA = by_type(BetaServerEvent)
UNKNOWN_TO_THE_PACKAGE = {"session.closed"}
EVERYTHING = Capabilities(supports_images=True, supports_semantic_vad=True)


class Halves:
    """A client's codec and a server's; nothing of either is known to the other but frames."""

    def __init__(self, dialect: server.Dialect, profile: server.ServerProfile | None = None, law: str = "pcm16"):
        self.client = client.RealtimeCodec(
            client.ClientProfile(EVERYTHING, dialect=dialect, audio_format=law, takes_names=True)  # type: ignore[arg-type]
        )
        self.server = server.ServerCodec(profile, dialect)
        self.dialect = dialect
        self.seen: list[Json] = []

    def ask(self, *commands: cmd.Command) -> list[cmd.Command]:
        """What reaches the server's side of the client's commands; nothing of it may be refused."""
        reached: list[cmd.Command] = []
        for command in commands:
            for frame in self.client.encode(command):
                reached += self.server.decode(frame)
                for reply in self.server.replies():
                    assert self._checked(reply)["type"] != "error", reply
                    self.client.decode(reply)
        return reached

    def tell(self, *events: ev.Event) -> list[ev.Event]:
        """What reaches the client of the server's events."""
        reached: list[ev.Event] = []
        for event in events:
            for frame in self.server.encode(event):
                self._checked(frame)
                reached += self.client.decode(frame)
        return reached

    def raw(self, event: Json) -> tuple[list[cmd.Command], list[Json]]:
        """A frame of the client's own making: commands and replies."""
        commands = self.server.decode(json.dumps(event))
        return commands, [self._checked(reply) for reply in self.server.replies()]

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.seen]

    def of(self, kind: str) -> list[Json]:
        return [event for event in self.seen if event["type"] == kind]

    def _checked(self, frame: str | bytes) -> Json:
        event: Json = json.loads(frame)
        if event["type"] not in UNKNOWN_TO_THE_PACKAGE:
            (GA if self.dialect == "ga" else BETA)[event["type"]].model_validate(_typed(event))
        assert event["event_id"] not in [one["event_id"] for one in self.seen]
        self.seen.append(event)
        return event


def _typed(event: Json) -> Json:
    """The package's Beta types know OpenAI's models only, and no function that must be called."""
    session = event.get("session")
    if session is None or "modalities" not in session:
        return event
    return event | {"session": session | {"model": "gpt-4o-realtime-preview", "tool_choice": "auto"}}
