"""Echo cancellation in a simulated room: loudspeaker and microphone in strict step, so that every run is the same."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.test_vad import speech
from voicechat.audio.echo import ECHO_TAIL_BLOCKS, LEAD_IN_BLOCKS, CleanMicrophone, EchoCanceller
from voicechat.audio.resample import Resampler
from voicechat.audio.vad import VoiceDetector

CAPTURE, RENDER = 48_000, 24_000
CAPTURE_BLOCK, RENDER_BLOCK = CAPTURE // 100 * 2, RENDER // 100 * 2
DELAY_MS = 60
Samples = NDArray[np.float64]
Process = Callable[[bytes, bytes], bytes]


def room(reply: bytes, gain_db: float = -18.0) -> Samples:
    """What the microphone hears of `reply` after devices and room: a direct way, one reflection, a little noise."""
    played = np.frombuffer(Resampler(RENDER, CAPTURE, "HQ").feed(reply, last=True), "<i2") * 10 ** (gain_db / 20)
    captured = np.random.default_rng(2).normal(0, 5, len(played) + CAPTURE)
    for delay_ms, gain in ((DELAY_MS, 1.0), (DELAY_MS + 10, 0.3)):
        start = delay_ms * CAPTURE // 1000
        captured[start : start + len(played)] += gain * played
    return captured


def user_at(captured: Samples, seconds: float) -> Samples:
    """The same with "go forward ten meters" said over it, from this moment on."""
    said = np.frombuffer(speech("goforward.raw", CAPTURE), "<i2").astype(float)
    said = said[int(np.argmax(np.abs(said) > 1500)) :]
    start = int(seconds * CAPTURE)
    both = captured.copy()
    both[start : start + len(said)] += said[: len(both) - start]
    return both


def run(process: Process, captured: Samples, reply: bytes) -> list[bytes]:
    """One output block per pair of blocks; after the reply the loudspeaker is silent."""
    pcm = captured.clip(-32768, 32767).astype("<i2").tobytes()
    blocks = []
    for number in range(len(pcm) // CAPTURE_BLOCK):
        reference = reply[number * RENDER_BLOCK : (number + 1) * RENDER_BLOCK].ljust(RENDER_BLOCK, b"\0")
        blocks.append(process(pcm[number * CAPTURE_BLOCK : (number + 1) * CAPTURE_BLOCK], reference))
    return blocks


def canceller(*, warm: bool) -> EchoCanceller:
    one = EchoCanceller(CAPTURE, RENDER)
    one.hint_delay(DELAY_MS)
    if warm:
        one.warm_up()
    return one


def level_db(samples: Samples) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(samples**2)) + 1e-9))


def heard_after_ms(blocks: list[bytes], since_s: float) -> int:
    """When the third voiced block in a row is complete, from `since_s` on; speech found earlier is an error."""
    detector = VoiceDetector(CAPTURE)
    voiced = [detector.voiced(block) for block in blocks]
    first = next(n for n in range(len(voiced)) if all(voiced[n : n + 3]))
    assert first * 10 >= since_s * 1000, "the echo was taken for the user"
    return round((first + 3) * 10 - since_s * 1000)


@pytest.mark.parametrize("warm", [False, True])
def test_an_echo_is_gone_after_two_seconds(warm: bool) -> None:
    reply = speech("ss-0870.wav", RENDER)
    captured = room(reply, gain_db=-12)
    clean = np.frombuffer(b"".join(run(canceller(warm=warm).cancel, captured, reply)), "<i2").astype(float)
    inside = slice(2 * CAPTURE, 6 * CAPTURE)
    assert level_db(captured[inside]) - level_db(clean[inside]) > 40  # 20 would do, 49 were measured


def test_without_the_reference_nothing_is_cancelled() -> None:
    reply = speech("ss-0870.wav", RENDER)
    captured = room(reply, gain_db=-12)
    clean = np.frombuffer(b"".join(run(canceller(warm=True).cancel, captured, b"")), "<i2").astype(float)
    inside = slice(2 * CAPTURE, 6 * CAPTURE)
    assert level_db(captured[inside]) - level_db(clean[inside]) < 6


@pytest.mark.parametrize("gain_db", [-30.0, -18.0, -12.0])
@pytest.mark.parametrize("name", ["ss-0870.wav", "ss-0880.wav", "ss-0890.wav"])
def test_the_first_reply_is_not_taken_for_the_user(name: str, gain_db: float) -> None:
    reply = speech(name, RENDER)
    detector = VoiceDetector(CAPTURE)
    blocks = run(CleanMicrophone(canceller(warm=True)).process, room(reply, gain_db), reply)
    assert sum(detector.voiced(block) for block in blocks) <= 3


def test_a_warm_canceller_hears_the_user_over_the_first_reply() -> None:
    reply = speech("ss-0870.wav", RENDER)
    captured = user_at(room(reply), 0.4)[: 3 * CAPTURE]
    warm, cold = (run(CleanMicrophone(canceller(warm=warm)).process, captured, reply) for warm in (True, False))
    assert heard_after_ms(warm, 0.4) <= 200  # 110 were measured, 340 cold
    assert heard_after_ms(cold, 0.4) > 200


@pytest.mark.parametrize("at_s", [2.0, 2.4])
def test_later_in_a_reply_the_user_is_heard_at_once(at_s: float) -> None:
    reply = speech("ss-0870.wav", RENDER)
    captured = user_at(room(reply), at_s)[: 5 * CAPTURE]
    assert heard_after_ms(run(CleanMicrophone(canceller(warm=True)).process, captured, reply), at_s) <= 120


# -- what goes out while there is nothing to cancel ------------------------------------------------------------


def test_while_the_speaker_is_silent_the_capture_is_untouched() -> None:
    captured = user_at(np.random.default_rng(5).normal(0, 5, 3 * CAPTURE), 1.0)
    blocks = run(CleanMicrophone(canceller(warm=True)).process, captured, b"")
    assert b"".join(blocks) == captured.astype("<i2").tobytes()


def test_while_there_is_nothing_to_cancel_the_canceller_rests_and_is_led_in_again_on_both_sides() -> None:
    """In step: what it is given is a stretch without holes, its two sides from the same moments."""

    class Diary:
        def __init__(self) -> None:
            self.pairs: list[tuple[int, int]] = []

        def cancel(self, captured: bytes, reference: bytes) -> bytes:
            self.pairs.append((captured[0], reference[0]))
            return captured

    diary = Diary()
    microphone = CleanMicrophone(diary)  # type: ignore[arg-type]  # only cancel() is called
    for number in range(100):
        microphone.process(bytes([number]) + bytes(959), bytes(480))
    assert diary.pairs == []
    microphone.process(bytes([100]) + bytes(959), bytes([7]) + bytes(479))
    assert diary.pairs == [*((number, 0) for number in range(100 - LEAD_IN_BLOCKS, 100)), (100, 7)]
    microphone.process(bytes([101]) + bytes(959), bytes([8]) + bytes(479))
    assert diary.pairs[-2:] == [(100, 7), (101, 8)]


def test_the_first_sound_of_the_speaker_switches_to_clean_sound_and_its_echo_switches_back_later() -> None:
    """With a canceller that marks what it did, the change is visible by value."""

    class Marks:
        def cancel(self, captured: bytes, reference: bytes) -> bytes:
            return bytes(len(captured))

    microphone = CleanMicrophone(Marks())  # type: ignore[arg-type]  # only cancel() is called
    sound = np.full(480, 20, "<i2").tobytes()
    silent, playing = bytes(RENDER_BLOCK), b"\1\0" * 240
    for _ in range(30):
        assert microphone.process(sound, silent) == sound
    faded = np.frombuffer(microphone.process(sound, playing), "<i2")
    assert (faded[0], faded[-1]) == (20, 0)
    assert np.all(np.diff(faded) <= 0)
    for _ in range(ECHO_TAIL_BLOCKS - 1):
        assert microphone.process(sound, silent) == bytes(960)
    back = np.frombuffer(microphone.process(sound, silent), "<i2")
    assert (back[0], back[-1]) == (0, 20)
    assert microphone.process(sound, silent) == sound


def test_the_change_back_waits_for_a_pause_in_the_users_speech() -> None:
    class Marks:
        def cancel(self, captured: bytes, reference: bytes) -> bytes:
            return bytes(len(captured))

    microphone = CleanMicrophone(Marks())  # type: ignore[arg-type]  # only cancel() is called
    quiet, loud = np.full(480, 10, "<i2").tobytes(), np.full(480, 3000, "<i2").tobytes()
    silent, playing = bytes(RENDER_BLOCK), b"\1\0" * 240
    for _ in range(30):
        microphone.process(quiet, silent)
    microphone.process(quiet, playing)
    for _ in range(ECHO_TAIL_BLOCKS + 40):
        assert not any(microphone.process(loud, silent))
    assert any(microphone.process(quiet, silent))
    assert microphone.process(loud, silent) == loud


def test_in_a_noisy_room_the_clean_sound_goes_out_all_the_time() -> None:
    hiss = np.random.default_rng(6).normal(0, 200, 6 * CAPTURE)
    blocks = run(CleanMicrophone(canceller(warm=True)).process, hiss, b"")
    clean = np.frombuffer(b"".join(blocks[400:]), "<i2").astype(float)
    assert level_db(hiss) - level_db(clean) > 6


def test_with_gain_control_every_block_is_processed() -> None:
    quiet = np.zeros(CAPTURE)
    microphone = CleanMicrophone(canceller(warm=True), always=True)
    speech = np.random.default_rng(3).normal(0, 60, CAPTURE)  # below the quiet room's level: would go out untouched
    out = np.frombuffer(b"".join(run(microphone.process, np.concatenate([quiet, speech]), b"")), "<i2").astype(float)
    assert not np.array_equal(out[CAPTURE:], speech.astype("<i2"))


class Marks:
    """A canceller that answers silence: what it did is visible by value."""

    def cancel(self, captured: bytes, reference: bytes) -> bytes:
        return bytes(len(captured))


def untouched(microphone: CleanMicrophone, value: int, blocks: int) -> list[bool]:
    """For blocks of this steady level, on a silent speaker: whether they came out as they were."""
    block = np.full(480, value, "<i2").tobytes()
    return [microphone.process(block, bytes(RENDER_BLOCK)) == block for _ in range(blocks)]


def test_a_room_at_the_limit_does_not_switch_to_and_fro() -> None:
    microphone = CleanMicrophone(Marks())  # type: ignore[arg-type]  # only cancel() is called
    assert all(untouched(microphone, 50, 300))  # -56 dBFS
    assert not any(untouched(microphone, 65, 300)[250:])  # -54 dBFS
    assert not any(untouched(microphone, 50, 300))
    assert all(untouched(microphone, 30, 300)[250:])  # -61 dBFS
    assert all(untouched(microphone, 50, 300))


def test_a_voice_without_a_pause_is_not_cut_by_a_switch_and_the_next_pause_makes_it() -> None:
    microphone = CleanMicrophone(Marks())  # type: ignore[arg-type]  # only cancel() is called
    assert all(untouched(microphone, 10, 100))
    for _ in range(20):  # up to four seconds of a voice whose quietest blocks are louder than a quiet room
        assert all(untouched(microphone, 100, 1) + untouched(microphone, 3000, 19))
        if microphone.noise_dbfs > -55:
            break
    assert microphone.noise_dbfs > -55
    assert all(untouched(microphone, 3000, 100))
    assert not any(untouched(microphone, 100, 5))
