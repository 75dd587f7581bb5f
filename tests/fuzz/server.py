"""The server's half of the OpenAI dialect: each line of the input is one client frame of the same session."""

import json

from tests.fuzz.harness import main
from voicechat.dialects.openai.server import ServerCodec, ServerProfile
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev


def check(data: bytes) -> None:
    """Any frame gives commands or an error, and never an exception; so do the answers to it."""
    for codec in (ServerCodec(), ServerCodec(dialect="beta"), ServerCodec(ServerProfile(manner="dashscope"), "beta")):
        for line in data.split(b"\n")[:20]:
            for frame in (line, line.decode("utf-8", "surrogateescape")):
                for command in codec.decode(frame):
                    for event in answers(command):
                        told(codec.encode(event))
                told(codec.replies())


def told(frames: list[str | bytes]) -> None:
    assert all(json.loads(frame)["event_id"] for frame in frames)


def answers(command: cmd.Command) -> list[ev.Event]:
    match command:
        case cmd.Configure(config=config):
            return [ev.SessionConfigured(config.voice)]
        case cmd.CommitAudio():
            return [ev.InputCommitted("item_u"), ev.UserTranscript("item_u", "hello", True)]
        case cmd.CreateResponse():
            sound = ev.AssistantAudio("resp", "item_a", 0, bytes(960))
            return [ev.ResponseStarted("resp"), ev.AssistantText("resp", "item_a", 0, "hello"), sound]
        case cmd.CancelResponse():
            return [ev.ResponseFinished("resp", "cancelled", "client_cancelled")]
        case cmd.TruncateItem():
            return [ev.ItemTruncated(command.item_id, command.audio_end_ms)]
        case cmd.RetrieveItem():
            return [ev.ItemRetrieved(command.item_id)]
        case _:
            return []


if __name__ == "__main__":
    main("server", check)
