"""The session's manners, without sound: configuration, items, text turns, errors, cancellation, truncation."""

import asyncio
import base64
from typing import Any

import pytest

from tests.unit.chat_server import HANG, chat_server, chunk, words
from tests.unit.offline_client import Client, Json, session, spoken_text
from voicechat.engine.engine import OfflineSettings
from voicechat.engine.items import Item

SILENCE_100_MS = base64.b64encode(bytes(4800)).decode()

ANSWER_EVENTS = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]


def without_repeats(kinds: list[str]) -> list[str]:
    """The kinds in the order of their first appearance."""
    return list(dict.fromkeys(kinds))


def test_a_text_turn_is_spoken_and_every_event_is_in_its_place() -> None:
    async def main() -> None:
        async with session() as client:
            await client.update()
            part = {"type": "input_text", "text": "what is twelve times seven"}
            await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": [part]})
            added = await client.until("conversation.item.added")
            await client.until("conversation.item.done")
            client.events.clear()
            await client.send("response.create", response={"metadata": {"turn": "1"}})
            response = (await client.until("response.done"))["response"]

            assert without_repeats(client.kinds()) == ANSWER_EVENTS
            assert response["status"] == "completed"
            assert response["metadata"] == {"turn": "1"}
            assert spoken_text(response) == "12 times 7 is 84."
            deltas = [event["delta"] for event in client.of("response.output_audio_transcript.delta")]
            assert "".join(deltas) == client.of("response.output_audio_transcript.done")[0]["transcript"]
            assert len(deltas) > 3  # word by word, each before its sound
            audio = b"".join(base64.b64decode(event["delta"]) for event in client.of("response.output_audio.delta"))
            assert 1.2 < len(audio) / 48_000 < 4.0
            usage = response["usage"]
            assert usage["output_token_details"] == {"text_tokens": 4, "audio_tokens": round(len(audio) / 4800)}
            assert usage["input_token_details"]["text_tokens"] == 6
            assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
            assert client.of("conversation.item.added")[0]["previous_item_id"] == added["item"]["id"]

    asyncio.run(main())


def test_a_silent_session_answers_in_text() -> None:
    async def main() -> None:
        async with session() as client:
            await client.update(output_modalities=["text"])
            done = await client.say("what is two plus two")
            assert done["response"]["output"][0]["content"] == [{"type": "output_text", "text": "2 plus 2 is 4."}]
            assert client.of("response.output_text.done")[0]["text"] == "2 plus 2 is 4."
            assert not client.of("response.output_audio.delta")

    asyncio.run(main())


def test_an_update_merges_and_is_answered_in_full() -> None:
    async def main() -> None:
        async with session() as client:
            created = client.events[0]["session"]
            assert created["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500
            await client.update(audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 0.7}}})
            updated = await client.update(audio={"output": {"voice": "en-gb", "speed": 1.2}}, instructions="Be brief.")
            audio = updated["session"]["audio"]
            assert audio["input"]["turn_detection"]["threshold"] == 0.7
            assert audio["input"]["turn_detection"]["prefix_padding_ms"] == 300
            assert (audio["output"]["voice"], audio["output"]["speed"]) == ("en-gb", 1.2)
            assert updated["session"]["instructions"] == "Be brief."
            semantic = await client.update(audio={"input": {"turn_detection": {"type": "semantic_vad"}}})
            assert semantic["session"]["audio"]["input"]["turn_detection"] == {
                "type": "semantic_vad",
                "eagerness": "auto",
                "create_response": True,
                "interrupt_response": True,
            }

    asyncio.run(main())


