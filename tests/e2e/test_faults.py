"""A bad network under the real program: every fault of docs/reliability.md, from outside, by files and pipes."""

import base64
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.doubao_server import DoubaoServer
from tests.doubao_server import Reply as DoubaoReply
from tests.doubao_server import Script as DoubaoScript
from tests.e2e.scenes import KEY, KEYS, check_manners, service, write_wav
from tests.faulty_proxy import ALL, FaultyProxy, Plan
from tests.program import ROOT, Program
from tests.realtime_server import RealtimeServer, Reply, Script
from tests.soundcard import tone
from tests.tunnel import Tunnel

FIRST, SECOND = "first answer", "second answer"
SCRIPT = Script(replies=(Reply(FIRST, seconds=0.3), Reply(SECOND, seconds=0.3)))
LONGEST_S = 30.0
READY = 2
"""session.created and session.updated: before them nothing is worth a second attempt."""
ONE_TURN = 20
"""The messages of the server up to the end of the first turn."""
SETTINGS = """
[connection]
ping_interval_s = 0.5
ping_timeout_s = 0.5
retry_delays_s = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
retry_jitter = 0.0
"""
LOST = Plan(7, "cut")
CERTIFICATE = str(Path(__file__).with_name("self-signed.pem"))
DOUBAO_KEYS = {"API_APP_ID": "123456", "API_ACCESS_KEY": KEY}


def realtime() -> RealtimeServer:
    return RealtimeServer(script=SCRIPT)


def doubao() -> DoubaoServer:
    return DoubaoServer(script=DoubaoScript((DoubaoReply(FIRST, seconds=0.3), DoubaoReply(SECOND, seconds=0.3))))


def start(
    folder: Path, server: RealtimeServer | DoubaoServer, url: str, stdin: bytes | str, *more: str, **env: str
) -> Program:
    """`manual` by typed lines in a quiet room."""
    room = folder / "room.wav"
    if not room.exists():
        write_wav(room, bytes(2 * 16_000 * 60))
    return talk(folder, server, url, room, ["manual", *more], stdin, **env)


def talk(
    folder: Path, server: RealtimeServer | DoubaoServer, url: str, room: Path, command: list[str],
    stdin: bytes | str | None = None, **env: str,
) -> Program:  # fmt: skip
    config = folder / "config.toml"
    config.write_text(SETTINGS)
    whose = ["--provider", "doubao", "--url", url] if isinstance(server, DoubaoServer) else service(server, url=url)
    options = ["--json", "--config", str(config), "--input", str(room), "--output", "out.wav"]
    return Program([*command, *whose, *options], env=KEYS | DOUBAO_KEYS | env, stdin=stdin)


@dataclass(frozen=True)
class Scenario:
    """Two typed turns over connections that follow `plans`; how that ends, and on how many connections."""

    plans: tuple[Plan, ...]
    code: int = 0
    connections: int = 1
    says: str = ""
    serve: Callable[[], RealtimeServer | DoubaoServer] = realtime
    exact: bool = True
    """Nothing of the answers' words is lost or doubled."""


