"""Conversations on a virtual sound card: speech at the microphone, words in the JSON, sound at the speaker."""

import re
import time

import pytest

from tests.e2e.scenes import KEYS, PROVIDERS, QUESTION, check_manners, service
from tests.program import Program
from tests.realtime_server import RealtimeServer, Reply, Script
from tests.soundcard import SoundCard

FIRST = Reply("A long first answer, which nobody will hear to its end.", seconds=15.0)
SECOND = Reply("The second answer.", seconds=0.6)
SILENT_WITHIN_S = 1.0
"""Generous: that it falls silent is tested here, how fast is measured by the benchmark."""


@pytest.mark.realtime
@pytest.mark.parametrize("dialect", PROVIDERS)
def test_a_spoken_conversation_with_an_interruption(dialect: str, soundcard: SoundCard) -> None:
    script = Script(replies=(FIRST, SECOND), heard=("what is twelve times seven", "stop please"))
    with (
        RealtimeServer(dialect, script=script) as server,
        soundcard.record() as speaker,
        Program(["vad", *service(server), "--json"], card=soundcard, env=KEYS) as program,
    ):
        session = program.wait_for("session")
        assert (session["provider"], session["aec"], session["turn"]) == (PROVIDERS[dialect], True, "server")
        asked = time.monotonic()
        soundcard.play(QUESTION)
        program.wait_for("user", lambda line: line["text"] == "what is twelve times seven")
        heard_at = speaker.wait_for_sound(after=asked)
        program.wait_for("latency", lambda line: line["voice_to_voice_ms"] is not None)

        talked_over = time.monotonic()
        soundcard.play(QUESTION)
        answer = program.wait_for("assistant")
        started = server.wait("input_audio_buffer.speech_started", count=2).at
        silent = speaker.wait_for_silence(after=max(talked_over, heard_at), hold_s=0.15)
        assert silent - started < SILENT_WITHIN_S
        assert answer["interrupted"]
        assert 0 < answer["heard_ms"] < 15_000
        assert answer["text"].startswith(answer["heard"])
        assert len(answer["heard"]) < len(FIRST.text)

        program.wait_for("user", lambda line: line["text"] == "stop please")
        speaker.wait_for_sound(after=silent)
        assert program.wait_for("assistant", count=2)["heard"] == "The second answer."
        program.interrupt()
        assert program.wait(5) == 130, program.describe()
        check_manners(program)
        assert program.stderr == ""
        assert program.of_type("end")[0]["turns"] == 2

    # The service stops its own answer. Where it keeps the record of what was said it is told what was heard of it.
    assert not server.received_of("response.cancel")
    truncated = server.received_of("conversation.item.truncate")
    assert [event["audio_end_ms"] for event in truncated] == ([] if dialect == "qwen" else [answer["heard_ms"]])
    assert not server.sent_of("error")


def test_manual_turns_on_enter_and_in_writing(soundcard: SoundCard) -> None:
    replies = (Reply("To what was said.", seconds=0.5), FIRST, Reply("To the last word.", seconds=0.3))
    with (
        RealtimeServer(script=Script(replies=replies, heard=("spoken words",))) as server,
        soundcard.record() as speaker,
        Program(["manual", *service(server), "--json"], card=soundcard, env=KEYS, stdin="open") as program,
    ):
        assert program.wait_for("session")["turn"] == "manual"
        program.write("\n")
        program.wait_for("state", lambda line: line["state"] == "listening")
        soundcard.play(QUESTION).wait()
        program.write("\n")
        program.wait_for("user", lambda line: (line["text"], line["source"]) == ("spoken words", "speech"))
        speaker.wait_for_sound()
        program.wait_for("assistant", lambda line: line["heard"] == "To what was said.")

        program.write("a typed question\n")
        program.wait_for("user", lambda line: (line["text"], line["source"]) == ("a typed question", "text"))
        program.wait_for("latency", lambda line: line["turn"] == 2)
        loud = speaker.wait_for_sound(after=time.monotonic())
        program.write("\n")  # Enter while it speaks: silence, and my turn
        program.wait_for("assistant", lambda line: line["interrupted"])
        speaker.wait_for_silence(after=loud)
        program.write("and a last one\n")  # in place of what I was going to say
        program.close_stdin()
        assert program.wait(15) == 0, program.describe()
        check_manners(program)
        assert program.of_type("assistant")[-1]["heard"] == "To the last word."
    assert len(server.received_of("response.cancel")) == 1, "no voice detection of the service stops the answer"
    assert len(server.received_of("conversation.item.truncate")) == 1
    assert len(server.received_of("input_audio_buffer.clear")) == 1
    assert len(server.received_of("input_audio_buffer.commit")) == 1
    assert not server.sent_of("error")


@pytest.mark.realtime
def test_say_is_heard_and_ends_when_the_speaker_is_silent(soundcard: SoundCard) -> None:
    with RealtimeServer(script=Script(replies=(SECOND,))) as server, soundcard.record() as speaker:
        with Program(["say", "Hello.", *service(server)], card=soundcard, env=KEYS) as program:
            assert program.wait() == 0, program.describe()
            ended = time.monotonic()
            check_manners(program)
            assert program.stdout == "you: Hello.\nmarin: The second answer.\n"
        onset = speaker.wait_for_sound()
        silence = speaker.wait_for_silence(after=onset)
        assert silence - onset == pytest.approx(0.6, abs=0.06)
        assert silence < ended + 0.1, "it ended before its last words were heard"


def test_devices_are_listed_and_chosen_by_a_part_of_their_name(soundcard: SoundCard) -> None:
    with Program(["devices"], card=soundcard) as program:
        assert program.wait() == 0, program.describe()
        check_manners(program)
        listed = program.stdout
    for name in ("headset", "pulse_mic", "pulse_speaker", "default"):
        assert re.search(rf"\b{name}\b", listed), listed

    with RealtimeServer(script=Script(replies=(SECOND,))) as server, soundcard.record() as speaker:
        arguments = ["say", "hi", *service(server), "--output-device", "HEADS"]
        with Program([*arguments, "--json"], card=soundcard, env=KEYS) as program:
            assert program.wait() == 0, program.describe()
            assert program.of_type("session")[0]["output"] == "headset"
            speaker.wait_for_sound()
        for option, given, count in [("--output-device", "pulse_", 2), ("--output-device", "Nonesuch", 0)]:
            with Program(["say", "hi", *service(server), option, given], card=soundcard, env=KEYS) as program:
                assert program.wait() == 2, program.describe()
                check_manners(program)
                wanted = f"{count} speakers are called" if count else "No speaker is called"
                assert wanted in program.stderr, program.describe()
                assert option in program.stderr
                assert "headset" in program.stderr or count, "the candidates are listed"
        with Program(["vad", *service(server), "--input-device", "Nonesuch"], card=soundcard, env=KEYS) as program:
            assert program.wait() == 2, program.describe()
            assert "No microphone is called 'Nonesuch'." in program.stderr
