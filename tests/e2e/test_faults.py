"""A bad network under the real program: every fault of docs/reliability.md, from outside, by files and pipes."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.scenes import KEYS, check_manners, service, write_wav
from tests.faulty_proxy import ALL, FaultyProxy, Plan
from tests.program import Program
from tests.realtime_server import RealtimeServer, Reply, Script

FIRST, SECOND = "first answer", "second answer"
SCRIPT = Script(replies=(Reply(FIRST, seconds=0.3), Reply(SECOND, seconds=0.3)))
AT_ONCE = 3
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


def start(folder: Path, url: str, server: RealtimeServer, stdin: bytes | str) -> Program:
    config = folder / "config.toml"
    config.write_text(SETTINGS)
    room = folder / "room.wav"
    if not room.exists():
        write_wav(room, bytes(2 * 16_000 * 60))
    options = ["--json", "--config", str(config), "--input", str(room), "--output", "out.wav"]
    return Program(["manual", *service(server, url=url), *options], env=KEYS, stdin=stdin)


@dataclass(frozen=True)
class Scenario:
    """Two typed turns over connections that follow `plans`; how that ends, and on how many connections."""

    plans: tuple[Plan, ...]
    code: int = 0
    connections: int = 1
    says: str = ""


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
    "frozen before the answer to the handshake": Scenario((Plan(-1, "freeze"),), 5, 1, "within 10 s"),
    "one byte per second from the start": Scenario((Plan(-1, "crawl"),), 5, 1, "within 10 s"),
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
}


def play(folder: Path, scenario: Scenario) -> None:
    folder.mkdir()
    with (
        RealtimeServer(script=SCRIPT) as server,
        FaultyProxy(server.url, scenario.plans) as proxy,
        start(folder, proxy.url, server, b"one\ntwo\n") as program,
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


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, "Future[None]"]:
    """All scenarios, a few at a time."""
    folder = tmp_path_factory.mktemp("faults")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {
            name: pool.submit(play, folder / str(number), scenario)
            for number, (name, scenario) in enumerate(SCENARIOS.items())
        }


@pytest.mark.parametrize("name", SCENARIOS)
def test_two_turns_over_a_bad_network(name: str, runs: dict[str, "Future[None]"]) -> None:
    runs[name].result()


def census(pid: int) -> tuple[int, int]:
    """Threads and open descriptors of a process."""
    folder = Path(f"/proc/{pid}")
    return len(list((folder / "task").iterdir())), len(list((folder / "fd").iterdir()))


def test_a_connection_that_is_dropped_again_and_again_leaves_nothing_behind(tmp_path: Path) -> None:
    with (
        RealtimeServer(script=SCRIPT) as server,
        FaultyProxy(server.url) as proxy,
        start(tmp_path, proxy.url, server, "open") as program,
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
        start(tmp_path, proxy.url, server, "open") as program,
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
        with start(tmp_path, "wss://no-such-host.invalid/v1/realtime", server, b"one\n") as program:
            assert program.wait(LONGEST_S) == 5, program.describe()
            check_manners(program)
            assert "was not found" in program.of_type("error")[0]["message"], program.describe()
        assert time.monotonic() - began < 20
