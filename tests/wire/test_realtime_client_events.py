"""Commands to frames, by value, in every dialect."""

import base64
import json
from typing import Any

import pytest

from voicechat.audio import g711
from voicechat.dialects.openai.client import ClientProfile, Dialect, RealtimeCodec
from voicechat.realtime import commands as cmd
from voicechat.realtime.capabilities import Capabilities

OPENAI: list[Dialect] = ["ga", "beta"]
QWEN: list[Dialect] = ["qwen", "qwen_nested", "qwen_audio"]
ALL = OPENAI + QWEN
ABLE = Capabilities(supports_images=True, supports_semantic_vad=True, supports_tools=True, input_rate_hz=16_000)
PARAMETERS = {"type": "object", "properties": {}}
TOOL = cmd.Tool("clock", "The time.", PARAMETERS)


def codec_for(dialect: Dialect, **fields: Any) -> RealtimeCodec:
    return RealtimeCodec(ClientProfile(capabilities=ABLE, dialect=dialect, **fields))


def sent(codec: RealtimeCodec, command: cmd.Command) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in codec.encode(command)]


def without_id(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "event_id"}


def item(content_type: str, role: str = "user", words: str = "你好") -> dict[str, Any]:
    content = [{"type": content_type, "text": words}]
    return {"type": "conversation.item.create", "item": {"type": "message", "role": role, "content": content}}


TRUNCATE = {"type": "conversation.item.truncate", "item_id": "item_9", "content_index": 0, "audio_end_ms": 740}

CASES: list[tuple[cmd.Command, list[Dialect], dict[str, Any] | None]] = [
    (cmd.CommitAudio(), ALL, {"type": "input_audio_buffer.commit"}),
    (cmd.ClearAudio(), ALL, {"type": "input_audio_buffer.clear"}),
    (cmd.CreateResponse(), ALL, {"type": "response.create"}),
    (cmd.CreateResponse("Sing."), ALL, {"type": "response.create", "response": {"instructions": "Sing."}}),
    (cmd.CancelResponse(), ALL, {"type": "response.cancel"}),
    (cmd.CancelResponse("resp_1"), OPENAI, {"type": "response.cancel", "response_id": "resp_1"}),
    (cmd.CancelResponse("resp_1"), QWEN, {"type": "response.cancel"}),
    (cmd.TruncateItem("item_9", 0, 740), OPENAI, TRUNCATE),
    (cmd.TruncateItem("item_9", 0, 740), QWEN, None),
    (cmd.DeleteItem("item_1"), [*OPENAI, "qwen_audio"], {"type": "conversation.item.delete", "item_id": "item_1"}),
    (cmd.DeleteItem("item_1"), ["qwen", "qwen_nested"], None),
    (cmd.RetrieveItem("item_1"), [*OPENAI, "qwen_audio"], {"type": "conversation.item.retrieve", "item_id": "item_1"}),
    (cmd.RetrieveItem("item_1"), ["qwen", "qwen_nested"], None),
    (cmd.SendText("你好"), ALL, item("input_text")),
    (cmd.SendText("你好", "system"), ALL, item("input_text", "system")),
    (cmd.SendText("你好", "assistant"), ["beta"], item("text", "assistant")),
    (cmd.SendText("你好", "assistant"), ["ga", *QWEN], item("output_text", "assistant")),
    (
        cmd.ToolResult("call_1", '{"ok":true}'),
        ALL,
        {
            "type": "conversation.item.create",
            "item": {"type": "function_call_output", "call_id": "call_1", "output": '{"ok":true}'},
        },
    ),
    (
        cmd.SetTools((TOOL,)),
        ["ga"],
        {
            "type": "session.update",
            "session": {
                "type": "realtime",
                "tools": [{"type": "function", "name": "clock", "description": "The time.", "parameters": PARAMETERS}],
                "tool_choice": "auto",
            },
        },
    ),
    (
        cmd.SetTools((TOOL,), "none"),
        ["beta"],
        {
            "type": "session.update",
            "session": {
                "tools": [{"type": "function", "name": "clock", "description": "The time.", "parameters": PARAMETERS}],
                "tool_choice": "none",
            },
        },
    ),
    (
        cmd.SetTools((TOOL,)),
        QWEN,
        {
            "type": "session.update",
            "session": {
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "clock", "description": "The time.", "parameters": PARAMETERS},
                    }
                ]
            },
        },
    ),
    (
        cmd.CreateResponse("Say that you look.", tool_choice="none", aside=True),
        OPENAI,
        {
            "type": "response.create",
            "response": {"instructions": "Say that you look.", "tool_choice": "none", "conversation": "none"},
        },
    ),
    (
        cmd.CreateResponse("Sing.", tool_choice="none", aside=True),
        QWEN,
        {"type": "response.create", "response": {"instructions": "Sing."}},
    ),
    (cmd.Finish(), ["qwen", "qwen_nested"], {"type": "session.finish"}),
    (cmd.Finish(), [*OPENAI, "qwen_audio"], None),
    (cmd.AppendAudio(b"\x01\x02\x03\x04"), ALL, {"type": "input_audio_buffer.append", "audio": "AQIDBA=="}),
    (cmd.AppendAudio(b""), ALL, None),
    (
        cmd.SendImage(b"PNG", "image/png", "What is it?"),
        ["ga"],
        {
            "type": "conversation.item.create",
            "item": {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_image", "image_url": "data:image/png;base64,UE5H"},
                    {"type": "input_text", "text": "What is it?"},
                ],
            },
        },
    ),
    (cmd.SendImage(b"PNG", "image/png"), ["beta", "qwen"], None),
]


