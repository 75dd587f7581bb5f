"""The server's half by itself: which dialect, the session object, items in their order, truncation, retrieval."""

from typing import Any

import pytest

from tests.wire.server_halves import Halves, Json
from voicechat.dialects.openai.server import Dialect, ServerCodec, ServerProfile, chosen_dialect
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev

USER: Json = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
RESULT: Json = {"type": "function_call_output", "call_id": "c", "output": "{}"}


def update(halves: Halves, **session: Any) -> Json:
    """The session as it is shown after an update that was accepted."""
    if halves.dialect == "ga":
        session["type"] = "realtime"
    commands, replies = halves.raw({"type": "session.update", "session": session})
    assert len(commands) == 1, replies
    halves.tell(ev.SessionConfigured())
    shown: Json = halves.of("session.updated")[-1]["session"]
    return shown


@pytest.mark.parametrize(
    ("headers", "subprotocols", "path", "dialect"),
    [
        ({}, [], "/v1/realtime?model=x", None),
        ({"openai-beta": "realtime=v1"}, [], "/v1/realtime?model=x", "beta"),
        ({"openai-beta": "assistants=v2"}, [], "/v1/realtime?model=x", None),
        ({}, ["realtime", "openai-insecure-api-key.k", "openai-beta.realtime-v1"], "/v1/realtime", "beta"),
        ({}, ["realtime", "openai-insecure-api-key.k"], "/v1/realtime", None),
        ({}, [], "/openai/realtime?api-version=2024-10-01-preview&deployment=x", "beta"),
        ({}, [], "/openai/v1/realtime?model=x", None),
    ],
)
def test_the_handshake_chooses_the_dialect(
    headers: dict[str, str], subprotocols: list[str], path: str, dialect: str | None
) -> None:
    assert chosen_dialect(headers, subprotocols, path) == dialect


@pytest.mark.parametrize(
    ("session", "dialect"),
    [
        ({"type": "realtime"}, "ga"),
        ({"modalities": ["text"]}, "beta"),
        ({"voice": "alloy", "instructions": "x"}, "beta"),
        ({"turn_detection": None}, "beta"),
        ({"instructions": "x"}, "ga"),
        ({"type": "realtime", "instructions": "x"}, "ga"),
    ],
)
def test_else_the_first_update_does_by_its_shape(session: Json, dialect: str) -> None:
    halves = Halves("ga")
    halves.server = ServerCodec()
    halves.raw({"type": "session.update", "session": session})
    assert halves.server.dialect == dialect
    halves.raw({"type": "session.update", "session": {"voice": "alloy"}})
    assert halves.server.dialect == dialect or session == {"instructions": "x"}, "once chosen it stays"