def update(**fields: Any) -> Json:
    return {"type": "session.update", "session": {"type": "realtime", "instructions": "NOT THIS", **fields}}


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({"type": "nonsense"}, "invalid_value", "type"),
        ({"no": "type"}, "invalid_event", None),
        ({"type": "session.update", "session": {"instructions": "x"}}, "missing_required_parameter", "session.type"),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        (update(temperature=0.8), "unknown_parameter", "session.temperature"),
        (update(audio={"input": {"rate": 1}}), "unknown_parameter", "session.audio.input.rate"),
        (update(audio={"output": {"voice": "alloy"}}), "invalid_value", "session.audio.output.voice"),
        (update(audio={"output": {"speed": 9}}), "invalid_value", "session.audio.output.speed"),
        (update(output_modalities=["audio", "text"]), "invalid_value", "session.output_modalities"),
        (
            update(audio={"input": {"format": {"type": "audio/pcm", "rate": 16000}}}),
            "integer_below_min_value",
            "session.audio.input.format.rate",
        ),
        (
            update(audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}),
            "invalid_value",
            "session.audio.input.turn_detection.threshold",
        ),
        ({"type": "input_audio_buffer.append", "audio": "%%%"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": 7}, "invalid_type", "audio"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
        ({"type": "conversation.item.create"}, "missing_required_parameter", "item"),
        ({"type": "conversation.item.delete", "item_id": "x"}, "item_not_found", "item_id"),
        ({"type": "conversation.item.retrieve", "item_id": "x"}, "item_not_found", "item_id"),
        (
            {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": 1},
            "item_truncate_invalid_item_id",
            "item_id",
        ),
        ({"type": "response.cancel"}, "response_cancel_not_active", None),
        ({"type": "response.create", "response": {"conversation": "none"}}, "invalid_value", "response.conversation"),
    ],
)
def test_errors_name_their_cause_and_change_nothing(event: Json, code: str, param: str | None) -> None:
    async def main() -> None:
        import json

        async with session() as client:
            await client.raw(json.dumps(event | {"event_id": "mine"}))
            error = (await client.until("error"))["error"]
            assert (error["code"], error["param"], error["event_id"]) == (code, param, "mine")
            assert (await client.update())["session"]["instructions"] == ""

    asyncio.run(main())


def test_frames_that_are_no_events() -> None:
    async def main() -> None:
        async with session() as client:
            await client.raw("{not json")
            assert (await client.until("error"))["error"]["code"] == "invalid_json"
            await client.raw(b"\x00\x01")
            assert (await client.until("error"))["error"]["code"] == "invalid_event"
            await client.raw("[1]")
            assert (await client.until("error"))["error"]["code"] == "invalid_event"

    asyncio.run(main())


def test_items_can_be_put_back_retrieved_and_deleted() -> None:
    async def create(client: Client, role: str, text: str, **more: Any) -> Json:
        kind = "output_text" if role == "assistant" else "input_text"
        item = {"type": "message", "role": role, "content": [{"type": kind, "text": text}], **more.pop("item", {})}
        await client.send("conversation.item.create", item=item, **more)
        return await client.until("conversation.item.done")

    async def main() -> None:
        async with session() as client:
            first = await create(client, "user", "my name is anna", item={"id": "item_mine"})
            assert first["previous_item_id"] is None
            second = await create(client, "assistant", "Nice to meet you, Anna.")
            assert second["previous_item_id"] == "item_mine"
            between = await create(client, "user", "hello", previous_item_id="item_mine")
            assert between["previous_item_id"] == "item_mine"
            await client.send("conversation.item.create", item=first["item"])
            assert (await client.until("error"))["error"]["code"] == "item_create_duplicate_item_id"

            assert spoken_text((await client.say("what is my name"))["response"]) == "Your name is Anna."
            await client.send("conversation.item.retrieve", item_id="item_mine")
            retrieved = await client.until("conversation.item.retrieved")
            assert retrieved["item"]["content"] == [{"type": "input_text", "text": "my name is anna"}]
            await client.send("conversation.item.delete", item_id="item_mine")
            await client.until("conversation.item.deleted")
            done = await client.say("what is my name")
            assert spoken_text(done["response"]).startswith("You have not told me yet.")

    asyncio.run(main())


def test_cancelling_stops_the_answerer_and_closes_everything_once() -> None:
    async def main() -> None:
        async with (
            chat_server([chunk("One moment, please. "), HANG], words("Second.")) as chat,
            session(OfflineSettings(chat_url=chat.url, chat_model="m")) as client,
        ):
            part = {"type": "input_text", "text": "tell me"}
            await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": [part]})
            await client.send("response.create")
            created = await client.until("response.created")
            await client.until("response.output_audio.delta")
            await client.send("response.create", event_id="again")
            error = (await client.until("error"))["error"]
            assert error["code"] == "conversation_already_has_active_response"
            assert created["response"]["id"] in error["message"]
            await client.send("response.cancel", response_id=created["response"]["id"])
            done = (await client.until("response.done"))["response"]
            assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "client_cancelled")
            assert done["output"][0]["status"] == "incomplete"
            async with asyncio.timeout(5):
                await chat.gone.wait()  # the request behind it was dropped
            assert spoken_text((await client.say("and now"))["response"]) == "Second."
            assert len(client.of("response.done")) == 2
            order = without_repeats(client.kinds()[client.kinds().index("response.created") :])
            assert [kind for kind in order if kind in ANSWER_EVENTS] == ANSWER_EVENTS

    asyncio.run(main())


def test_truncation_cuts_the_history_to_what_was_heard() -> None:
    async def main() -> None:
        async with (
            chat_server(words("One two three four five six seven eight nine ten."), words("Good.")) as chat,
            session(OfflineSettings(chat_url=chat.url, chat_model="m")) as client,
        ):
            done = (await client.say("count"))["response"]
            item_id = done["output"][0]["id"]
            # The sound that came before the word "five": what was heard when it was cut off there.
            heard_ms = 0.0
            for event in client.events:
                if event["type"] == "response.output_audio_transcript.delta" and "five" in event["delta"]:
                    break
                if event["type"] == "response.output_audio.delta":
                    heard_ms += len(base64.b64decode(event["delta"])) / 48
            await client.send(
                "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=int(heard_ms)
            )
            truncated = await client.until("conversation.item.truncated")
            assert truncated["audio_end_ms"] == int(heard_ms)
            await client.send("conversation.item.retrieve", item_id=item_id)
            content = (await client.until("conversation.item.retrieved"))["item"]["content"]
            assert content == [{"type": "output_audio", "transcript": "One two three four"}]

            await client.say("go on")
            assert chat.requests[1]["messages"][2] == {"role": "assistant", "content": "One two three four"}
            await client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=99_000)
            assert (await client.until("error"))["error"]["code"] == "invalid_value"

    asyncio.run(main())


def test_truncation_without_word_positions_is_in_proportion() -> None:
    item = Item("i", role="assistant", audio_ms=2000, marks=[(0, "One two. "), (1000, "A b c d.")])
    item.truncate(1500)
    assert item.text == "One two. A b"
    item.truncate(0)
    assert item.text == ""


def test_clearing_and_closing_in_any_state() -> None:
    async def main() -> None:
        async with session() as client:
            await client.update(audio={"input": {"turn_detection": None}})
            await client.send("input_audio_buffer.append", audio=SILENCE_100_MS)
            await client.send("input_audio_buffer.clear")
            await client.until("input_audio_buffer.cleared")
            await client.send("input_audio_buffer.commit")
            assert (await client.until("error"))["error"]["code"] == "input_audio_buffer_commit_empty"
            await client.send("input_audio_buffer.append", audio=SILENCE_100_MS)  # closed while it listens

    asyncio.run(main())
