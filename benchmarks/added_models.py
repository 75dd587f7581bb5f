"""How well models that a user adds understand and speak Chinese: `python -m benchmarks.added_models EARS VOICE`.

EARS and VOICE are names of `voicechat models list` or folders; VOICE may end in /SPEAKER. The extra `offline-plus` must
be installed. Each sentence is spoken by the voice and goes in real time to the ears in the engine's child process.

error: share of the characters that are wrong; punctuation is left out, 125 is 一百二十五. final: from the end of the
turn, 500 ms after the last sound, to the text. first sound, of real time: of the voice, which makes a sentence clause
by clause. noise: what the ears make of three seconds of it that a voice detector took for speech.
"""

import argparse
import asyncio
import statistics
import time
import unicodedata

import numpy as np

from voicechat.audio.resample import Resampler
from voicechat.engine.ear import ProcessEar
from voicechat.engine.kokoro import KokoroSynthesiser
from voicechat.engine.recogniser import RATE_HZ
from voicechat.text.mandarin import read_numbers

SENTENCES = (
    "今天天气很好，我们出去走走吧。",
    "请问最近的地铁站在哪里？",
    "我想买两张明天去上海的火车票。",
    "他昨天晚上十点才回家。",
    "这道菜太辣了，能不能换一个？",
    "我的手机没电了，你有充电器吗？",
    "会议改到下午三点半，不要迟到。",
    "她从小就喜欢画画和弹钢琴。",
    "图书馆里禁止大声说话。",
    "如果明天下雨，我们就不去爬山了。",
    "请把窗户打开，房间里有点热。",
    "一共一百二十五块，您付现金还是刷卡？",
    "医生说你需要多喝水，好好休息。",
    "我正在学习怎么用电脑写程序。",
    "谢谢你的帮助，再见。",
)
STEP_MS = 20
QUIET = 400
"""Of 32768: below this nobody speaks, in sound without noise."""
END_MS = 500


def plain(text: str) -> str:
    text = read_numbers(text)
    return "".join(sign for sign in text if unicodedata.category(sign)[0] in "LN").lower()


def distance(wanted: str, found: str) -> int:
    row = list(range(len(found) + 1))
    for i, a in enumerate(wanted, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(found, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


async def spoken(voice: KokoroSynthesiser, name: str, text: str) -> tuple[bytes, float, float]:
    """16 kHz s16le, the first sound after so many seconds, and all of it."""
    began, first, pcm = time.perf_counter(), 0.0, b""
    async for block in voice.speak(text, name, 1.0):
        first = first or time.perf_counter() - began
        pcm += block.pcm
    took = time.perf_counter() - began
    return Resampler(24_000, RATE_HZ).feed(pcm, last=True), first, took


async def heard(ear: ProcessEar, pcm: bytes, *, voiced: bool = False) -> tuple[str, float, float]:
    """The text, the seconds from the turn's end to it, and from the beginning to the first partial."""
    first: list[float] = []
    began = time.perf_counter()
    utterance = ear.listen(lambda hypothesis: first.append(time.perf_counter() - began) if hypothesis.text else None)
    quiet_ms, step = 0, RATE_HZ * 2 * STEP_MS // 1000
    pcm += bytes(RATE_HZ * 2 * END_MS // 1000)
    for at in range(0, len(pcm), step):
        block = pcm[at : at + step]
        loud = voiced or np.abs(np.frombuffer(block, "<i2").astype(int)).max() > QUIET
        quiet_ms = 0 if loud else quiet_ms + STEP_MS
        utterance.feed(block, quiet_ms)
        await asyncio.sleep(max(0.0, began + (at + step) / RATE_HZ / 2 - time.perf_counter()))
    ended = time.perf_counter()
    utterance.finish()
    text = await utterance.text()
    return text, time.perf_counter() - ended, first[0] if first else 0.0


def noises() -> dict[str, bytes]:
    random = np.random.default_rng(1)
    white = random.standard_normal(3 * RATE_HZ)
    pink = np.fft.irfft(np.fft.rfft(white) / np.sqrt(np.arange(1, len(white) // 2 + 2)))
    knocks = np.zeros(3 * RATE_HZ)
    knocks[RATE_HZ // 2 :: RATE_HZ] = 1
    sounds = {"white": white, "pink": pink, "knocks": np.convolve(knocks, np.exp(-np.arange(800) / 90))[: 3 * RATE_HZ]}
    made = {name: (sound / np.abs(sound).max() * 6000).astype("<i2").tobytes() for name, sound in sounds.items()}
    return {"silence": bytes(6 * RATE_HZ), **made}


async def main(ears: str, voice_name: str, language: str) -> None:
    voice, ear = KokoroSynthesiser(), ProcessEar(print, added=ears, language=language)
    began = time.perf_counter()
    await voice.load(voice_name)
    print(f"voice loaded in {time.perf_counter() - began:.1f} s")
    await spoken(voice, voice_name, "好。")
    ear.start()
    await heard(ear, bytes(RATE_HZ))
    wrong = signs = 0
    firsts, shares, finals, partials = [], [], [], []
    for sentence in SENTENCES:
        pcm, first, took = await spoken(voice, voice_name, sentence)
        text, final, partial = await heard(ear, pcm)
        errors = distance(plain(sentence), plain(text))
        wrong, signs = wrong + errors, signs + len(plain(sentence))
        firsts.append(first)
        shares.append(took / (len(pcm) / 2 / RATE_HZ))
        finals.append(final)
        partials += [partial] if partial else []
        print(f"  {errors}  {sentence}  {text}")
    print(f"error {100 * wrong / signs:.1f} % of {signs} characters")
    print(f"final {statistics.median(finals) * 1000:.0f} ms, at most {max(finals) * 1000:.0f}")
    if partials:
        print(f"first words {statistics.median(partials) * 1000:.0f} ms after the beginning")
    print(f"voice: first sound {statistics.median(firsts) * 1000:.0f} ms, {statistics.median(shares):.2f} of real time")
    for name, sound in noises().items():
        text, _, _ = await heard(ear, sound, voiced=True)
        print(f"noise, {name}: {text!r}")
    await ear.close()
    await voice.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ears")
    parser.add_argument("voice")
    parser.add_argument("--language", default="zh")
    given = parser.parse_args()
    asyncio.run(main(given.ears, given.voice, given.language))