def test_a_session_begins_with_everything_it_is() -> None:
    halves = Halves("ga", ServerProfile("some-model", "alloy"))
    created = ev.SessionCreated("sess_1", "some-model", "marin", 1_800_000_000)
    assert halves.tell(created) == [created]
    session = halves.seen[0]["session"]
    assert (session["type"], session["object"]) == ("realtime", "realtime.session")
    assert session["output_modalities"] == ["audio"]
    assert session["audio"]["output"] == {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": "marin", "speed": 1}
    assert session["max_output_tokens"] == "inf"
    assert halves.tell(ev.SessionCreated("sess_2")) == []  # another session behind: the client's goes on
    assert halves.server.config == cmd.SessionConfig(
        voice="marin",
        transcribe=False,
        turn_detection=cmd.TurnDetection(threshold=0.5, silence_ms=500, prefix_ms=300),
    )
    assert halves.tell(ev.SessionConfigured("marin")) == []  # nobody asked


def test_a_beta_session_is_flat_and_tells_of_its_conversation() -> None:
    halves = Halves("beta", ServerProfile("some-model", "alloy"))
    halves.tell(ev.SessionCreated("sess_1"))
    assert halves.kinds() == ["session.created", "conversation.created"]
    session = halves.seen[0]["session"]
    assert "type" not in session
    assert "audio" not in session
    assert session["modalities"] == ["text", "audio"]
    assert (session["input_audio_format"], session["temperature"]) == ("pcm16", 0.8)
    assert session["max_response_output_tokens"] == "inf"
    assert "idle_timeout_ms" not in session["turn_detection"]


def test_an_update_merges_and_is_answered_in_full() -> None:
    halves = Halves("ga")
    update(halves, audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 0.7}}})
    shown = update(halves, audio={"output": {"voice": "marin", "speed": 1.2}}, instructions="Be brief.")
    assert shown["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.7,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }
    assert (shown["audio"]["output"]["voice"], shown["audio"]["output"]["speed"]) == ("marin", 1.2)
    shown = update(halves, audio={"input": {"turn_detection": {"type": "semantic_vad"}}}, tracing="auto")
    assert shown["instructions"] == "Be brief."
    assert shown["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }
    assert update(halves, audio={"input": {"turn_detection": None}})["audio"]["input"]["turn_detection"] is None


def test_what_dashscopes_own_client_sends_is_taken() -> None:
    halves = Halves("beta")
    shown = update(
        halves, input_audio_transcription={"model": None}, turn_detection={"type": "none"}, instructions=None
    )
    assert shown["turn_detection"] is None
    assert halves.server.config.transcribe
    commands, _ = halves.raw({"type": "response.create", "response": {"instructions": None}})
    assert commands == [cmd.CreateResponse()]


def create(halves: Halves, text: str, role: str = "user", after: str | None = None, **item: Any) -> Json:
    kind = {"assistant": "output_text"}.get(role, "input_text")
    shape = {"type": "message", "role": role, "content": [{"type": kind, "text": text}], **item}
    _, replies = halves.raw({"type": "conversation.item.create", "item": shape, "previous_item_id": after})
    assert [reply["type"] for reply in replies] == ["conversation.item.added", "conversation.item.done"]
    return replies[1]


def test_items_stand_where_they_were_put() -> None:
    halves = Halves("ga")
    assert create(halves, "one", id="item_1")["previous_item_id"] is None
    two = create(halves, "two", "assistant")
    assert two["previous_item_id"] == "item_1"
    assert two["item"]["content"] == [{"type": "output_text", "text": "two"}]
    assert create(halves, "between", after="item_1")["previous_item_id"] == "item_1"
    assert create(halves, "first", "system", after="root")["previous_item_id"] is None
    halves.tell(ev.InputCommitted("item_u"))
    assert halves.of("input_audio_buffer.committed")[0]["previous_item_id"] == two["item"]["id"]
    assert halves.tell(ev.ItemAdded("item_1", "user"), ev.ItemAdded("item_u", "user")) == []  # told already


def test_an_item_is_retrieved_with_what_is_known_of_it() -> None:
    halves = Halves("ga")
    create(halves, "hello", id="item_1")
    commands, replies = halves.raw({"type": "conversation.item.retrieve", "item_id": "item_1"})
    assert (commands, replies) == ([cmd.RetrieveItem("item_1")], [])
    halves.tell(ev.ItemRetrieved("item_1"), ev.ItemRetrieved("item_1", "hello, as it is known behind"))
    texts = [event["item"]["content"][0]["text"] for event in halves.of("conversation.item.retrieved")]
    assert texts == ["hello", "hello, as it is known behind"]


@pytest.mark.parametrize(("dialect", "kind"), [("ga", "output_text"), ("beta", "text")])
def test_an_answer_that_has_no_part_here_is_retrieved_as_text(dialect: Dialect, kind: str) -> None:
    halves = Halves(dialect)
    halves.tell(ev.ItemAdded("a", "assistant"))
    assert halves.tell(ev.ItemRetrieved("a", "hello")) == [ev.ItemRetrieved("a", "hello")]
    assert halves.of("conversation.item.retrieved")[0]["item"]["content"] == [{"type": kind, "text": "hello"}]


def test_what_was_not_heard_was_not_said() -> None:
    halves = Halves("ga")
    halves.tell(
        ev.ResponseStarted("r"),
        ev.AssistantText("r", "a", 0, "One two three."),
        ev.AssistantAudio("r", "a", 0, bytes(48_000)),
        ev.ResponseFinished("r", "completed"),
    )
    truncate = {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": 500}
    assert halves.raw(truncate) == ([cmd.TruncateItem("a", 0, 500)], [])
    halves.tell(ev.ItemTruncated("a", 500), ev.ItemRetrieved("a"), ev.ItemRetrieved("a", "One"))
    bare, known = (event["item"]["content"] for event in halves.of("conversation.item.retrieved"))
    assert bare == [{"type": "output_audio", "transcript": ""}]
    assert known == [{"type": "output_audio", "transcript": "One"}]
    _, (error,) = halves.raw(truncate | {"audio_end_ms": 900})  # it is shorter now
    assert error["error"]["code"] == "invalid_value"
    assert halves.server.history() == [cmd.SendText("One two", "assistant", "a")]  # a second of sound for three words


def test_a_transcript_is_kept_with_its_item_whenever_it_comes() -> None:
    halves = Halves("ga")
    halves.ask(cmd.Configure(cmd.SessionConfig()))
    halves.tell(ev.UserTranscript("early", "before", True), ev.InputCommitted("early"), ev.InputCommitted("late"))
    halves.tell(ev.UserTranscript("late", "after", True), ev.ItemRetrieved("early"), ev.ItemRetrieved("late"))
    kept = [event["item"]["content"][0]["transcript"] for event in halves.of("conversation.item.retrieved")]
    assert kept == ["before", "after"]


def test_the_seconds_of_a_manual_turn_are_those_appended() -> None:
    halves = Halves("ga")
    halves.ask(cmd.Configure(cmd.SessionConfig(turn_detection=None)))
    halves.ask(cmd.AppendAudio(bytes(72_000)), cmd.CommitAudio())
    halves.tell(ev.InputCommitted("u"), ev.UserTranscript("u", "hello", True))
    (completed,) = halves.of("conversation.item.input_audio_transcription.completed")
    assert completed["usage"] == {"type": "duration", "seconds": 1.5}


def test_samples_split_between_two_events_are_put_together() -> None:
    halves = Halves("ga")
    assert halves.raw({"type": "input_audio_buffer.append", "audio": "AQID"}) == ([cmd.AppendAudio(b"\x01\x02")], [])
    assert halves.raw({"type": "input_audio_buffer.append", "audio": "BA=="}) == ([cmd.AppendAudio(b"\x03\x04")], [])
    assert halves.raw({"type": "input_audio_buffer.append", "audio": ""})[0] == []


def test_an_answer_repeats_what_was_asked_of_it() -> None:
    halves = Halves("ga")
    wish = {"output_modalities": ["text"], "metadata": {"kind": "title"}, "max_output_tokens": 9}
    commands, _ = halves.raw({"type": "response.create", "response": wish})
    assert commands == [cmd.CreateResponse(speak=False, max_tokens=9)]
    halves.tell(ev.ResponseStarted("r"), ev.ResponseFinished("r", "failed", message="No.", code="server_error"))
    for kind in ("response.created", "response.done"):
        response = halves.of(kind)[0]["response"]
        assert (response["output_modalities"], response["metadata"]) == (["text"], {"kind": "title"})
        assert response["max_output_tokens"] == 9
    assert halves.of("response.done")[0]["response"]["status_details"]["error"]["message"] == "No."


def test_usage_told_apart_from_the_end_is_in_the_end() -> None:
    halves = Halves("ga")
    usage = ev.Usage(input_tokens=3, output_tokens=4)
    reached = halves.tell(ev.ResponseStarted("r"), ev.UsageReported("r", usage), ev.ResponseFinished("r", "completed"))
    assert reached == [ev.ResponseStarted("r"), ev.ResponseFinished("r", "completed", usage=usage)]


def test_an_answer_out_of_band_leaves_the_conversation_alone() -> None:
    halves = Halves("ga")
    halves.tell(
        ev.ResponseStarted("title", out_of_band=True), ev.AssistantText("title", "t", 0, "A title", spoken=False)
    )
    commands, replies = halves.raw({"type": "response.create"})
    assert (commands, replies) == ([cmd.CreateResponse()], [])  # it may run beside another
    halves.tell(ev.ResponseFinished("title", "completed"))
    assert not [kind for kind in halves.kinds() if kind.startswith("conversation.item")]
    assert halves.of("response.done")[0]["response"]["conversation_id"] is None
    assert halves.raw({"type": "conversation.item.retrieve", "item_id": "t"})[1][0]["error"]["code"] == "item_not_found"


def test_whoever_is_behind_may_begin_more_than_once() -> None:
    """An update that comes while it begins, or was on its way when it went, is answered once it is in force."""
    halves = Halves("ga", ServerProfile("some-model", "alloy"))
    first = halves.server.configure()
    assert first == cmd.Configure(halves.server.config)
    halves.raw({"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}})
    assert halves.tell(ev.SessionConfigured("alloy")) == []  # that was the beginning
    again = halves.server.configure()  # a line that was connected again
    assert again.config.instructions == "Be brief."
    assert halves.tell(ev.SessionConfigured("alloy")) == [ev.SessionConfigured("alloy")]
    halves.server.configure()
    assert halves.tell(ev.SessionConfigured("alloy")) == []


def test_an_answer_that_went_with_whoever_was_asked_may_be_asked_for_again() -> None:
    halves = Halves("ga")
    halves.server.configure()
    assert halves.raw({"type": "response.create"}) == ([cmd.CreateResponse()], [])
    halves.server.configure()  # a line that was connected again
    assert halves.raw({"type": "response.create"}) == ([cmd.CreateResponse()], [])


@pytest.mark.parametrize(
    ("dialect", "told", "shown"),
    [
        ("ga", "session.voice", "session.audio.output.voice"),
        ("ga", "session.audio.output.voice", "session.audio.output.voice"),
        ("beta", "session.audio.output.voice", "session.voice"),
        ("beta", "session.truncation", "session.truncation"),
        ("ga", "item.id", "item.id"),
    ],
)
def test_a_complaint_names_what_the_client_wrote(dialect: Dialect, told: str, shown: str) -> None:
    halves = Halves(dialect)
    halves.tell(ev.ServiceError("No.", "invalid_value", param=told))
    assert halves.of("error")[-1]["error"]["param"] == shown


def test_a_picture_of_dashscopes_buffer_is_no_item_of_the_conversation() -> None:
    halves = Halves("beta", ServerProfile(manner="dashscope"))
    halves.raw({"type": "input_audio_buffer.append", "audio": "AAAA"})
    (image,), replies = halves.raw({"type": "input_image_buffer.append", "image": "/9j/4AAQ"})
    assert isinstance(image, cmd.SendImage)
    assert not replies
    assert halves.tell(ev.ItemAdded(image.item_id, "user")) == []
    assert not halves.seen, "nothing acknowledges it"
    halves.tell(ev.ItemAdded("spoken", "user"))
    assert halves.of("conversation.item.created")[0]["previous_item_id"] is None
    for wrong in ("AAAA", "!!", "", "/9j"):
        commands, (error,) = halves.raw({"type": "input_image_buffer.append", "image": wrong})
        assert not commands
        assert error["error"]["param"] == "image"


def test_answers_beside_the_conversation_are_told_apart() -> None:
    halves = Halves("ga", ServerProfile(asides=True))
    halves.raw({"type": "conversation.item.create", "item": {"id": "a", **USER}})
    wishes: list[Json] = [
        {"metadata": {"topic": "one"}},
        {"metadata": {"topic": "two"}, "input": [{"type": "item_reference", "id": "a"}, USER], "max_output_tokens": 5},
        {"input": []},
    ]
    commands = [
        command
        for wish in wishes
        for command in halves.raw({"type": "response.create", "response": {"conversation": "none", **wish}})[0]
    ]
    assert commands == [
        cmd.CreateResponse(aside=True),
        cmd.CreateResponse(aside=True, max_tokens=5, context=(cmd.SendText("hi", item_id="a"), cmd.SendText("hi"))),
        cmd.CreateResponse(aside=True, context=()),
    ]
    assert halves.raw({"type": "response.create"})[0] == [cmd.CreateResponse()]  # and the conversation goes on
    halves.tell(ev.ResponseStarted("x", out_of_band=True), ev.ResponseStarted("r"))
    halves.tell(ev.ResponseStarted("y", out_of_band=True))
    told = {event["response"]["id"]: event["response"]["metadata"] for event in halves.of("response.created")}
    assert told == {"x": {"topic": "one"}, "r": None, "y": {"topic": "two"}}
    for wish, param in (
        ({"conversation": "some"}, "response.conversation"),
        ({"input": []}, "response.input"),
        ({"conversation": "none", "input": {}}, "response.input"),
        ({"conversation": "none", "input": [USER, {"type": "nothing"}]}, "response.input[1].type"),
        ({"conversation": "none", "input": [{"type": "item_reference", "id": "b"}]}, "response.input[0].id"),
        ({"conversation": "none", "input": [RESULT]}, "response.input[0]"),
    ):
        commands, (error,) = halves.raw({"type": "response.create", "response": wish})
        assert not commands
        assert error["error"]["param"] == param
    more: Json = {"type": "response.create", "response": {"conversation": "none"}}
    assert halves.raw(more)[0] == [cmd.CreateResponse(aside=True)]
    assert halves.raw(more)[1][0]["error"]["code"] == "rate_limit_exceeded"
    halves.tell(ev.ResponseFinished("x", "completed"))
    assert halves.raw(more)[0] == [cmd.CreateResponse(aside=True)]