SCENARIOS = {
    **{f"cut after message {n}": Scenario((Plan(n, "cut"),), 0, 2) for n in range(READY, ONE_TURN + 1)},
    "cut before the answer to the handshake": Scenario((Plan(-1, "cut"),), 5, 1),
    "cut after the handshake": Scenario((Plan(0, "cut"),), 5, 1),
    "cut before the session is configured": Scenario((Plan(1, "cut"),), 5, 1),
    "reset in the answer": Scenario((Plan(12, "reset"),), 0, 2),
    "reset before the answer": Scenario((Plan(8, "reset"),), 0, 2),
    "frozen before the answer": Scenario((Plan(6, "freeze"),), 0, 2, "no answer to pings"),
    "frozen in the answer": Scenario((Plan(13, "freeze"),), 0, 2, "no answer to pings"),
    "frozen after the handshake": Scenario((Plan(0, "freeze"),), 5, 1),
    "one byte per second in a turn": Scenario((Plan(8, "crawl"),), 0, 2),
    "jitter": Scenario((Plan(jitter_ms=300),)),
    "every message twice": Scenario((Plan(duplicate=ALL),)),
    "odd messages after even ones": Scenario((Plan(swap=ALL[::2]),)),
    "even messages after odd ones": Scenario((Plan(swap=ALL[1::2]),)),
    "429 at first": Scenario((Plan(status=429),), 5, 1, "HTTP 429"),
    "429 when coming back": Scenario((LOST, Plan(status=429, headers=("Retry-After: 1",))), 0, 3, "HTTP 429"),
    "500 when coming back": Scenario((LOST, Plan(status=500), Plan(status=500)), 0, 4, "HTTP 500"),
    "403 when coming back": Scenario((LOST, Plan(status=403)), 6, 2, "HTTP 403"),
    "four drops in a row": Scenario((LOST, Plan(5, "cut"), Plan(4, "reset"), Plan(5, "freeze")), 0, 5),
    **{f"doubao, cut after message {n}": Scenario((Plan(n, "cut"),), 0, 2, serve=doubao) for n in range(2, 13)},
    "doubao, cut before the session is there": Scenario((Plan(1, "cut"),), 5, 1, serve=doubao),
    "doubao, reset in the answer": Scenario((Plan(8, "reset"),), 0, 2, serve=doubao),
    "doubao, frozen in the answer": Scenario((Plan(8, "freeze"),), 0, 2, "no answer to pings", serve=doubao),
    "doubao, frozen before the answer": Scenario((Plan(3, "freeze"),), 0, 2, "no answer to pings", serve=doubao),
    "doubao, one byte per second in a turn": Scenario((Plan(4, "crawl"),), 0, 2, serve=doubao),
    "doubao, jitter": Scenario((Plan(jitter_ms=300),), serve=doubao),
    "doubao, every message twice": Scenario((Plan(duplicate=ALL),), serve=doubao, exact=False),
    "doubao, 429 when coming back": Scenario((Plan(5, "cut"), Plan(status=429)), 0, 3, "HTTP 429", serve=doubao),
    "doubao, 403 when coming back": Scenario((Plan(5, "cut"), Plan(status=403)), 6, 2, "HTTP 403", serve=doubao),
}


NO_HANDSHAKE = {
    "frozen before the answer to the handshake": Scenario((Plan(-1, "freeze"),), 5, 1, "within 10 s"),
    "one byte per second from the start": Scenario((Plan(-1, "crawl"),), 5, 1, "within 10 s"),
}


def play(folder: Path, scenario: Scenario) -> None:
    with (
        scenario.serve() as server,
        FaultyProxy(server.url, scenario.plans) as proxy,
        start(folder, server, proxy.url, b"one\ntwo\n") as program,
    ):
        code = program.wait(LONGEST_S)
        said = program.describe()
        check_manners(program)
        assert code == scenario.code, said
        assert len(proxy.links) == scenario.connections, said
        assert scenario.says in program.stdout, said
        assert [line["exit_code"] for line in program.of_type("end")] == [code], said
        assert len(program.of_type("error")) == (code != 0), said
        users = [(line["turn"], line["text"]) for line in program.of_type("user")]
        answers = program.of_type("assistant")
        if code:
            assert users in ([], [(1, "one")]), said
            assert answers == [], said
            return
        assert users == [(1, "one"), (2, "two")], said
        assert [line["turn"] for line in answers] == [1, 2], said
        assert len(program.of_type("connection")) == scenario.connections - 1, said
        if scenario.exact:
            check_answers(program)


def check_answers(program: Program) -> None:
    """Each turn is answered: wholly, or with what was heard of the answer when the connection broke."""
    dropped = bool(program.of_type("connection"))
    for line in program.of_type("assistant"):
        assert line["heard"], program.describe()
        assert not line["interrupted"]
        if line["status"] == "completed":
            assert line["text"] in (FIRST, SECOND), program.describe()
        else:
            assert (line["status"], dropped) == ("incomplete", True), program.describe()
            assert FIRST.startswith(line["heard"].strip()), program.describe()


