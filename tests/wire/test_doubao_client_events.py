"""What we send to Doubao, read by hand-written bytes: every event of the client, and the session's configuration."""

from typing import Any

import pytest

from tests.wire.doubao_codec import VAD, Call, made_up, rag
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev


def started(model: str = "1.2.1.1", audio_format: str = "pcm16", **config: Any) -> dict[str, Any]:
    call = Call(model, audio_format, **config)
    ((event, shape),) = call.client(cmd.Configure(call.config))
    assert event == 100
    return shape


def test_the_connection_is_opened_then_the_session() -> None:
    call = Call(voice="zh_male_yunzhou_jupiter_bigtts")
    assert call.replies() == [(1, {})]
    assert call.replies() == []
    (created,) = call.server(50)
    assert isinstance(created, ev.SessionCreated)
    ((event, shape),) = call.client(cmd.Configure(call.config))
    assert (event, call.session_id) == (100, created.session_id)
    assert call.client(cmd.AppendAudio(b"\1\0")) == [], "no session runs yet"
    assert call.server(150, dialog_id="d") == [ev.SessionConfigured("zh_male_yunzhou_jupiter_bigtts")]
    assert shape["tts"]["speaker"] == "zh_male_yunzhou_jupiter_bigtts"


def test_the_whole_configuration() -> None:
    assert started(
        instructions="Help with cooking.",
        name="小助",
        style="Short sentences.",
        turn_detection=cmd.TurnDetection(silence_ms=800),
        speed=1.25,
    ) == {
        "asr": {
            "audio_info": {"format": "pcm", "sample_rate": 16000, "channel": 1},
            "extra": {"end_smooth_window_ms": 800, "enable_custom_vad": True},
        },
        "tts": {
            "speaker": "zh_female_vv_jupiter_bigtts",
            "audio_config": {"channel": 1, "format": "pcm_s16le", "sample_rate": 24000, "speech_rate": 25},
        },
        "dialog": {
            "bot_name": "小助",
            "system_role": "Help with cooking.",
            "speaking_style": "Short sentences.",
            "extra": {"model": "1.2.1.1", "enable_conversation_truncate": True},
        },
    }


@pytest.mark.parametrize(("silence_ms", "window_ms"), [(None, 500), (200, 500), (1500, 1500), (60_000, 50_000)])
def test_the_end_of_speech_stays_within_what_the_service_takes(silence_ms: int | None, window_ms: int) -> None:
    asr = started(turn_detection=cmd.TurnDetection(silence_ms=silence_ms))["asr"]
    assert asr["extra"]["end_smooth_window_ms"] == window_ms


@pytest.mark.parametrize(
    ("source", "mode"),
    [("microphone", None), ("push_to_talk", "push_to_talk"), ("file", "audio_file"), ("text", "text")],
)
def test_the_input_mode_is_where_the_turns_come_from(source: str, mode: str | None) -> None:
    assert started(source=source)["dialog"]["extra"].get("input_mod") == mode


@pytest.mark.parametrize("model", ["2.2.0.0", "SC"])
def test_role_play_models_get_one_manifest(model: str) -> None:
    shape = started(model, instructions="You are a pirate.", name="Jack", style="Roughly.")
    assert shape["dialog"]["character_manifest"] == "你的名字是Jack。\nYou are a pirate.\nRoughly."
    assert not {"bot_name", "system_role", "speaking_style"} & set(shape["dialog"])
    assert shape["tts"]["speaker"].startswith("saturn_" if model == "2.2.0.0" else "ICL_")


@pytest.mark.parametrize("model", ["O", "SC"])
def test_the_first_generation_is_not_asked_for_what_it_does_not_know(model: str) -> None:
    shape = started(model, speed=1.5, language="zh-sichuan")
    assert "enable_conversation_truncate" not in shape["dialog"]["extra"]
    assert "speech_rate" not in shape["tts"]["audio_config"]
    assert "extra" not in shape["tts"]


@pytest.mark.parametrize(("audio_format", "form"), [("pcm16", "pcm_s16le"), ("float32", "pcm")])
def test_the_form_of_the_sound(audio_format: str, form: str) -> None:
    assert started(audio_format=audio_format)["tts"]["audio_config"]["format"] == form


