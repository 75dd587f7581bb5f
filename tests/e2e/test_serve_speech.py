"""`voicechat serve`: texts read aloud and recordings written down, for the unmodified client."""

import asyncio
import io
from pathlib import Path
from typing import Any

import av
import pytest
from openai import APIStatusError

from tests.gateway import served
from tests.recordings import INTERRUPTION
from voicechat.audio.encoded import wav_header

WORDS_TIMES = "timestamp_granularities[]"
WORDS = "What is twelve times seven?"


def length_s(sound: bytes) -> float:
    with av.open(io.BytesIO(sound)) as file:
        samples = sum(frame.samples for frame in file.decode(audio=0))
        return samples / file.streams.audio[0].rate


def test_a_text_is_read_and_understood_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            served(tmp_path / "config.toml", aliases={"tts-*": "offline"}) as server,
            server.official() as client,
        ):

            async def read(form: str, speed: float = 1.0) -> bytes:
                answer = await client.audio.speech.create(
                    model="tts-1", voice="nova", input=WORDS, response_format=form, speed=speed
                )  # type: ignore[call-overload]
                return bytes(await answer.aread())

            pcm = await read("pcm")
            whole_s = len(pcm) / 48_000
            assert 1 < whole_s < 4
            assert length_s(await read("mp3", speed=2.0)) < 0.8 * whole_s

            events = []
            async with client.audio.speech.with_streaming_response.create(
                model="offline", voice="alloy", input="One. Two.", response_format="pcm", stream_format="sse"
            ) as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                events = [line async for line in answer.iter_lines() if line.startswith("data:")]
            assert len(events) > 2
            assert '"speech.audio.done"' in events[-1]

            wav = ("question.wav", wav_header(24_000, len(pcm)) + pcm)
            written = await client.audio.transcriptions.create(model="offline", file=wav)
            assert written.text.lower().startswith("what is twelve times seven")
            captions = await client.audio.transcriptions.create(model="offline", file=wav, response_format="srt")
            assert captions.startswith("1\n00:00:00,")
            person = ("person.wav", INTERRUPTION.read_bytes())
            long = await client.audio.transcriptions.create(
                model="offline", file=person, response_format="verbose_json"
            )
            assert long.segments
            assert long.segments[-1].end <= float(long.duration) + 0.1

            # from pause to pause, and the same in the end
            pause = bytes(2 * 24_000)
            twice = ("twice.wav", wav_header(24_000, 2 * len(pcm) + len(pause)) + pcm + pause + pcm)
            whole = await client.audio.transcriptions.create(model="offline", file=twice)
            told = [
                event
                async for event in await client.audio.transcriptions.create(model="offline", file=twice, stream=True)
            ]
            assert len(told) == 3
            assert told[-1].type == "transcript.text.done"
            assert (
                "".join(one.delta for one in told if one.type == "transcript.text.delta") == told[-1].text == whole.text
            )
            silence = ("silence.wav", wav_header(24_000, len(pause)) + pause)
            (none,) = [
                event
                async for event in await client.audio.transcriptions.create(model="offline", file=silence, stream=True)
            ]
            assert none.type == "transcript.text.done"
            assert none.text == ""

            async def refused(status: int, code: str, **request: object) -> None:
                with pytest.raises(APIStatusError) as caught:
                    await client.post("/audio/speech", cast_to=object, body=request)
                assert caught.value.status_code == status
                assert caught.value.code == code

            for param, request in (
                ("speed", {"speed": 0.25}),
                ("speed", {"speed": 4.0}),
                ("voice", {"voice": "nobody"}),
            ):
                wish: Any = {"model": "offline", "voice": "alloy", "input": "hello", **request}
                with pytest.raises(APIStatusError) as caught:
                    await client.audio.speech.create(**wish)
                assert (caught.value.status_code, caught.value.param) == (400, param)
                assert "--" not in caught.value.message  # that would be the command line's

            await refused(404, "invalid_model", model="nobody", voice="alloy", input="hello")
            await refused(400, "missing_required_parameter", model="offline", voice="alloy")
            await refused(400, "invalid_value", model="offline", voice="nobody-at-all", input="hello")
            await refused(400, "invalid_value", model="offline", voice="alloy", input="…!")
            await refused(400, "invalid_value", model="offline", voice="alloy", input="hello", response_format="exe")
            await refused(400, "string_above_max_length", model="offline", voice="alloy", input="a" * 4097)
            await refused(400, "unknown_parameter", model="offline", voice="alloy", input="hello", volume=3)
            for name, data in (("no.wav", b"RIFF" + bytes(100)), ("empty.wav", b""), ("no.mp3", b"ID3" * 99)):
                for stream in (False, True):
                    with pytest.raises(APIStatusError) as caught:
                        await client.audio.transcriptions.create(model="offline", file=(name, data), stream=stream)
                    assert caught.value.status_code == 400, name
            captions_streamed: Any = {"response_format": "srt", "stream": True}
            with pytest.raises(APIStatusError) as caught:
                await client.audio.transcriptions.create(model="offline", file=wav, **captions_streamed)
            assert (caught.value.status_code, caught.value.param) == (400, "stream")
            hints: tuple[tuple[str, dict[str, Any]], ...] = (
                ("language", {"language": "klingon"}),
                ("temperature", {"temperature": "abc"}),
                ("temperature", {"temperature": 1.5}),
                (WORDS_TIMES, {"response_format": "verbose_json", "timestamp_granularities": ["segment", "word"]}),
                (WORDS_TIMES, {"timestamp_granularities": ["segment"]}),
            )
            for param, hint in hints:
                with pytest.raises(APIStatusError) as caught:
                    await client.audio.transcriptions.create(model="offline", file=silence, **hint)
                assert (caught.value.status_code, caught.value.param) == (400, param)
            fine: Any = {"language": "en-GB", "temperature": 0.2, "timestamp_granularities": ["segment"]}
            await client.audio.transcriptions.create(
                model="offline", file=silence, response_format="verbose_json", prompt="numbers", **fine
            )

    asyncio.run(main())
