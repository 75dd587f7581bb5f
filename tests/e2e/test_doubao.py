"""The real program against a scripted Doubao service, whose frames are written by hand."""

import json
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from tests.doubao_server import Auth, DoubaoServer, Failure, Faults, Reply, Script
from tests.e2e.terminal import Terminal
from tests.program import Program
from tests.recordings import INTERRUPTION
from tests.soundcard import SoundCard, tone

TOKEN = "access-token-0123456789"
KEYS = {"API_APP_ID": "123456", "API_ACCESS_KEY": TOKEN}
QUESTION = Path(__file__).parents[2] / "voicechat" / "engine" / "questions" / "what-time-is-it.wav"


@pytest.fixture
def server() -> Iterator[DoubaoServer]:
    with DoubaoServer() as running:
        yield running


def program(server: DoubaoServer, *arguments: str, env: dict[str, str] = KEYS, **more: Any) -> Program:
    words = [arguments[0], "--provider", "doubao", "--url", server.url, "--json", *arguments[1:]]
    return Program(words, env=env, **more)


def heard(path: Path) -> tuple[int, float]:
    """Rate and length in seconds of the sound in a WAV file, from its first to its last loud sample."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        rate_hz = file.getframerate()
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 100)
    return rate_hz, (loud[-1] - loud[0]) / rate_hz if len(loud) else 0.0


def quiet(folder: Path) -> str:
    """A room where nobody speaks, which does not end before the test does: with the input a talk is over."""
    room = folder / "room.raw"
    room.write_bytes(bytes(2 * 16_000 * 120))
    return str(room)


def start_session(server: DoubaoServer) -> dict[str, Any]:
    return server.events(100)[-1].fields


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
def test_a_spoken_question_from_a_file_is_answered(server: DoubaoServer, tmp_path: Path, compress: bool) -> None:
    server.script = Script(compress=compress)
    answer = tmp_path / "answer.wav"
    with program(server, "vad", "--input", str(QUESTION), "--output", str(answer)) as talk:
        assert talk.wait() == 0, talk.describe()
    session, user, turn, end = (talk.of_type(kind)[-1] for kind in ("session", "user", "assistant", "end"))
    assert (session["provider"], session["voice"]) == ("doubao", "zh_female_vv_jupiter_bigtts")
    assert user["text"] == "今天适合去爬山吗"
    assert (turn["text"], turn["status"], turn["interrupted"]) == ("今天晴，很适合爬山。", "completed", False)
    assert (end["ignored_events"], end["broken_frames"], end["turns"]) == (0, 0, 1)
    assert talk.of_type("usage")[-1]["output_audio_tokens"] == 25
    assert heard(answer) == (24_000, pytest.approx(1.0, abs=0.05))
    numbers = server.numbers(lambda s: s.received)
    assert numbers == [1, 100, 102, 2]
    assert server.numbers(lambda s: s.sent)[-2:] == [152, 52]
    assert start_session(server)["dialog"]["extra"]["input_mod"] == "audio_file"
    assert server.connections[0].close_code == 1000
    assert not server.broken_frames
    sizes = {len(timed.fields["audio"]) for timed in server.events(200)}
    assert sizes <= {320, 640}


def test_the_other_form_of_sound_is_played_too(server: DoubaoServer, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[providers.doubao]\naudio_format = "float32"\n')
    server.script = Script((Reply(odd_bytes=True, sentences=2, seconds=1.5),))
    answer = tmp_path / "answer.wav"
    with program(server, "say", "--config", str(config), "--output", str(answer), "hello") as talk:
        assert talk.wait() == 0, talk.describe()
    assert heard(answer)[1] == pytest.approx(1.5, abs=0.06)
    assert talk.of_type("end")[-1]["broken_frames"] == 0


def test_a_text_turn_needs_no_sound_going_up(server: DoubaoServer, tmp_path: Path) -> None:
    with program(server, "say", "--output", str(tmp_path / "a.wav"), "你好") as talk:
        assert talk.wait() == 0, talk.describe()
    assert server.events(501)[0].fields == {"content": "你好"}
    assert start_session(server)["dialog"]["extra"]["input_mod"] == "text"
    assert not server.events(200)
    assert talk.of_type("assistant")[0]["heard"] == "今天晴，很适合爬山。"


def test_push_to_talk_greeting_and_persona(server: DoubaoServer, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        '[personas.teacher]\ninstructions = "你是音乐老师。"\nname = "小雅"\nstyle = "温柔"\n'
        '[providers.doubao]\nlocation = "北京"\n'
    )
    arguments = ["--config", str(config), "--persona", "teacher", "--greeting", "你好，我是小雅。"]
    files = ["--input", str(QUESTION), "--output", str(tmp_path / "a.wav")]
    with program(server, "manual", *arguments, *files, stdin="open") as talk:
        greeting = talk.wait_for("assistant")
        assert (greeting["text"], greeting["turn"]) == ("你好，我是小雅。", 1)
        talk.write("\n")
        talk.wait_for("state", lambda event: event["state"] == "listening")
        server.wait_for(200, count=20)
        talk.write("\n")
        assert talk.wait_for("user")["text"] == "今天适合去爬山吗"
        assert talk.wait_for("assistant", count=2)["text"] == "今天晴，很适合爬山。"
        talk.write("and in writing\n")
        assert talk.wait_for("assistant", count=3)["turn"] == 3
        talk.close_stdin()
        assert talk.wait() == 0, talk.describe()
    numbers = server.numbers(lambda s: s.received)
    assert numbers == [1, 100, 300, 400, 501, 102, 2]
    shape = start_session(server)
    assert shape["dialog"]["bot_name"] == "小雅"
    assert shape["dialog"]["system_role"] == "你是音乐老师。"
    assert shape["dialog"]["speaking_style"] == "温柔"
    assert shape["dialog"]["location"] == {"city": "北京"}
    assert shape["dialog"]["extra"]["input_mod"] == "push_to_talk"


def test_knowledge_from_a_file_replaces_the_models_own_answer(server: DoubaoServer, tmp_path: Path) -> None:
    facts = tmp_path / "facts.txt"
    facts.write_text("北京今天下雨。", encoding="utf-8")
    arguments = ["--context", str(facts), "--input", str(QUESTION), "--output", str(tmp_path / "a.wav")]
    with program(server, "vad", *arguments) as talk:
        assert talk.wait() == 0, talk.describe()
    (turn,) = talk.of_type("assistant")
    assert turn["text"] == "北京今天下雨。"
    assert json.loads(server.events(502)[0].fields["external_rag"])[0]["content"] == "北京今天下雨。"


def test_enter_over_a_reply_interrupts_it(server: DoubaoServer, tmp_path: Path) -> None:
    server.script = Script((Reply("one two three four five six", seconds=6.0, late=3), Reply("second", seconds=0.4)))
    files = ["--input", str(INTERRUPTION), "--output", str(tmp_path / "a.wav")]
    with program(server, "manual", *files, stdin="open") as talk:
        talk.write("first\n")
        talk.wait_for("state", lambda event: event["state"] == "speaking")
        server.wait_for(352, count=5)
        talk.write("\n")
        first = talk.wait_for("assistant")
        assert (first["interrupted"], first["status"]) == (True, "cancelled")
        assert 0 < first["heard_ms"] < 3000
        server.wait_for(200, count=20)
        talk.write("\n")
        second = talk.wait_for("assistant", count=2)
        assert (second["text"], second["interrupted"]) == ("second", False)
        talk.close_stdin()
        assert talk.wait() == 0, talk.describe()
    assert len(server.events(515)) == 1
    (cut,) = server.events(513)
    assert cut.fields["item_id"] == server.events(350)[0].fields["reply_id"]
    assert cut.fields["audio_end_ms"] == pytest.approx(first["heard_ms"], abs=30)


@pytest.mark.parametrize("ids", ["unique", "none"])
@pytest.mark.parametrize("crossing", [True, False], ids=["crossing", "in time"])
def test_a_line_typed_before_the_reply_to_another_is_the_one_that_is_answered(
    server: DoubaoServer, tmp_path: Path, crossing: bool, ids: Literal["unique", "none"]
) -> None:
    replies = (Reply("first", seconds=0.4), Reply("second", seconds=0.4))
    server.script = Script(replies, ids=ids, crossing=crossing, delay_ms=1000)
    answer = tmp_path / "a.wav"
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in KEYS.items()))
    words = ["manual", "--provider", "doubao", "--url", server.url, "--input", quiet(tmp_path), "--output", str(answer)]
    with Terminal(words, tmp_path) as terminal:  # lines from a pipe would wait for each other's answers
        terminal.see("● ready")
        terminal.type("one\r")
        server.wait_for(553)
        terminal.type("two\r")
        terminal.see("second", "● ready")
        terminal.type("/quit\r")
        assert terminal.wait() == 0
        assert "first" not in "\n".join(terminal.everything())
    assert server.numbers(lambda s: s.received) == [1, 100, 501, 515, 501, 102, 2]
    assert heard(answer)[1] == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("announces", [True, False], ids=["450", "no 450"])
@pytest.mark.parametrize("crossing", [True, False], ids=["crossing", "in time"])
def test_a_turn_spoken_while_another_waits_for_its_reply_is_the_one_that_is_answered(
    server: DoubaoServer, tmp_path: Path, crossing: bool, announces: bool
) -> None:
    replies = (Reply("zero", seconds=0.3), Reply("first", seconds=0.4), Reply("second", seconds=0.4))
    server.script = Script(replies, ("one", "two"), crossing=crossing, announces=announces)
    answer = tmp_path / "a.wav"
    with program(server, "manual", "--output", str(answer), "--input", str(INTERRUPTION), stdin="open") as talk:
        talk.write("typed\n")
        assert talk.wait_for("assistant")["text"] == "zero"
        server.script = replace(server.script, delay_ms=2000)
        talk.write("\n")
        server.wait_for(200, count=20)
        talk.write("\n")
        talk.wait_for("user", count=2)
        talk.write("\n")
        server.wait_for(200, count=2 * len(server.events(200)))
        talk.write("\n")
        turn = talk.wait_for("assistant", count=2)
        assert (turn["text"], turn["turn"], turn["status"]) == ("second", 3, "completed"), talk.describe()
        talk.close_stdin()
        assert talk.wait() == 0, talk.describe()
    assert [(user["turn"], user["text"]) for user in talk.of_type("user")] == [(1, "typed"), (2, "one"), (3, "two")]
    assert server.numbers(lambda s: s.received) == [1, 100, 501, 400, 515, 400, 102, 2]


@pytest.mark.realtime
@pytest.mark.parametrize("ids", ["unique", "none"])
def test_on_the_sound_card_speaking_stops_the_reply(
    soundcard: SoundCard, server: DoubaoServer, ids: Literal["unique", "none"]
) -> None:
    server.script = Script((Reply(seconds=8.0, late=4), Reply("second", seconds=0.5)), ids=ids)
    with (
        program(server, "vad", "--no-aec", card=soundcard) as talk,
        soundcard.record("speaker.monitor") as speaker,
    ):
        talk.wait_for("session")
        soundcard.play(tone(0.8, 300)).wait()
        talk.wait_for("state", lambda event: event["state"] == "speaking")
        began = speaker.wait_for_sound()
        soundcard.play(tone(1.0, 300)).wait()
        told = server.wait_for(450, count=2).at
        silent = speaker.wait_for_silence(after=began)
        first = talk.wait_for("assistant")
        assert first["interrupted"] is True
        assert silent - told < 0.15  # loose: the machine may be busy; docs/performance.md has the figure
        assert talk.wait_for("assistant", count=2)["text"] == "second"
        talk.interrupt()
        assert talk.wait() == 130
    assert start_session(server)["dialog"]["extra"].get("input_mod") is None
    server.wait_for(102)


def test_silence_flows_while_nobody_speaks(soundcard: SoundCard, server: DoubaoServer) -> None:
    server.faults = Faults(idle_s=6.0)  # a busy machine may take three seconds to open the sound card
    with program(server, "vad", card=soundcard) as talk:
        talk.wait_for("session")
        server.wait_for(200, 20, count=320)
        talk.interrupt()
        assert talk.wait() == 130
    assert not server.events(153)


def test_a_voice_that_does_not_fit_falls_back_with_a_warning(server: DoubaoServer, tmp_path: Path) -> None:
    with program(server, "say", "--voice", "zh_wrong", "--output", str(tmp_path / "a.wav"), "hi") as talk:
        assert talk.wait() == 0, talk.describe()
    assert talk.of_type("warning")[0]["code"] == "voice"
    assert talk.of_type("session")[0]["voice"] == "zh_female_vv_jupiter_bigtts"
    first, second = server.events(100)
    assert first.session_id != second.session_id


# -- failures: a clear line and the documented exit code, or survived


def fails(server: DoubaoServer, tmp_path: Path, *arguments: str, env: dict[str, str] = KEYS) -> tuple[int, str]:
    files = ["--input", str(QUESTION), "--output", str(tmp_path / "a.wav")]
    with program(server, "vad", *files, *arguments, env=env) as talk:
        code = talk.wait(25)
        words = talk.stdout + talk.stderr
    assert TOKEN not in words
    assert "Traceback" not in words
    return code, words


def test_a_refused_key(server: DoubaoServer, tmp_path: Path) -> None:
    server.auth = Auth(access_key="another")
    code, words = fails(server, tmp_path)
    assert code == 6
    assert "requested grant not found" in words
    assert f"X-Tt-Logid {server.log_id}" in words


def test_a_service_that_is_not_activated(server: DoubaoServer, tmp_path: Path) -> None:
    server.auth = Auth(granted=False)
    code, words = fails(server, tmp_path)
    assert code == 6
    assert "switched on for this app" in words


def test_the_new_consoles_key(server: DoubaoServer, tmp_path: Path) -> None:
    server.auth = Auth(api_key="new-key")
    code, _ = fails(server, tmp_path, env={"DOUBAO_API_KEY": "new-key"})
    assert code == 0


def test_no_credentials(server: DoubaoServer, tmp_path: Path) -> None:
    code, words = fails(server, tmp_path, env={"API_APP_ID": "1"})
    assert code == 3
    assert "API_ACCESS_KEY" in words


@pytest.mark.parametrize(
    ("faults", "code", "words"),
    [
        (Faults(close_at=150, close_code=1000), 5, "closed the connection"),
        (Faults(close_at=352, close_code=1002), 5, "closed the connection"),
        (Faults(fail_at={350: Failure(45000292, "quota exceeded for types: concurrency", "frame")}), 6, "quota"),
        (Faults(fail_at={352: Failure(50000000, "AudioQueryError")}), 0, "AudioQueryError"),
        (Faults(fail_at={352: Failure(50000000, "AudioQueryError")}), 0, "X-Tt-Logid"),
        (Faults(inject={150: ["hello", b"\x11", bytes(64), b"\xff" * 40]}), 0, '"broken_frames": 4'),
    ],
    ids=["closed", "closed in a reply", "quota", "round failed", "its log id", "garbage"],
)
def test_failures(server: DoubaoServer, tmp_path: Path, faults: Faults, code: int, words: str) -> None:
    server.faults = faults
    found, text = fails(server, tmp_path)
    assert (found, words in text) == (code, True), text


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (Faults(1, close_at=154, close_code=1006), "closed the connection"),
        (Faults(1, fail_at={154: Failure(52000042, "DialogAudioIdleTimeoutError", "153")}), "AudioIdleTimeout"),
        (Faults(1, fail_at={154: Failure(45000003, "Abnormal silence audio", "frame")}), "Abnormal silence"),
    ],
    ids=["dropped", "idle", "ten minutes"],
)
def test_a_lost_session_is_taken_up_again(server: DoubaoServer, tmp_path: Path, faults: Faults, words: str) -> None:
    server.faults, server.script = faults, Script((Reply(seconds=0.3),))
    with program(server, "manual", "--output", str(tmp_path / "a.wav"), "--input", str(QUESTION), stdin="open") as talk:
        talk.write("first\n")
        assert words in talk.wait_for("connection")["message"]
        assert talk.wait_for("session", count=2)["state_restored"] is True
        talk.write("second\n")
        assert talk.wait_for("assistant", count=2)["status"] == "completed"
        talk.close_stdin()
        assert talk.wait() == 0, talk.describe()
    pair = server.events(510)[0].fields["items"]
    assert [(item["role"], item["text"]) for item in pair] == [
        ("user", "first"),
        ("assistant", "今天晴，很适合爬山。"),
    ]


def test_a_service_that_does_not_say_good_bye_is_not_waited_for_long(server: DoubaoServer, tmp_path: Path) -> None:
    server.faults = Faults(silent="finish")
    with program(server, "say", "--output", str(tmp_path / "a.wav"), "hi") as talk:
        turn = talk.wait_for("assistant")
        assert talk.wait() == 0
        assert talk.of_type("end")[0]["t"] - turn["t"] < 3.5


def test_a_service_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    """Of the connection, or of the session: both at the same time."""
    silences: tuple[Literal["connection", "session"], ...] = ("connection", "session")
    with ExitStack() as stack:
        servers = [stack.enter_context(DoubaoServer(faults=Faults(silent=silent))) for silent in silences]
        pool = stack.enter_context(ThreadPoolExecutor(len(servers)))
        for code, words in pool.map(lambda server: fails(server, tmp_path), servers):
            assert code == 5
            assert "said nothing for 10 s" in words


@pytest.mark.parametrize(
    "careless",
    [{"ids": "restart"}, {"ids": "none"}, {"ids": "restart", "ends": "doubled"}, {"ends": "missing"}],
    ids=lambda careless: " ".join(careless.values()),
)
def test_a_careless_service_is_served_like_any_other_after_a_drop(
    server: DoubaoServer, tmp_path: Path, careless: dict[str, Any]
) -> None:
    server.script = Script((Reply("first", seconds=0.3), Reply("second", seconds=0.3)), **careless)

    async def drop() -> None:
        server.connections[-1].socket.transport.abort()

    files = ["--input", quiet(tmp_path), "--output", str(tmp_path / "a.wav")]
    with program(server, "manual", *files, stdin="open") as talk:
        talk.write("one\n")
        server.wait_for(154)
        if server.script.ends != "missing":
            talk.wait_for("assistant")
        server.run(drop())
        talk.wait_for("session", lambda line: line["state_restored"] is not None)
        talk.write("two\n")
        talk.wait_for("assistant.partial", lambda line: (line["turn"], line["text"]) == (2, "second"))
        server.wait_for(154, count=2)
        if server.script.ends == "missing":  # a line would wait for the end, as long as the program does
            talk.interrupt()
        else:
            talk.write("/quit\n")
        assert talk.wait() == (130 if server.script.ends == "missing" else 0), talk.describe()
    assert [(line["turn"], line["text"]) for line in talk.of_type("user")] == [(1, "one"), (2, "two")]
    assert [(line["turn"], line["text"]) for line in talk.of_type("assistant")] == [(1, "first"), (2, "second")]
    assert [line["turn"] for line in talk.of_type("usage")] == [1, 2]