def test_a_dialect_and_what_would_break_the_services_yaml() -> None:
    shape = started(language="zh-sichuan", instructions="a\\b\x07\nc\td\xa0e\u3000f", name="x" * 30)
    assert shape["tts"]["extra"] == {"explicit_dialect": "sichuan"}
    assert shape["dialog"]["system_role"] == "ab\nc d e f"
    assert shape["dialog"]["bot_name"] == "x" * 20


COMMANDS: list[tuple[cmd.Command, list[tuple[int, dict[str, Any]]]]] = [
    (cmd.AppendAudio(b"\1\0\2\0"), [(200, {"audio": b"\1\0\2\0"})]),
    (cmd.AppendAudio(b""), []),
    (cmd.AppendAudio(bytes(1300)), [(200, {"audio": bytes(size)}) for size in (640, 640, 20)]),
    (cmd.CommitAudio(), [(400, {})]),
    (cmd.CancelResponse("r"), [(515, {})]),
    (cmd.DeleteItem("i"), [(514, {"items": [{"item_id": "i"}]})]),
    (cmd.RetrieveItem("i"), [(512, {"items": [{"item_id": "i"}]})]),
    (cmd.RetrieveItem(""), [(512, {})]),
    (cmd.CreateResponse(), []),
    (cmd.CreateResponse("Greet with: 你好", "你好"), [(300, {"content": "你好"})]),
    (cmd.ClearAudio(), []),
    (cmd.SendText("be kind", "system"), []),
    (cmd.SendImage(b"x"), []),
    (cmd.ToolResult("c", "{}"), []),
    (cmd.Finish(), [(102, {})]),
]


@pytest.mark.parametrize(("command", "sent"), COMMANDS, ids=lambda value: type(value).__name__)
def test_commands(command: cmd.Command, sent: list[tuple[int, dict[str, Any]]]) -> None:
    assert Call().open().client(command) == sent


@pytest.mark.parametrize("command", [command for command, _ in COMMANDS], ids=lambda value: type(value).__name__)
def test_nothing_but_the_configuration_is_sent_before_the_session_runs(command: cmd.Command) -> None:
    assert Call().client(command) == []


def test_a_typed_question_is_asked_with_the_answer_that_is_wanted() -> None:
    call = Call().open()
    assert call.client(cmd.SendText("hello")) == []
    assert call.client(cmd.CreateResponse()) == [(501, {"content": "hello"})]
    assert call.client(cmd.CreateResponse()) == []


def test_a_question_that_was_given_up_is_not_asked_again_with_the_next_one() -> None:
    """After a drop the history is put back, and may end with words that were interrupted before their answer."""
    call = Call().open()
    assert call.client(cmd.SendText("how old is the moon")) == []
    assert call.client(cmd.SendText("never mind, sing")) == []
    assert call.client(cmd.CreateResponse()) == [(501, {"content": "never mind, sing"})]


def test_earlier_turns_are_put_back_as_pairs() -> None:
    call = Call().open()
    assert call.client(cmd.SendText("Good morning", "assistant")) == [], "history begins with the user"
    assert call.client(cmd.SendText("my name is Ada")) == []
    assert call.client(cmd.SendText("Hello Ada", "assistant")) == [
        (510, {"items": [{"role": "user", "text": "my name is Ada"}, {"role": "assistant", "text": "Hello Ada"}]})
    ]
    assert call.client(cmd.CreateResponse()) == []


def test_a_running_session_is_updated_with_everything_that_shall_stay() -> None:
    call = Call(instructions="a", turn_detection=VAD).open()
    new = cmd.SessionConfig(instructions="b", voice="zh_male_yunzhou_jupiter_bigtts", speed=0.5)
    assert call.client(cmd.Configure(new)) == [
        (
            201,
            {
                "tts": {"speaker": "zh_male_yunzhou_jupiter_bigtts", "audio_config": {"speech_rate": -50}},
                "dialog": {"system_role": "b"},
            },
        )
    ]
    assert call.server(251) == [ev.SessionConfigured("zh_male_yunzhou_jupiter_bigtts")]