@pytest.mark.parametrize(
    ("command", "dialect", "event"),
    [(command, dialect, event) for command, dialects, event in CASES for dialect in dialects],
)
def test_a_command_is_one_event_or_nothing(
    command: cmd.Command, dialect: Dialect, event: dict[str, Any] | None
) -> None:
    events = [without_id(one) for one in sent(codec_for(dialect), command)]
    assert events == ([] if event is None else [event])


def test_every_event_but_append_has_its_own_id() -> None:
    codec = codec_for("ga")
    ids = [sent(codec, command)[0]["event_id"] for command in [cmd.CommitAudio(), cmd.CommitAudio()] * 5]
    ids.append(sent(codec, cmd.Configure(cmd.SessionConfig()))[0]["event_id"])
    assert len(set(ids)) == 11
    assert "event_id" not in sent(codec, cmd.AppendAudio(b"\0\0"))[0]
    assert sent(codec_for("ga"), cmd.CommitAudio())[0]["event_id"] not in ids, "another session, other ids"


def test_qwen_images_are_frames_of_their_own_and_audio_comes_first() -> None:
    image = {"type": "input_image_buffer.append", "image": "SlBH"}
    codec = codec_for("qwen")
    silence, frame, text = sent(codec, cmd.SendImage(b"JPG", "image/jpeg", "你好"))
    assert base64.b64decode(silence["audio"]) == bytes(3200), "100 ms at 16 kHz"
    assert without_id(frame) == image
    assert without_id(text) == item("input_text")
    assert [without_id(event) for event in sent(codec, cmd.SendImage(b"JPG"))] == [image], "audio was sent before"


@pytest.mark.parametrize("law", ["g711_ulaw", "g711_alaw"])
def test_g711_is_encoded_on_the_way_out_and_the_rate_says_so(law: g711.Law) -> None:
    codec = codec_for("ga", audio_format=law)
    pcm = b"\x00\x00\xff\x7f\x00\x80"
    assert base64.b64decode(sent(codec, cmd.AppendAudio(pcm))[0]["audio"]) == g711.encode(law, pcm)
    assert (codec.capabilities.input_rate_hz, codec.capabilities.output_rate_hz) == (8000, 8000)


def test_what_a_service_does_not_support_is_not_sent() -> None:
    able, unable = Capabilities(supports_images=True), Capabilities(supports_images=False, supports_tools=False)
    session = cmd.Configure(cmd.SessionConfig(tools=(TOOL,)))
    for capabilities in (able, unable):
        codec = RealtimeCodec(ClientProfile(capabilities=capabilities, dialect="qwen"))
        assert bool(sent(codec, cmd.SendImage(b"JPG"))) is capabilities.supports_images
        assert ("tools" in sent(codec, session)[0]["session"]) is capabilities.supports_tools
