"""Ears that a user adds: when they look at the sound, what they leave out, and what speaks for them when they fail."""

import asyncio
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.test_models_folder import WHISPER, ZIPFORMER, laid
from voicechat.engine.added import check_ears, load_ears
from voicechat.engine.ear import ProcessEar
from voicechat.engine.recogniser import Hypothesis
from voicechat.engine.whisper import Segment, WhisperRecogniser, clean
from voicechat.engine.zipformer import ZipformerRecogniser, plain
from voicechat.errors import ConfigError

RECORDINGS = Path(__file__).parents[1] / "audio"


class Whisper:
    """Takes `cost_s` for each pass, and writes down how much sound it was given."""

    def __init__(self, cost_s: float = 1.0, text: str = "你好。"):
        self.now_s = 0.0
        self.passes: list[tuple[float, int]] = []
        self.recogniser = WhisperRecogniser(self._transcribe, clock=lambda: self.now_s)
        self._cost_s, self._text = cost_s, text

    def _transcribe(self, samples: Any, tokens: int) -> Iterable[Segment]:
        self.passes.append((len(samples) / 16_000, tokens))
        self.now_s += self._cost_s
        return [Segment(self._text)]

    def hear(self, voice_s: float, quiet_s: float) -> list[Hypothesis]:
        found = []
        for step in range(round((voice_s + quiet_s) * 50)):
            quiet_ms = max(0, (step + 1) * 20 - round(voice_s * 1000))
            found.append(self.recogniser.accept(bytes(640), quiet_ms))
        return found


def test_there_is_no_pass_while_somebody_speaks_and_one_at_the_pause() -> None:
    whisper = Whisper()
    found = whisper.hear(2.0, 0.28)
    assert whisper.passes == []
    assert found[-1] == Hypothesis()
    assert whisper.hear(0, 0.02) == [Hypothesis()], "this pause is shorter again"
    whisper = Whisper()
    found = whisper.hear(2.0, 0.5)
    assert found[-1] == Hypothesis("你好。", settled=True)
    assert [sound for sound, _ in whisper.passes] == [pytest.approx(2.3)]
    assert whisper.recogniser.finish() == "你好。"
    assert len(whisper.passes) == 1, "the pause had all that was said"


def test_what_is_said_after_the_pause_needs_another_pass() -> None:
    whisper = Whisper()
    whisper.hear(2.0, 0.5)
    assert not whisper.hear(1.0, 0.1)[-1].settled
    whisper.recogniser.finish()
    assert [sound for sound, _ in whisper.passes] == [pytest.approx(2.3), pytest.approx(3.6)]


def test_pauses_one_after_another_do_not_keep_a_slow_model_busy() -> None:
    whisper = Whisper(cost_s=3.0)
    for _ in range(7):
        whisper.hear(0.6, 0.4)
    assert len(whisper.passes) == 2, "the first pause, and the one five seconds later"
    whisper.recogniser.finish()
    assert len(whisper.passes) == 3


def test_silence_before_the_first_word_is_not_listened_to_and_alone_is_nothing() -> None:
    whisper = Whisper()
    whisper.hear(0.0, 3.0)
    assert whisper.recogniser.finish() == ""
    assert whisper.passes == []
    whisper.hear(1.0, 0.0)
    whisper.recogniser.finish()
    assert [sound for sound, _ in whisper.passes] == [pytest.approx(1.3)]


def test_a_short_sound_may_become_a_few_words_only() -> None:
    whisper = Whisper()
    whisper.hear(1.0, 0.4)
    whisper.recogniser.begin()
    whisper.hear(40.0, 0.4)
    assert [tokens for _, tokens in whisper.passes] == [40, 220]


@pytest.mark.parametrize(
    ("segments", "text"),
    [
        ([Segment(" Hello "), Segment("there.")], "Hello there."),
        ([Segment("你好。"), Segment("谢谢观看", no_speech=0.9)], "你好。"),
        ([Segment("嗯嗯嗯嗯嗯嗯嗯嗯", loop_ratio=3.0)], ""),
        ([Segment("你知道吗 你知道吗 你知道吗 你知道吗 你知道吗 你知道吗 你知道吗 你知道吗")], "你知道吗"),
        ([Segment("谢谢" * 8), Segment(" and so" * 9)], "谢谢 and so"),
        ([Segment("It costs 10000 dollars.")], "It costs 10000 dollars."),
        ([Segment("一共1000000000元，电话是88888888888。")], "一共1000000000元，电话是88888888888。"),
        ([Segment("号码是八八八八八八八八八八八八八八八八八八。")], "号码是八八八八八八八八八八八八八八八八八八。"),
        ([Segment("哈哈哈哈哈！好好好好好。")], "哈哈哈哈哈！好好好好好。"),
        ([Segment("A very very very very kind man.")], "A very very very very kind man."),
        ([Segment("哈哈哈，太好了。")], "哈哈哈，太好了。"),
        ([Segment("Thank you for watching!")], ""),
        ([Segment("谢谢大家观看。")], ""),
        ([Segment("請不吝點贊 訂閱")], "請不吝點贊 訂閱"),
        ([Segment("请不吝点赞 订阅 转发 打赏支持明镜与点点栏目")], ""),
        ([Segment("字幕由 Amara.org 社群提供")], ""),
        ([Segment("以下是普通话的句子。")], ""),
        ([Segment("谢谢你的帮助，再见。")], "谢谢你的帮助，再见。"),
        ([Segment("Thank you for watching the kids.")], "Thank you for watching the kids."),
        ([Segment(" . . .")], ""),
        ([], ""),
    ],
)
def test_what_the_model_adds_of_itself_is_left_out(segments: list[Segment], text: str) -> None:
    assert clean(segments, "以下是普通话的句子。") == text


