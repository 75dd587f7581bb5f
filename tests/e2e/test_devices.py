"""Devices that go and come back under the running program, on a virtual sound card."""

import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.program import Program
from tests.realtime_server import RealtimeServer, Reply, Script
from tests.recordings import QUESTION
from tests.soundcard import Recording, SoundCard

APPEND = "input_audio_buffer.append"


def talking(card: SoundCard, server: RealtimeServer, *more: str, **env: str) -> Program:
    return Program(
        ["vad", "--provider", "openai", "--url", server.url, "--json", *more],
        card=card,
        env={"OPENAI_API_KEY": "test-key-0123456789", **env},
    )


def ask(program: Program, card: SoundCard, speaker: Recording, count: int) -> float:
    """One spoken question; returns when its answer is heard."""
    asked = time.monotonic()
    card.play(QUESTION)
    program.wait_for("user", count=count)
    return speaker.wait_for_sound(timeout_s=25, after=asked)


def wait_for_loss(program: Program, device: str) -> None:
    """Its stream ends, and the system has another default: the program may notice either first."""
    lost = program.wait_for("warning", lambda line: line["code"] == "device")["message"]
    assert (device in lost and "was lost" in lost) or "default devices have changed" in lost


def test_a_microphone_that_was_pulled_out_is_used_again_when_it_is_back(soundcard: SoundCard) -> None:
    with RealtimeServer() as server, talking(soundcard, server) as program:
        program.wait_for("session")
        soundcard.unplug("mic")
        wait_for_loss(program, "The microphone")
        soundcard.replug("mic")
        program.wait_for("warning", lambda line: "Going on with" in line["message"])
        with soundcard.record("speaker.monitor") as speaker:
            ask(program, soundcard, speaker, 1)
        end_quietly(program, server)


@pytest.mark.realtime
def test_a_speaker_that_was_pulled_out_in_mid_answer_goes_on_when_it_is_back(soundcard: SoundCard) -> None:
    script = Script(replies=(Reply(seconds=6.0),))
    with RealtimeServer(script=script) as server, talking(soundcard, server) as program:
        program.wait_for("session")
        with soundcard.record("speaker.monitor") as speaker:
            ask(program, soundcard, speaker, 1)
        soundcard.unplug("speaker")
        wait_for_loss(program, "The speaker")
        soundcard.replug("speaker")
        program.wait_for("warning", lambda line: "Going on with" in line["message"])
        with soundcard.record("speaker.monitor") as speaker:
            speaker.wait_for_sound(timeout_s=15)  # the rest of the same answer
        answer = program.wait_for("assistant")
        assert not answer["interrupted"]
        assert answer["heard_ms"] == 6000
        end_quietly(program, server)


def end_quietly(program: Program, server: RealtimeServer) -> None:
    program.interrupt()
    assert program.wait() == 130
    assert len(server.connections) == 1  # the session was kept
    assert "Expression" not in program.stderr  # PortAudio's own words about it
    assert "Traceback" not in program.stderr


def test_a_changed_default_device_is_used_from_then_on(soundcard: SoundCard) -> None:
    config = soundcard.dir / "roaming.conf"
    config.write_text("</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\nctl.!default { type pulse }\n")
    with RealtimeServer() as server, talking(soundcard, server, ALSA_CONFIG_PATH=str(config)) as program:
        program.wait_for("session")
        soundcard.replug("headphones")
        changed = program.wait_for("warning", lambda line: line["code"] == "device", timeout_s=20)
        assert "default devices have changed" in changed["message"]
        program.wait_for("warning", lambda line: "Going on with" in line["message"])
        with soundcard.record("headphones.monitor") as headphones:
            ask(program, soundcard, headphones, 1)
        end_quietly(program, server)


def test_a_machine_without_an_alsa_configuration_gets_a_line_and_no_abort(tmp_path: Path) -> None:
    with Program(["devices"], env={"ALSA_CONFIG_PATH": str(tmp_path / "none")}) as program:
        assert program.wait() == 4
        assert "ALSA has no configuration" in program.stderr


def test_while_no_device_can_be_opened_the_service_hears_silence_in_time(soundcard: SoundCard) -> None:
    config = soundcard.dir / "removable.conf"
    shutil.copy(soundcard.variables["ALSA_CONFIG_PATH"], config)
    with RealtimeServer() as server, talking(soundcard, server, ALSA_CONFIG_PATH=str(config)) as program:
        program.wait_for("session")
        config.rename(config.with_suffix(".away"))  # or PulseAudio gives another source in place of the lost one
        soundcard.unplug("mic")
        program.wait_for("warning", lambda line: line["code"] == "device")
        away = time.monotonic()
        server.wait(APPEND, count=len(server.received_of(APPEND)) + 100)
        assert 1.5 < time.monotonic() - away < 4.0  # two seconds of it
        assert not any("Going on" in line["message"] for line in program.of_type("warning"))
        soundcard.replug("mic")
        config.with_suffix(".away").rename(config)
        program.wait_for("warning", lambda line: "Going on with" in line["message"])
        with soundcard.record("speaker.monitor") as speaker:
            ask(program, soundcard, speaker, 1)
        end_quietly(program, server)


def test_a_missing_canceller_is_told_once_however_often_a_device_comes_back(soundcard: SoundCard) -> None:
    missing = {"LIVEKIT_LIB_PATH": "/nowhere/liblivekit.so"}
    with RealtimeServer() as server, talking(soundcard, server, **missing) as program:
        session = program.wait_for("session")
        assert session["aec"] is False
        soundcard.unplug("mic")
        program.wait_for("warning", lambda line: line["code"] == "device")
        soundcard.replug("mic")
        program.wait_for("warning", lambda line: "Going on with" in line["message"])
        end_quietly(program, server)
        told = [line for line in program.of_type("warning") if line["code"] == "aec"]
        assert len(told) == 1
        assert "no echo canceller" in told[0]["message"]


@pytest.fixture
def hanging_server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A sound server that takes connections and never says a word; the variables that lead to it."""
    connections: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "native"))
        listener.listen()

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connections.append(listener.accept()[0])

        thread = threading.Thread(target=accept)
        thread.start()
        config = tmp_path / "asound.conf"
        config.write_text("</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\nctl.!default { type pulse }\n")
        yield {"PULSE_SERVER": f"unix:{tmp_path / 'native'}", "ALSA_CONFIG_PATH": str(config)}
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in connections:
        connection.close()


def test_ctrl_c_ends_the_program_although_the_sound_server_hangs(hanging_server: dict[str, str]) -> None:
    arguments = ["vad", "--provider", "openai", "--json"]
    with RealtimeServer() as server:
        env = {"OPENAI_API_KEY": "test-key-0123456789", **hanging_server}
        with Program([*arguments, "--url", server.url], env=env) as program:
            server.wait("session.update")
            program.interrupt()
            assert program.wait(8) == 130, program.describe()


def test_a_sound_server_that_hangs_is_told(hanging_server: dict[str, str]) -> None:
    with Program(["speak", "hello", "--provider", "offline"], env=hanging_server) as program:
        assert program.wait(25) == 4, program.describe()
        assert "The sound system has not answered for 10 s." in program.stderr
