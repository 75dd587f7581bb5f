"""A conversation that is kept, found, shown and gone on with, by the program as it is used."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.scenes import KEY, KEYS, check_manners, read_wav, service, write_wav
from tests.program import Program
from tests.realtime_server import OUTPUT_RATE_HZ, RealtimeServer, Reply, Script
from tests.soundcard import SoundCard, tone
from tests.unit.archives import keep

SCRIPT = Script(replies=(Reply("今天晴，很适合爬山。", seconds=0.4), Reply("Rain.", seconds=0.3)))
OFFLINE = ["--provider", "offline", "--output", "out.wav", "--plain"]


def ran(home: Path, *arguments: str, code: int = 0) -> Program:
    with Program([*arguments], env=KEYS, home=home) as program:
        assert program.wait() == code, program.describe()
        check_manners(program)
        return program


@pytest.fixture
def home(tmp_path: Path) -> Path:
    config = tmp_path / "config" / "voicechat"
    config.mkdir(parents=True)
    (config / "config.toml").write_text("[history]\nenabled = true\n")
    return tmp_path


def test_yesterdays_talk_goes_on(home: Path) -> None:
    with RealtimeServer(script=SCRIPT) as server:
        talk = [*service(server), "--output", "out.wav", "--json"]
        with Program(["say", f"今天适合去爬山吗？ {KEY}", *talk], env=KEYS, home=home) as program:
            assert program.wait() == 0, program.describe()
            first = program.of_type("session")[0]
        second = ran(home, "say", "--continue", "And tomorrow?", *talk).of_type("session")[0]
        third = ran(home, "say", "And now?", "--continue", "20200101-000000", *talk)
        told = [timed.event["item"] for timed in server.received if timed.type == "conversation.item.create"]
    assert (first["continues"], second["continues"]) == ("", first["conversation"])
    assert [(item["role"], item["content"][0]["text"]) for item in told] == [
        ("user", f"今天适合去爬山吗？ {KEY}"),
        ("user", "今天适合去爬山吗？ ***"),
        ("assistant", "今天晴，很适合爬山。"),
        ("user", "And tomorrow?"),
        ("user", "And now?"),
    ]
    assert "There is no conversation '20200101-000000'" in third.stderr
    assert third.of_type("session")[0]["continues"] == ""

    folder = home / "data" / "voicechat" / "history"
    files = {path.name: path for path in folder.iterdir()}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}
    assert not [name for name, path in files.items() if KEY.encode() in path.read_bytes()]
    _, rate_hz, channels = read_wav(files[f"{first['conversation']}.wav"])
    assert (rate_hz, channels) == (OUTPUT_RATE_HZ, 2)

    listed = [json.loads(line) for line in ran(home, "history", "list", "--json").lines]
    assert [entry["id"] for entry in listed][1:] == [second["conversation"], first["conversation"]]
    assert (listed[2]["first"], listed[2]["turns"], listed[2]["ended"]) == ("今天适合去爬山吗？ ***", 1, True)
    shown = ran(home, "history", "show", second["conversation"])
    assert shown.lines == ["you: And tomorrow?\n", "marin: Rain.\n"]
    assert f"goes on with {first['conversation']}" in shown.stderr
    assert (folder / "index.sqlite3").stat().st_mode & 0o777 == 0o600


def test_the_offline_companion_remembers_a_name_from_the_conversation_before(home: Path) -> None:
    folder = home / "data" / "voicechat" / "history"
    folder.mkdir(parents=True)
    keep(folder, "20261126-090000", ("My name is Ada.", "Nice to meet you, Ada."))
    assert "Ada" in ran(home, "say", "What is my name?", "--continue", *OFFLINE).stdout


PRICED = """
[prices."gpt-realtime"]
currency = "EUR"
input_text = 100.0
input_audio = 200.0
output_text = 300.0
output_audio = 400.0
"""


def test_what_it_costs_is_told_kept_and_limited(home: Path) -> None:
    """The scripted service takes 20 tokens of text and 10 of sound, and answers with 1 and 4."""
    with (home / "config" / "voicechat" / "config.toml").open("a") as file:
        file.write(PRICED)
    cost = round((20 * 100 + 10 * 200 + 1 * 300 + 4 * 400) / 1e6, 8)
    with RealtimeServer(script=Script(replies=(Reply("One.", seconds=0.3),))) as server:
        quiet = write_wav(home / "quiet.wav", bytes(32_000 * 20))
        talk = [*service(server), "--input", str(quiet), "--output", "out.wav", "--json", "--max-cost", "0.011"]
        with Program(["manual", *talk], env=KEYS, home=home, stdin=b"one\ntwo\nthree\nfour\n") as program:
            assert program.wait() == 0, program.describe()
    used = program.of_type("usage")
    assert [(line["cost"], line["currency"], line["messages"]) for line in used] == [(cost, "EUR", 1)] * 2
    assert used[1]["session_cost"] == pytest.approx(2 * cost)
    assert [line["text"] for line in program.of_type("assistant")] == ["One.", "One."]
    assert [line["message"] for line in program.of_type("warning")] == [
        "This conversation has cost €0.0118 of €0.0110: it ends after this answer."
    ]
    end = program.of_type("end")[0]
    assert (end["reason"], end["turns"], end["cost"], end["currency"]) == ("cost", 2, used[1]["session_cost"], "EUR")
    kept = json.loads(ran(home, "history", "list", "--json").lines[0])
    assert (kept["cost"], kept["currency"]) == (pytest.approx(2 * cost), "EUR")


def test_a_limit_without_a_price_is_refused_before_anything_is_spent(home: Path) -> None:
    with RealtimeServer() as server:
        program = ran(home, "say", "hello", *service(server), "--output", "out.wav", "--max-cost", "1", code=2)
        assert server.connections == []
    assert program.stderr.splitlines()[0] == (
        "voicechat: What gpt-realtime costs is not known, so --max-cost cannot be kept."
    )


def test_a_recording_is_heard_from_any_turn_on(tmp_path: Path) -> None:
    """The user is heard at once, the assistant a second later; the second turn begins beyond the end."""
    folder = tmp_path / "kept"
    keep(folder, "20261126-090000", ("one", "1"), ("two", "2"))
    left = np.frombuffer(tone(0.3, 400.0, OUTPUT_RATE_HZ) + bytes(2 * OUTPUT_RATE_HZ), "<i2")
    right = np.roll(left, OUTPUT_RATE_HZ)
    with wave.open(str(folder / "20261126-090000.wav"), "wb") as file:
        file.setparams((2, 2, OUTPUT_RATE_HZ, 0, "NONE", ""))
        file.writeframes(np.stack([left, right], axis=1).tobytes())
    with SoundCard() as card, card.record() as speaker:
        play = ["history", "play", "last", "--dir", str(folder)]
        with Program([*play, "--turn", "2"], card=card) as program:
            assert program.wait() == 0, program.describe()
        assert not [at for at, level in speaker.levels() if level > 300], "it began before the second turn"
        with Program([*play], card=card) as program:
            began = speaker.wait_for_sound()
            answered = speaker.wait_for_sound(after=began + 0.6)
            assert 0.9 < answered - began < 1.9  # later than a second only where a busy machine tears it
            assert program.wait() == 0, program.describe()