class Stream:
    def __init__(self) -> None:
        self.heard_s = 0.0
        self.ended = False

    def accept_waveform(self, rate: int, samples: list[float]) -> None:
        self.heard_s += len(samples) / rate

    def input_finished(self) -> None:
        self.ended = True


class Transducer:
    """Gives one sign for each third of a second that it has decoded."""

    def __init__(self) -> None:
        self.decoded_s = 0.0

    def create_stream(self) -> Stream:
        self.decoded_s = 0.0
        return Stream()

    def is_ready(self, stream: Stream) -> bool:
        return stream.heard_s - self.decoded_s >= 0.32

    def decode_stream(self, stream: Stream) -> None:
        self.decoded_s += 0.32

    def get_result(self, stream: Stream) -> str:
        return "今天天气很好我们走吧"[: round(self.decoded_s / 0.32)]


def test_a_zipformer_gives_words_while_somebody_speaks_and_the_last_ones_at_the_end() -> None:
    recogniser = ZipformerRecogniser(Transducer())
    recogniser.begin()
    found = [recogniser.accept(bytes(640), 0).text for _ in range(50)]
    assert found[10] == ""
    assert found[20] == "今"
    assert found[-1] == "今天天"
    assert not recogniser.accept(bytes(640), 620).settled
    assert recogniser.accept(bytes(640), 640).settled
    assert recogniser.finish() == "今天天气很"
    recogniser.begin()
    assert recogniser.accept(bytes(640), 0).text == ""


def test_capitals_are_the_models_way_and_not_meant() -> None:
    assert plain(" HELLO 你好  WORLD ") == "hello 你好 world"
    assert plain("Hello World") == "Hello World"


def test_ears_are_checked_before_a_conversation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whisper = str(laid(tmp_path / "w", WHISPER))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"What runs .* is not installed") as failure:
        check_ears(whisper)
    assert failure.value.hint == "In voicechat's folder: pip install '.[offline-plus]'"
    with pytest.raises(ConfigError, match=r"is not whole: tokens\.txt is missing"):
        check_ears(str(laid(tmp_path / "z", {n: d for n, d in ZIPFORMER.items() if n != "tokens.txt"})))


def test_ears_that_do_not_load_leave_the_built_in_ones_and_a_remark(tmp_path: Path) -> None:
    moonshine = {"encoder_model.ort": b"no", "decoder_model_merged.ort": b"no", "tokenizer.bin": b"no"}
    loaded = load_ears(str(laid(tmp_path, moonshine)), "zh")
    assert loaded.remark.startswith(f"Only English is understood: {tmp_path} does not load (")
    loaded.recogniser.begin()
    assert loaded.recogniser.finish() == ""
    assert load_ears("/nowhere", "").remark.startswith("Only English is understood: There is no model folder /nowhere.")
    assert load_ears("/nowhere", "", frozenset({"/nowhere"})).remark == (
        "Only English is understood: /nowhere failed before."
    )


def test_a_folder_of_ones_own_is_loaded_in_the_child_and_understands(tmp_path: Path) -> None:
    """The only model that comes in a wheel serves as the user's own; the child is the real one."""
    from moonshine_voice import get_assets_path

    folder = tmp_path / "my moonshine"
    shutil.copytree(Path(get_assets_path()) / "tiny-en", folder)
    told: list[str] = []

    async def run() -> str:
        ear = ProcessEar(told.append, added=str(folder), language="en")
        ear.start()
        try:
            utterance = ear.listen(lambda hypothesis: None)
            pcm = np.fromfile(RECORDINGS / "goforward.raw", "<i2").tobytes()
            for at in range(0, len(pcm), 640):
                utterance.feed(pcm[at : at + 640], 0)
            utterance.finish()
            return await utterance.text()
        finally:
            await ear.close()

    assert asyncio.run(run()).lower().strip(" .").replace("metres", "meters") == "go forward ten meters"
    assert told == []


def test_ears_that_end_their_process_are_replaced_by_the_built_in_ones(tmp_path: Path) -> None:
    """As sherpa-onnx does with a model that it does not like."""
    child = (
        "import os, sys\n"
        "from voicechat.engine import added, child\n"
        "added._load = lambda folder, language: os._exit(255)\n"
        "sys.exit(child.main(sys.argv[1:]))\n"
    )
    folder = laid(tmp_path / "z", ZIPFORMER)
    told: list[str] = []

    async def run() -> str:
        died = asyncio.Event()

        def tell(line: str) -> None:
            told.append(line)
            died.set()

        ear = ProcessEar(tell, ("-c", child), added=str(folder))
        ear.start()
        await died.wait()
        try:
            utterance = ear.listen(lambda hypothesis: None)
            utterance.finish()
            return await utterance.text()
        finally:
            await ear.close()

    assert asyncio.run(run()) == ""
    assert told == [
        "The recogniser ended unexpectedly. A new one takes over.",
        f"Only English is understood: {folder} failed before.",
    ]
