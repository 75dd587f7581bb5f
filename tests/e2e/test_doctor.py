"""`voicechat doctor`, the real program: on a virtual sound card, without one, and against the scripted service."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.doubao_server import DoubaoServer
from tests.doubao_server import Faults as DoubaoFaults
from tests.program import Program
from tests.realtime_server import Auth, Faults, RealtimeServer
from tests.room import Room
from tests.soundcard import SoundCard, lag_ms, tone
from voicechat.audio.lockstep import SPARE_MS

HELD_MS = 22
"""What both devices hold of a sound between the program's two ends of it."""
CANARY = "sk-canary-7f3e9d21"
ORDER = [
    "terminal",
    "configuration",
    "keys",
    "devices",
    "microphone",
    "microphone level",
    "speaker",
    "echo",
    "echo cancellation",
    "voice detection",
    "name resolution",
    "TLS",
    "session",
    "clock",
]


def run(arguments: list[str], **options: Any) -> tuple[int, dict[str, Any], str]:
    """(exit code, checks by name, everything written)."""
    with Program(["doctor", "--json", *arguments], **options) as program:
        code = program.wait(60)
        report = json.loads(program.stdout)
        assert report["exit_code"] == code
        assert report["ok"] == (code == 0)
        assert "Traceback" not in program.stderr
        return code, {check["name"]: check for check in report["checks"]}, program.stdout + program.stderr


def statuses(checks: dict[str, Any], *names: str) -> list[str]:
    return [checks[name]["status"] for name in names]


@pytest.fixture
def server() -> Iterator[RealtimeServer]:
    with RealtimeServer("ga", auth=Auth(key=CANARY)) as running:
        yield running


def openai(server: RealtimeServer, *more: str) -> list[str]:
    return ["--provider", "openai", "--url", server.url, *more]


def test_a_session_is_opened_configured_and_closed(server: RealtimeServer) -> None:
    code, checks, written = run(openai(server, "--no-sound"), env={"OPENAI_API_KEY": CANARY})
    assert code == 0
    assert list(checks) == ORDER
    assert (
        statuses(checks, "configuration", "keys", "name resolution", "session", "clock", "voice detection")
        == ["ok"] * 6
    )
    assert statuses(checks, "microphone", "speaker", "TLS") == ["not tested"] * 3
    assert checks["keys"]["figures"] == {"provider": "openai", "openai_from": "environment OPENAI_API_KEY"}
    assert 0 < checks["session"]["figures"]["connect_ms"] <= checks["session"]["figures"]["ready_ms"] < 5000
    assert abs(checks["clock"]["figures"]["skew_s"]) <= checks["clock"]["figures"]["margin_s"] + 1
    assert set(checks["session"]) == {"name", "status", "detail", "advice", "exit_code", "figures"}
    assert CANARY not in written
    assert len(server.received_of("session.update")) == 1
    assert not server.received_of("response.create")
    assert server.connections[0].close_code is not None


def test_a_wrong_key_is_a_refusal_that_names_the_key_and_never_shows_it(server: RealtimeServer) -> None:
    code, checks, written = run(openai(server, "--no-sound"), env={"OPENAI_API_KEY": CANARY + "x"})
    assert code == 6
    assert statuses(checks, "keys", "name resolution", "session") == ["ok", "ok", "failed"]
    assert checks["session"]["exit_code"] == 6
    assert "OPENAI_API_KEY" in checks["session"]["advice"]
    assert CANARY not in written


def test_an_http_refusal_is_explained_and_still_tells_the_time(server: RealtimeServer) -> None:
    server.auth = Auth(status=403)
    code, checks, _ = run(openai(server, "--no-sound"), env={"OPENAI_API_KEY": CANARY})
    assert code == 6
    assert "HTTP 403" in checks["session"]["detail"]
    assert statuses(checks, "clock") == ["ok"]


def test_a_missing_key_is_a_matter_of_configuration_and_the_rest_is_examined_all_the_same() -> None:
    code, checks, _ = run(["--provider", "qwen"])
    assert code == 3
    assert statuses(checks, "keys", "session") == ["failed", "not tested"]
    assert "DASHSCOPE_API_KEY" in checks["keys"]["advice"]
    assert checks["microphone"]["status"] == "failed"