@pytest.mark.parametrize("name", SCENARIOS)
def test_two_turns_over_a_bad_network(name: str, tmp_path: Path) -> None:
    play(tmp_path, SCENARIOS[name])


def test_a_handshake_that_never_ends_is_given_up_after_ten_seconds(tmp_path: Path) -> None:
    """Both at the same time."""

    def run(name: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        play(folder, NO_HANDSHAKE[name])

    with ThreadPoolExecutor(len(NO_HANDSHAKE)) as pool:
        list(pool.map(run, NO_HANDSHAKE))


def census(pid: int) -> tuple[int, int]:
    """Threads and open descriptors of a process."""
    folder = Path(f"/proc/{pid}")
    return len(list((folder / "task").iterdir())), len(list((folder / "fd").iterdir()))


def test_a_connection_that_is_dropped_again_and_again_leaves_nothing_behind(tmp_path: Path) -> None:
    with (
        RealtimeServer(script=SCRIPT) as server,
        FaultyProxy(server.url) as proxy,
        start(tmp_path, server, proxy.url, "open") as program,
    ):
        before = None
        for turn in range(1, 8):
            program.write(f"turn {turn}\n")
            program.wait_for("assistant", lambda line, turn=turn: line["turn"] == turn)
            program.wait_for("state", lambda line: line["state"] == "idle", count=turn)
            before = before or census(program.pid)
            proxy.drop()
            program.wait_for("session", count=turn + 1)
        assert census(program.pid) == before
        program.close_stdin()
        assert program.wait() == 0
        check_manners(program)
        assert [line["turn"] for line in program.of_type("assistant")] == list(range(1, 8))


def test_a_server_that_is_restarted(tmp_path: Path) -> None:
    with (
        RealtimeServer(script=SCRIPT) as server,
        FaultyProxy(server.url) as proxy,
        start(tmp_path, server, proxy.url, "open") as program,
    ):
        program.write("one\n")
        program.wait_for("assistant")
        proxy.down()
        refused = program.wait_for("connection", lambda line: line["attempt"] == 2)
        assert "Nothing listens" in refused["message"]
        program.write("two\n")
        proxy.up()
        program.wait_for("assistant", count=2)
        program.close_stdin()
        assert program.wait() == 0
        check_manners(program)
        assert [line["text"] for line in program.of_type("user")] == ["one", "two"]


def test_a_host_that_does_not_exist(tmp_path: Path) -> None:
    with RealtimeServer() as server:
        began = time.monotonic()
        with start(tmp_path, server, "wss://no-such-host.invalid/v1/realtime", b"one\n") as program:
            assert program.wait(LONGEST_S) == 5, program.describe()
            check_manners(program)
            assert "was not found" in program.of_type("error")[0]["message"], program.describe()
        assert time.monotonic() - began < 20


def test_a_name_that_is_not_found_when_coming_back(tmp_path: Path) -> None:
    """The network is gone and the resolver with it, as in a train."""
    gone = tmp_path / "no-names"
    (tmp_path / "sitecustomize.py").write_text(RESOLVER.format(gone=str(gone)))
    with (
        RealtimeServer(script=SCRIPT) as server,
        FaultyProxy(server.url) as proxy,
        start(
            tmp_path, server, proxy.url.replace("127.0.0.1", "localhost"), "open", PYTHONPATH=f"{tmp_path}:{ROOT}"
        ) as program,
    ):
        program.write("one\n")
        program.wait_for("assistant")
        gone.touch()
        proxy.drop()
        failed = program.wait_for("connection", lambda line: line["attempt"] == 2)
        assert "was not found" in failed["message"], program.describe()
        program.write("two\n")
        gone.unlink()
        program.wait_for("assistant", count=2)
        program.close_stdin()
        assert program.wait() == 0
        check_manners(program)
        assert [line["text"] for line in program.of_type("user")] == ["one", "two"]


RESOLVER = """
import pathlib, socket

resolve = socket.getaddrinfo

def fail_when_gone(*question, **more):
    if pathlib.Path({gone!r}).exists():
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return resolve(*question, **more)

socket.getaddrinfo = fail_when_gone
"""


def test_a_reset_inside_tls(tmp_path: Path) -> None:
    with (
        RealtimeServer(script=SCRIPT) as server,
        Tunnel(server.port, certificate=CERTIFICATE) as tls,
        start(tmp_path, server, f"wss://localhost:{tls.port}", "open", VOICECHAT_CA_FILE=CERTIFICATE) as program,
    ):
        for turn in (1, 2, 3):
            program.write(f"turn {turn}\n")
            if turn == 2:
                server.wait("response.create", count=2)
                tls.reset()
            program.wait_for("assistant", lambda line, turn=turn: line["turn"] == turn)
        tls.reset()
        program.wait_for("session", count=3)
        program.close_stdin()
        assert program.wait() == 0
        check_manners(program)
        assert [line["text"] for line in program.of_type("user")] == ["turn 1", "turn 2", "turn 3"]
        texts = {line["text"] for line in program.of_type("assistant")}
        assert texts >= {FIRST, SECOND}
        assert all(SECOND.startswith(text) for text in texts - {FIRST}), "of a reply that was cut off its beginning"


# -- while somebody speaks --------------------------------------------------------------------------------------


SPOKEN = {
    f"{name}, {then}": (serve, then)
    for name, serve in (("realtime", realtime), ("doubao", doubao))
    for then in ("cut", "reset", "freeze", "down")
}


SPEECH_S = 2.0


def spoken_s(server: RealtimeServer | DoubaoServer) -> float:
    """How much of what has reached the server was not silence."""
    if isinstance(server, DoubaoServer):
        rate_hz, parts = 16_000, [timed.fields["audio"] for timed in server.events(200)]
    else:
        appended = server.received_of("input_audio_buffer.append")
        rate_hz, parts = 24_000, [base64.b64decode(event["audio"]) for event in appended]
    samples = np.frombuffer(b"".join(parts), "<i2").astype(float)
    levels = np.abs(samples[: len(samples) // 160 * 160].reshape(-1, 160)).max(axis=1)
    return float((levels > 1000).sum()) * 160 / rate_hz


def speak(folder: Path, serve: Callable[[], RealtimeServer | DoubaoServer], then: str) -> None:
    speech = write_wav(folder / "room.wav", bytes(2 * 8000) + tone(SPEECH_S) + bytes(2 * 16_000 * 5))
    with (
        serve() as server,
        FaultyProxy(server.url) as proxy,
        talk(folder, server, proxy.url, speech, ["vad"]) as program,
    ):
        program.wait_for("state", lambda line: line["state"] == "listening")
        proxy.down() if then == "down" else proxy.fail(then)  # type: ignore[arg-type]
        program.wait_for("connection")
        if then == "down":
            proxy.up()
        assert program.wait_for("session", count=2)["state_restored"] is not None
        code = program.wait(LONGEST_S)
        said = program.describe()
        check_manners(program)
        assert code == 0, said
        assert len(program.of_type("user")) == 1, said
        (answer,) = program.of_type("assistant")
        assert (answer["turn"], answer["status"]) == (1, "completed"), said
        assert answer["heard"] == answer["text"] in (FIRST, SECOND), said  # the one cut off may have asked, too
        assert program.of_type("end")[0]["dropped_uplink_ms"] == 0, said
        assert spoken_s(server) > SPEECH_S, said  # all of it, and again what the lost session had heard


@pytest.mark.parametrize("name", SPOKEN)
def test_what_is_said_while_the_line_fails_is_answered(name: str, tmp_path: Path) -> None:
    speak(tmp_path, *SPOKEN[name])
