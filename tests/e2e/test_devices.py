"""Devices that go and come back under the running program, on a virtual sound card."""

import base64
import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.program import Program
from tests.realtime_server import RealtimeServer, Reply, Script
from tests.recordings import QUESTION
from tests.soundcard import RATE_HZ, Recording, SoundCard, tone

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


def removable(card: SoundCard) -> Path:
    """A configuration that can be taken away, so that nothing can be opened: else PulseAudio may give a neighbour."""
    config = card.dir / "removable.conf"
    shutil.copy(card.variables["ALSA_CONFIG_PATH"], config)
    return config


def loudest_hz(samples: NDArray[np.int16], rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate_hz / len(samples))


def assert_heard(card: SoundCard, server: RealtimeServer, program: Program, hz: float) -> None:
    """Half a second of a tone into the microphone comes to the service, all of it and at its pitch."""
    before, turns = len(server.received_of(APPEND)), len(program.of_type("user"))
    card.play(tone(0.5, hz))
    program.wait_for("user", count=turns + 1)
    sent = [base64.b64decode(event["audio"]) for event in server.received_of(APPEND)[before:]]
    heard = np.frombuffer(b"".join(sent), "<i2")
    loud = np.flatnonzero(np.abs(heard) > 500)
    heard = heard[loud[0] : loud[-1]]
    assert len(heard) >= 0.48 * 24_000
    assert loudest_hz(heard, 24_000) == pytest.approx(hz, rel=0.02)


def test_a_headset_that_comes_late_and_changes_its_rate_loses_no_word_and_keeps_the_pitch(soundcard: SoundCard) -> None:
    """The sign to speak is the line `session`, and later "Going on with": whoever speaks then is heard from then on."""
    script = Script(replies=(Reply(pcm=tone(1.0, 500, 24_000)),))
    config = removable(soundcard)
    soundcard.suspend("mic")
    with RealtimeServer(script=script) as server, talking(soundcard, server, ALSA_CONFIG_PATH=str(config)) as program:
        program.wait_for("warning", lambda line: line["code"] == "slow_device")
        assert server.received_of("session.update")
        assert not program.of_type("session")
        soundcard.suspend("mic", on=False)
        program.wait_for("session")
        assert_heard(soundcard, server, program, 700)
        program.wait_for("assistant")

        config.rename(config.with_suffix(".away"))
        for name in ("mic", "speaker"):
            soundcard.unplug(name)
        program.wait_for("warning", lambda line: line["code"] == "device")
        soundcard.replug("speaker", 16_000)
        soundcard.replug("mic", 8_000)
        config.with_suffix(".away").rename(config)
        program.wait_for("warning", lambda line: "Going on with" in line["message"])
        with soundcard.record("speaker.monitor") as speaker:
            assert_heard(soundcard, server, program, 900)
            onset = speaker.wait_for_sound()
            speaker.wait_for_silence(after=onset)
            assert loudest_hz(speaker.samples(onset, onset + 0.5), RATE_HZ) == pytest.approx(500, abs=5)
        assert len([line for line in program.of_type("warning") if line["code"] == "device"]) == 2
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
    config = removable(soundcard)
    with RealtimeServer() as server, talking(soundcard, server, ALSA_CONFIG_PATH=str(config)) as program:
        program.wait_for("session")
        config.rename(config.with_suffix(".away"))
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