def test_a_broken_configuration_does_not_prevent_the_sound_from_being_examined(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("voice = \n")
    with SoundCard() as card:
        code, checks, _ = run(["--config", str(broken)], card=card)
    assert code == 3
    assert "line 1" in checks["configuration"]["detail"]
    assert statuses(checks, "keys", "session") == ["not tested", "not tested"]
    assert checks["speaker"]["status"] == "ok"


def test_nobody_listening_is_a_matter_of_the_connection() -> None:
    code, checks, _ = run(["--provider", "newapi", "--url", "ws://127.0.0.1:9/v1/realtime", "--no-sound"])
    assert code == 5
    assert "Nothing listens" in checks["session"]["detail"]


def test_a_plain_service_behind_a_wss_address_fails_at_tls(server: RealtimeServer) -> None:
    url = server.url.replace("ws://", "wss://")
    code, checks, _ = run(["--provider", "openai", "--url", url, "--no-sound"], env={"OPENAI_API_KEY": CANARY})
    assert code == 5
    assert statuses(checks, "name resolution", "TLS", "session") == ["ok", "failed", "failed"]


def test_an_unknown_model_that_is_closed_silently_is_explained() -> None:
    with RealtimeServer("qwen", auth=Auth(models=frozenset({"another"}))) as server:
        code, checks, _ = run(
            ["--provider", "qwen", "--url", server.url, "--no-sound"], env={"DASHSCOPE_API_KEY": CANARY}
        )
    assert code == 5
    assert "model" in checks["session"]["detail"] + checks["session"]["advice"]


def doubao(server: DoubaoServer) -> tuple[int, dict[str, Any], str]:
    keys = {"API_APP_ID": "123456", "API_ACCESS_KEY": CANARY}
    return run(["--provider", "doubao", "--url", server.url, "--no-sound"], env=keys)


def test_a_service_that_is_greeted_first_and_wants_a_good_bye_gets_both() -> None:
    with DoubaoServer() as server:
        code, checks, written = doubao(server)
        assert code == 0, written
        assert checks["session"]["figures"]["voice"] == "zh_female_vv_jupiter_bigtts"
        assert server.numbers(lambda s: s.received) == [1, 100, 102, 2]
        assert server.numbers(lambda s: s.sent) == [50, 150, 152, 52]
        assert CANARY not in written


def test_a_service_that_does_not_say_good_bye_is_well_all_the_same() -> None:
    with DoubaoServer(faults=DoubaoFaults(silent="finish")) as server:
        code, checks, written = doubao(server)
        assert code == 0, written
        assert checks["session"]["figures"]["ready_ms"] < 2000, "waiting for the good-bye is no part of it"


def test_a_connection_dropped_in_the_middle_is_a_finding() -> None:
    with RealtimeServer("ga", faults=Faults(close_at="session.created", close_code=1006)) as server:
        code, checks, _ = run(openai(server, "--no-sound"), env={"OPENAI_API_KEY": CANARY})
    assert code == 5
    assert checks["session"]["status"] == "failed"


def test_without_a_sound_card_it_is_the_audios_failure_and_the_service_is_examined(server: RealtimeServer) -> None:
    code, checks, _ = run(openai(server), env={"OPENAI_API_KEY": CANARY})
    assert code == 4
    assert statuses(checks, "microphone", "speaker", "echo", "session") == ["failed", "failed", "not tested", "ok"]
    assert "--input FILE" in checks["microphone"]["advice"]


def test_a_device_that_does_not_exist_lists_those_that_do(soundcard: SoundCard) -> None:
    code, checks, _ = run(["--provider", "offline", "--input-device", "gramophone"], card=soundcard)
    assert code == 2
    assert "default" in checks["microphone"]["advice"]
    assert checks["speaker"]["status"] == "ok"


def test_a_muted_microphone_gives_exact_zeros_and_is_told_where_to_allow_it(soundcard: SoundCard) -> None:
    soundcard.mute("mic")
    code, checks, _ = run(["--provider", "offline"], card=soundcard)
    assert code == 4
    assert checks["microphone"]["figures"]["exact_zeros"] is True
    assert "muted" in checks["microphone"]["detail"]
    assert "pavucontrol" in checks["microphone"]["advice"]
    assert statuses(checks, "speaker", "offline engine", "session") == ["ok", "ok", "ok"]


@pytest.mark.realtime
def test_with_headphones_everything_is_well_and_the_level_is_that_of_the_room(soundcard: SoundCard) -> None:
    room = np.random.default_rng(1).normal(0, 33, 16_000 * 60).astype(np.int16)
    with soundcard.record("mic") as microphone:
        playing = soundcard.play(room)
        microphone.wait_for_sound(level=20)  # of 33: the program must not be there before its room
    code, checks, _ = run(["--provider", "offline"], card=soundcard)
    playing.close()
    assert code == 0
    assert checks["microphone level"]["figures"]["noise_floor_dbfs"] == pytest.approx(-60, abs=4)
    assert checks["microphone level"]["figures"]["clipped_samples"] == 0
    assert checks["echo"]["figures"]["delay_ms"] is None
    assert checks["echo cancellation"]["status"] == "not tested"


def test_a_clipping_microphone_is_told_to_be_turned_down(soundcard: SoundCard) -> None:
    with soundcard.record("mic") as microphone:
        playing = soundcard.play(tone(20, level=1.5))
        microphone.wait_for_sound()
    _, checks, _ = run(["--provider", "offline"], card=soundcard)
    playing.close()
    assert checks["microphone level"]["status"] == "failed"
    assert "gain down" in checks["microphone level"]["advice"]


@pytest.mark.realtime
@pytest.mark.parametrize(("gain_db", "delay_ms"), [(-12.0, 40), (-20.0, 150)])
def test_in_a_room_the_echo_is_found_when_it_comes_and_cancelled(gain_db: float, delay_ms: int) -> None:
    with SoundCard(room=Room(gain_db=gain_db, delay_ms=delay_ms, noise_dbfs=-64.0)) as card:
        with card.record() as speaker, card.record("mic") as mic:
            code, checks, _ = run(["--provider", "offline"], card=card)
            onset = speaker.wait_for_sound()
            assert card.room is not None
            stumbles = card.room.stumbles
        truth_ms = way_ms(speaker.levels(onset - 0.2), mic.levels(onset - 0.2)) + lag_ms(
            speaker.samples(onset - 0.2, onset + 0.6), mic.samples(onset - 0.2, onset + 1.2)
        )
    echo = checks["echo"]["figures"]
    assert echo["delay_ms"] is not None
    if stumbles:  # the machine held the room up, and tore its sound
        return
    assert code == 0, checks
    # A machine that was late keeps up to SPARE_MS more in the device from then on, and a sound server a block or two.
    assert echo["delay_ms"] == pytest.approx(truth_ms + HELD_MS, abs=35 + SPARE_MS)
    assert echo["gain_db"] == pytest.approx(gain_db, abs=3)
    assert checks["echo cancellation"]["status"] == "ok"
    assert checks["echo cancellation"]["figures"]["reduction_db"] > 15
    cancelled = checks["echo cancellation"]["figures"]
    assert cancelled["torn"] or cancelled["delay_ms"] == pytest.approx(echo["delay_ms"], abs=15)


@pytest.mark.realtime
def test_a_wireless_speaker_is_found_and_told_what_it_may_do() -> None:
    with SoundCard(room=Room(delay_ms=1200, noise_dbfs=-64.0)) as card:
        code, checks, _ = run(["--provider", "offline"], card=card)
    assert code == 0
    assert checks["echo"]["status"] == "failed"
    assert checks["echo"]["figures"]["delay_ms"] > 1200  # a machine that stands still makes a room's way longer
    assert "wireless" in checks["echo"]["advice"]
    assert checks["echo cancellation"]["status"] == "not tested"


def way_ms(speaker: list[tuple[float, float]], mic: list[tuple[float, float]]) -> float:
    """How much later the second recording's first block began."""
    return (mic[0][0] - speaker[0][0]) * 1000


def test_on_a_pipe_it_is_plain_lines_with_what_to_do() -> None:
    with Program(["doctor", "--no-sound", "--provider", "qwen"]) as program:
        assert program.wait() == 3
        assert "✗  keys " in program.stdout
        assert "→ " in program.stdout
        assert "\x1b" not in program.stdout
        assert program.stdout.rstrip().endswith("(exit code 3).")


def test_where_the_marks_cannot_be_written_it_uses_words() -> None:
    environment = {"PYTHONIOENCODING": "ascii"}
    with Program(["doctor", "--no-sound", "--provider", "qwen"], env=environment) as program:
        assert program.wait() == 3
        assert "FAIL  keys " in program.stdout
        assert "Set LANG" in program.stdout
