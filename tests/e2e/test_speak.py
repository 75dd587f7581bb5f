"""`voicechat speak` and `voicechat voices --play`: the real program against scripted services."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import openai
import pytest
import soundfile

from tests.e2e.scenes import check_manners
from tests.program import Program, isolated_environment
from tests.speech_servers.cosyvoice import CosyVoiceServer
from tests.speech_servers.qwen import QwenTtsServer
from tests.speech_servers.rest import KEY, RestServer
from tests.speech_servers.sound import Fault, encoded, heard, voice

KEYS = {"OPENAI_API_KEY": KEY, "DASHSCOPE_API_KEY": KEY, "NEWAPI_API_KEY": KEY}
TEXT = "Hello there, my friend. How are you today? 今天天气很好，我们去爬山吧！"
CANARY = "sk-canary-7c41f0aa52d94be9"


def spoken(path: Path) -> str:
    samples, rate = soundfile.read(path, dtype="int16")
    return heard(samples.tobytes(), rate)


def speak(arguments: list[str], home: Path, *, stdin: bytes | None = None, code: int = 0, **env: str) -> Program:
    with Program(["speak", *arguments], env=KEYS | env, home=home, stdin=stdin) as program:
        assert program.wait() == code, program.describe()
        check_manners(program)
        return program


@pytest.mark.parametrize(
    ("provider", "kind"),
    [("openai", RestServer), ("newapi", RestServer), ("qwen", QwenTtsServer), ("cosyvoice", CosyVoiceServer)],
)
def test_a_text_becomes_a_file_word_for_word(provider: str, kind: type[RestServer], tmp_path: Path) -> None:
    with kind() as server:
        program = speak(["--provider", provider, "--url", server.url, "-o", "hello.wav", TEXT], tmp_path)
    assert spoken(tmp_path / "hello.wav") == TEXT
    assert "hello.wav" in program.stderr
    assert program.stdout == ""


def test_a_language_is_told_to_each_service_in_its_own_words(tmp_path: Path) -> None:
    with QwenTtsServer() as qwen, CosyVoiceServer() as cosyvoice:
        speak(["--provider", "qwen", "--url", qwen.url, "-o", "a.wav", "--language", "zh", "Hello."], tmp_path)
        speak(
            ["--provider", "cosyvoice", "--url", cosyvoice.url, "-o", "a.wav", "--language", "Chinese", "Hi."], tmp_path
        )
        sessions = [event["session"] for event in qwen.received if event["type"] == "session.update"]
        tasks = [e["payload"]["parameters"] for e in cosyvoice.received if e["header"]["action"] == "run-task"]
    assert [session["language_type"] for session in sessions] == ["Chinese"]
    assert [task["language_hints"] for task in tasks] == [["zh"]]


def test_the_alias_of_a_voice_is_resolved_for_cosyvoice(tmp_path: Path) -> None:
    with CosyVoiceServer() as server:
        base = ["--provider", "cosyvoice", "--url", server.url, "-o", "a.wav", "Hello."]
        for name in ("alloy", "echo", "fable", "onyx", "nova", "shimmer", "longnan_v2"):
            speak([*base, "--voice", name], tmp_path)
        asked = [e["payload"]["parameters"]["voice"] for e in server.received if e["header"]["action"] == "run-task"]
    assert asked == [
        "longxiaochun_v2", "longnan_v2", "longmiao_v2", "longsanshu", "longyue_v2", "longyuan_v2", "longnan_v2",
    ]  # fmt: skip


@pytest.mark.parametrize("ending", ["mp3", "opus", "aac", "flac"])
def test_the_services_own_formats_are_kept_to_the_byte(ending: str, tmp_path: Path) -> None:
    with RestServer() as server:
        speak(["--provider", "openai", "--url", server.url, "-o", f"a.{ending}", "Hello there."], tmp_path)
        assert server.requests[0]["response_format"] == ending
    assert (tmp_path / f"a.{ending}").read_bytes() == encoded("Hello there.", ending)


def test_a_stream_is_spoken_while_it_is_still_being_written(tmp_path: Path) -> None:
    with RestServer() as server:
        arguments = ["speak", "-", "--provider", "openai", "--url", server.url, "-o", "-"]
        with Program(arguments, env=KEYS, home=tmp_path, stdin="open") as program:
            program.write("The first sentence is here. And the sec")
            server.wait_for(1)
            assert server.inputs() == ["The first sentence is here."]
            program.write("ond one, too.\n")
            server.wait_for(2)
            program.close_stdin()
            assert program.wait() == 0
    assert server.inputs()[1] == "And the second one, too."


def test_raw_sound_on_stdout(tmp_path: Path) -> None:
    with RestServer() as server:
        environment = isolated_environment(tmp_path, None, KEYS)
        command = [sys.executable, "-m", "voicechat", "speak", "--provider", "openai", "--url", server.url, "-o", "-"]
        done = subprocess.run(
            command, input=TEXT.encode(), env=environment, cwd=tmp_path, capture_output=True, timeout=30, check=True
        )
    assert heard(done.stdout).replace(" ", "") == TEXT.replace(" ", "")


def test_a_cut_answer_is_repeated_and_spoken_once(tmp_path: Path) -> None:
    text = " ".join(f"This is sentence number {n} of a longer text." for n in range(60))
    with RestServer(faults={"number 30 ": Fault(cut_after=50_000)}) as server:
        speak(["--provider", "openai", "--url", server.url, "-o", "a.wav", text], tmp_path)
        assert len(server.requests) == len(set(server.inputs())) + 1
    assert spoken(tmp_path / "a.wav").replace(" ", "") == text.replace(" ", "")


def test_429_is_waited_for_as_long_as_the_service_says(tmp_path: Path) -> None:
    with RestServer(faults={1: Fault(status=429, body="{}", headers={"Retry-After": "1"})}) as server:
        speak(["--provider", "openai", "--url", server.url, "-o", "a.wav", "Hello."], tmp_path)
        assert 1.0 <= server.times[1] - server.times[0] < 3.0
    assert spoken(tmp_path / "a.wav") == "Hello."


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["", "-o", "a.wav"], 2, "nothing to read aloud"),
        (["   ", "-o", "a.wav"], 2, "nothing to read aloud"),
        (["... — ...", "-o", "a.wav"], 2, "no letter"),
        (["hi", "-o", "a.xyz"], 2, "no ending of a sound format"),
        (["hi", "-o", "a.wav", "--format", "midi"], 2, "midi"),
        (["hi", "-o", "no/such/a.wav"], 2, "There is no folder"),
        (["hi", "-o", "a.wav", "--speed", "9"], 2, "--speed 9"),
        (["hi", "-o", "a.opus", "--rate", "22050"], 2, "22050"),
        (["hi", "--format", "mp3"], 2, "-o"),
        (["hi", "--file", "x.txt"], 2, "Give one"),
        (["--file", "x.txt", "-o", "a.wav"], 2, "cannot be read"),
        (["hi", "-o", "a.wav", "--provider", "nobody"], 2, "Unknown provider"),
        (["hi", "-o", "a.wav", "--voice", "nobody"], 6, "nobody"),
        (["hi", "-o", "a.wav", "--model", "nothing"], 6, "nothing"),
        (["hi", "-o", "/dev/full", "--format", "wav"], 4, "No space left"),
        (["hi"], 4, "sound"),
    ],
)
def test_bad_input_is_one_line_and_its_exit_code(arguments: list[str], code: int, said: str, tmp_path: Path) -> None:
    with RestServer() as server:
        base = [] if "--provider" in arguments else ["--provider", "openai"]
        program = speak([*arguments, *base, "--url", server.url], tmp_path, code=code)
    assert said in program.stderr or said == "sound"
    assert len([line for line in program.stderr.splitlines() if line.startswith("voicechat: ")]) == 1
    assert not (tmp_path / "a.wav").exists()


def test_an_empty_stdin_is_nothing_to_read(tmp_path: Path) -> None:
    with RestServer() as server:
        speak(["-", "--provider", "openai", "--url", server.url, "-o", "a.wav"], tmp_path, stdin=b"", code=2)
        assert server.requests == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(status=401, body='{"error":{"message":"Incorrect API key provided: ' + CANARY + '"}}'), 6),
        (Fault(status=403, body="Forbidden"), 6),
        (Fault(status=404, body="<html>nginx</html>"), 6),
        (Fault(status=400, body="{not json"), 6),
        (Fault(status=429, body="{}", headers={"Retry-After": "86400"}), 5),
        (Fault(content=b"<!doctype html><html>", content_type="text/html"), 6),
    ],
)
def test_a_refusal_is_one_line_without_the_key(fault: Fault, code: int, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"an old file")
    with RestServer(faults={1: fault}) as server:
        arguments = ["hi", "-o", "a.mp3", "--provider", "openai", "--url", server.url]
        program = speak(arguments, tmp_path, code=code, OPENAI_API_KEY=CANARY)
    assert len([line for line in program.stderr.splitlines() if line.startswith("voicechat: ")]) == 1
    assert (tmp_path / "a.mp3").read_bytes() == b"an old file"


def test_this_machine_is_never_asked_for_by_way_of_a_proxy(tmp_path: Path) -> None:
    """Without TLS the proxy would read the key."""
    with RestServer() as server:
        arguments = ["Hello.", "-o", "a.wav", "--provider", "openai", "--url", server.url]
        speak(arguments, tmp_path, http_proxy="http://127.0.0.1:9", NO_PROXY="")


def test_what_a_service_says_commands_no_terminal(tmp_path: Path) -> None:
    said = "\x1b]0;title\x07\x1b[2J\x9b31m\u202egnp.exe\r"
    fault = Fault(status=400, body=json.dumps({"error": {"message": f"no {said} 今天"}}))
    with RestServer(faults={1: fault}) as server:
        program = speak(["hi", "-o", "a.wav", "--provider", "openai", "--url", server.url], tmp_path, code=6)
    assert "今天" in program.stderr, program.describe()
    assert all(c.isprintable() or c == "\n" for c in program.stderr), program.describe()


def test_without_a_key_it_says_which_one(tmp_path: Path) -> None:
    program = speak(["hi", "-o", "a.wav", "--provider", "cosyvoice"], tmp_path, code=3, DASHSCOPE_API_KEY="")
    assert "DASHSCOPE_API_KEY" in program.stderr


def test_offline_needs_no_key_and_no_network(tmp_path: Path) -> None:
    program = speak(["Hello there.", "-o", "a.flac", "--rate", "16000"], tmp_path, **dict.fromkeys(KEYS, ""))
    assert "No key" not in program.stderr, "nobody asked for a conversation"
    info = soundfile.info(tmp_path / "a.flac")
    assert (info.samplerate, info.channels, info.format) == (16_000, 1, "FLAC")
    assert 0.5 < info.duration < 3.0


def test_a_voice_is_previewed(tmp_path: Path) -> None:
    with CosyVoiceServer() as server:
        config = tmp_path / "config.toml"
        config.write_text(f'[providers.qwen]\nurl = "{server.url}"\n')
        arguments = ["voices", "--play", "longmiao_v2", "--config", str(config), "-o", "a.wav"]
        with Program(arguments, env={"DASHSCOPE_API_KEY": KEY}, home=tmp_path) as program:
            assert program.wait() == 0, program.describe()
    assert spoken(tmp_path / "a.wav").startswith("你好")


def test_voices_of_every_catalogue_as_json(tmp_path: Path) -> None:
    with Program(["voices", "--all", "--json"], home=tmp_path) as program:
        assert program.wait() == 0, program.describe()
        entries = json.loads(program.stdout)
    counts = Counter((entry["provider"], entry["model"], entry["use"]) for entry in entries)
    assert counts["cosyvoice", "cosyvoice-v2", "speak"] >= 100
    assert counts["qwen", "qwen3-tts-flash-realtime", "speak"] == 49
    assert counts["qwen", "qwen3.5-omni-flash-realtime", "talk"] == 58
    assert counts["openai", "gpt-4o-mini-tts", "speak"] == 13
    assert counts["offline", "local", "speak"] > 100
    assert sum(entry["default"] for entry in entries) == len(counts)


def test_the_official_client_is_served_as_by_openai() -> None:
    with RestServer() as server:
        with openai.OpenAI(api_key=KEY, base_url=server.url, max_retries=0) as client:
            for encoding in ("mp3", "opus", "aac", "flac", "wav", "pcm"):
                with client.audio.speech.with_streaming_response.create(
                    model="gpt-4o-mini-tts", voice="coral", input="Hello!", response_format=encoding, speed=1.5,  # type: ignore[arg-type]
                    instructions="Cheerful.",
                ) as response:  # fmt: skip
                    assert b"".join(response.iter_bytes()) == encoded("Hello!", encoding)
            assert (
                heard(
                    client.audio.speech.create(model="tts-1", voice="alloy", input="Hi.", response_format="pcm").read()
                )
                == "Hi."
            )
            for wrong, error, code in (
                ({"voice": "nobody"}, openai.BadRequestError, "invalid_value"),
                ({"model": "nothing"}, openai.NotFoundError, "model_not_found"),
                ({"input": "x" * 4097}, openai.BadRequestError, "string_above_max_length"),
                ({"extra_body": {"more": 1}}, openai.BadRequestError, None),
            ):
                with pytest.raises(error) as caught:
                    client.audio.speech.create(**({"model": "tts-1", "voice": "alloy", "input": "Hi."} | wrong))  # type: ignore[arg-type]
                assert caught.value.code == code
        with (
            openai.OpenAI(api_key="sk-wrong", base_url=server.url, max_retries=0) as other,
            pytest.raises(openai.AuthenticationError),
        ):
            other.audio.speech.create(model="tts-1", voice="alloy", input="Hi.")
    assert server.requests[0]["instructions"] == "Cheerful."


def test_the_voice_of_the_test_servers_can_be_read_back() -> None:
    assert heard(voice("Hello, 世界！")) == "Hello, 世界！"