def test_what_was_heard_is_told_of_replies_that_the_service_has_named() -> None:
    call = Call().open()
    call.server(350, reply_id="r-1", tts_type="default")
    assert call.client(cmd.TruncateItem("r-1", 0, 1234)) == [(513, {"item_id": "r-1", "audio_end_ms": 1234})]
    call.server(359, reply_id="r-1")
    (unnamed,) = call.server(350, tts_type="default")
    assert call.client(cmd.TruncateItem(made_up(unnamed), 0, 1234)) == []
    old = Call("O").open()
    old.server(350, reply_id="r-1", tts_type="default")
    assert old.client(cmd.TruncateItem("r-1", 0, 1234)) == []


def test_given_words_answer_a_turn_that_is_waiting_for_its_answer() -> None:
    call = Call(turn_detection=VAD).open()
    call.server(450, question_id="q")
    call.server(459)
    assert call.client(cmd.CreateResponse("Say: hi", "hi")) == [
        (500, {"start": True, "content": "hi", "end": False}),
        (500, {"start": False, "content": "", "end": True}),
    ]
    assert call.server(350, reply_id="own", tts_type="default") == [ev.Ignored("late sentence")]
    assert call.audio(b"\1\0") == [ev.Ignored("late audio")]
    assert call.server(350, reply_id="r", tts_type="chat_tts_text") == [
        ev.ResponseStarted("r", "q"),
        ev.AssistantText("r", "r", 0, "hi"),
    ]
    assert call.audio(b"\1\0") == [ev.AssistantAudio("r", "r", 0, b"\1\0")]


def test_knowledge_is_added_when_the_user_has_finished() -> None:
    call = Call(context="It rains.", turn_detection=VAD).open()
    call.server(450, question_id="q")
    assert call.replies() == []
    call.server(459)
    (sent,) = call.replies()
    assert sent[0] == 502
    assert rag(sent) == [{"title": "参考资料", "content": "It rains."}]
    for event in (350, 550, 559, 359):
        assert not [e for e in call.server(event, reply_id="own", tts_type="default") if not isinstance(e, ev.Ignored)]
    assert call.server(350, reply_id="r", tts_type="external_rag") == [ev.ResponseStarted("r", "q")]
    call.server(553, question_id="typed")
    assert [event for event, _ in call.replies()] == [502]


@pytest.mark.parametrize("text", ["x" * 10_000, '引号"和\\' * 3000])
def test_knowledge_fits_what_the_service_takes(text: str) -> None:
    call = Call(context=text).open()
    call.server(553, question_id="q")
    (sent,) = call.replies()
    assert len(sent[1]["external_rag"]) <= 4000
    assert text.startswith(rag(sent)[0]["content"])
    assert len(rag(sent)[0]["content"]) > 1900


def test_the_end_is_said_in_two_steps() -> None:
    call = Call().open()
    assert call.client(cmd.Finish()) == [(102, {})]
    assert call.server(152) == []
    assert call.replies() == [(2, {})]
    assert call.server(52) == [ev.SessionFinished()]
    assert call.client(cmd.AppendAudio(b"\1\0")) == []


def test_a_session_that_has_not_begun_ends_with_its_connection() -> None:
    call = Call()
    call.replies()
    call.server(50)
    call.client(cmd.Configure(call.config))
    assert call.client(cmd.Finish()) == [(2, {})]
    assert call.server(150, dialog_id="d") == [], "nobody waits for it any more"
    assert call.client(cmd.AppendAudio(b"\1\0")) == []
    assert call.server(52) == [ev.SessionFinished()]


def test_words_restored_before_a_spoken_turn_are_not_asked_with_it() -> None:
    """After a drop the history is put back, and may end with a typed question that was interrupted."""
    call = Call(turn_detection=None, source="push_to_talk").open()
    call.client(cmd.SendText("how old is the moon"))
    assert call.client(cmd.CommitAudio()) == [(400, {})]
    assert call.client(cmd.CreateResponse()) == [], "the service answers what was spoken"
    call.client(cmd.SendText("and the sun"))
    assert call.client(cmd.CreateResponse()) == [(501, {"content": "and the sun"})]


def test_no_knowledge_is_offered_for_a_turn_that_was_cancelled() -> None:
    call = Call(context="It rains.", turn_detection=None, source="push_to_talk").open()
    call.client(cmd.CommitAudio())
    call.client(cmd.CancelResponse())
    call.server(459)
    assert call.replies() == []
    call.client(cmd.CommitAudio())
    call.server(459)
    assert [event for event, _ in call.replies()] == [502]
