"""The recogniser's process: one that works, and children that die, hang or never load. What was said is not lost."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.recordings import GO_FORWARD
from tests.unit.test_offline_turns import samples
from voicechat.engine import ear as ears
from voicechat.engine.ear import ProcessEar
from voicechat.engine.recogniser import Hypothesis
from voicechat.engine.utterance import MOST_CHILDREN, MOST_KEPT_BYTES, NotUnderstood

CHILD = """
import os, sys, time
from voicechat.engine.child import recognise
from voicechat.engine.recogniser import Hypothesis
import json
class Echo:
    def begin(self): pass
    def accept(self, pcm, quiet_ms): return Hypothesis(pcm.decode(), quiet_ms > 100)
    def finish(self): return "the end"
def write(message): print(json.dumps(message), flush=True)
"""
WORKS = 'write({"ready": ""}); recognise(Echo(), sys.stdin.buffer.read1, write)'
DIES = 'write({"ready": ""}); sys.stdin.buffer.read(20); sys.exit(3)'
HANGS = 'write({"ready": ""}); time.sleep(60)'
REFUSES = 'write({"error": "No recogniser can be used here."}); sys.exit(3)'


@asynccontextmanager
async def ear(*bodies: str, folder: Path | None = None) -> AsyncIterator[tuple[ProcessEar, list[str]]]:
    """An ear whose first child is the first body, and so on; the last one for all that follow."""
    arguments: tuple[str, ...] = ("-m", "voicechat.engine.child")
    if bodies:
        assert folder is not None
        # Which child this is, is counted in a file.
        counted = (
            f"bodies = {list(bodies)!r}\nopen({str(folder / 'n')!r}, 'a').write('.')\n"
            f"exec(bodies[min(os.path.getsize({str(folder / 'n')!r}), len(bodies)) - 1])"
        )
        arguments = ("-c", CHILD + counted)
    told: list[str] = []
    made = ProcessEar(told.append, arguments)
    made.start()
    try:
        async with asyncio.timeout(60):
            yield made, told
    finally:
        await made.close()


async def utter(made: ProcessEar, sound: bytes = b"ab", quiet_ms: int = 0) -> tuple[str, list[Hypothesis]]:
    heard: list[Hypothesis] = []
    utterance = made.listen(heard.append)
    for at in range(0, len(sound), 640):
        utterance.feed(sound[at : at + 640], quiet_ms)
    utterance.finish()
    return in_one_spelling(await utterance.text()), heard


def in_one_spelling(text: str) -> str:
    """Moonshine knows both."""
    return text.replace("metres", "meters")


def test_a_persons_voice_is_understood_while_it_speaks_and_at_its_end() -> None:
    async def main() -> None:
        async with ear() as (made, told):
            text, heard = await utter(made, samples(GO_FORWARD))
            assert text == "Go forward ten meters."
            assert [hypothesis.text.split()[0].rstrip(".,") for hypothesis in heard if hypothesis.text][:1] == ["Go"]
            assert told == []

    asyncio.run(main())


def test_what_is_heard_comes_with_whether_it_is_settled(tmp_path: Path) -> None:
    async def main() -> None:
        async with ear(WORKS, folder=tmp_path) as (made, _):
            assert await utter(made, b"hello", 0) == ("the end", [Hypothesis("hello")])
            assert await utter(made, b"hello", 120) == ("the end", [Hypothesis("hello", settled=True)])
            utterance = made.listen(lambda hypothesis: None)
            utterance.abandon()
            assert await utterance.text() == ""

    asyncio.run(main())


def test_a_child_that_dies_costs_no_turn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with ear(DIES, WORKS, folder=tmp_path) as (made, told):
            text, heard = await utter(made, b"abc" * 20_000)
            assert (text, sum(len(hypothesis.text) for hypothesis in heard)) == ("the end", 60_000)
            assert told == ["The recogniser ended unexpectedly. A new one takes over."]
            assert (await utter(made))[0] == "the end"

    asyncio.run(main())
    assert caplog.text == ""


def test_the_real_child_killed_in_the_middle_is_replaced() -> None:
    async def main() -> None:
        async with ear() as (made, told):
            await utter(made, samples(GO_FORWARD))
            utterance = made.listen(lambda hypothesis: None)
            sound = samples(GO_FORWARD)
            utterance.feed(sound[:32_000], 0)
            assert made.pid is not None
            os.kill(made.pid, signal.SIGKILL)
            utterance.feed(sound[32_000:], 0)
            utterance.finish()
            assert in_one_spelling(await utterance.text()) == "Go forward ten meters."
            assert len(told) == 1

    asyncio.run(main())


def test_a_child_that_hangs_is_ended_and_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ears, "ANSWER_TIMEOUT_S", 0.5)

    async def main() -> None:
        async with ear(HANGS, WORKS, folder=tmp_path) as (made, told):
            assert (await utter(made))[0] == "the end"
            assert told == ["The recogniser hung and was ended. A new one takes over."]

    asyncio.run(main())


def test_a_child_whose_words_are_none_of_ours_is_replaced(tmp_path: Path) -> None:
    async def main() -> None:
        babbles = 'print("hello", flush=True); time.sleep(60)'
        async with ear(babbles, WORKS, folder=tmp_path) as (made, told):
            assert (await utter(made))[0] == "the end"
            assert told == ["The recogniser said what nobody understands, and was ended. A new one takes over."]

    asyncio.run(main())


def test_what_a_library_prints_in_the_child_is_no_word_of_it() -> None:
    prints = (
        "import os, sys\n"
        "from voicechat.engine import child, moonshine\n"
        "accept = moonshine.MoonshineRecogniser.accept\n"
        "def printing(*arguments):\n"
        "    print('a library'); os.write(1, b'in C too'); return accept(*arguments)\n"
        "moonshine.MoonshineRecogniser.accept = printing\n"
        "sys.exit(child.main(sys.argv[1:]))\n"
    )

    async def main() -> None:
        told: list[str] = []
        made = ProcessEar(told.append, ("-c", prints))
        made.start()
        try:
            async with asyncio.timeout(60):
                assert (await utter(made, samples(GO_FORWARD)))[0] == "Go forward ten meters."
        finally:
            await made.close()
        assert told == []

    asyncio.run(main())


def test_a_recogniser_that_cannot_bear_what_was_said_leaves_it_to_a_lesser_one() -> None:
    """Moonshine crashes at every turn; the child is the real one otherwise."""
    crashes = (
        "import os, sys\n"
        "from voicechat.engine import child, moonshine\n"
        "moonshine.MoonshineRecogniser.accept = lambda *arguments: os.abort()\n"
        "sys.exit(child.main(sys.argv[1:]))\n"
    )

    async def main() -> None:
        told: list[str] = []
        made = ProcessEar(told.append, ("-c", crashes))
        made.start()
        try:
            async with asyncio.timeout(60):
                assert (await utter(made, samples(GO_FORWARD)))[0] == "go forward ten meters"
        finally:
            await made.close()
        assert told[:2] == ["The recogniser ended unexpectedly. A new one takes over."] * 2
        assert told[2:] == [
            "Speech is recognised by pocketsphinx, which often mishears: moonshine failed before.",
        ]

    asyncio.run(main())


@pytest.mark.parametrize(("sound", "tried"), [(b"ab", MOST_CHILDREN), (bytes(MOST_KEPT_BYTES + 2), 1)])
def test_what_no_child_can_bear_is_given_up(tmp_path: Path, sound: bytes, tried: int) -> None:
    async def main() -> None:
        async with ear(DIES, folder=tmp_path) as (made, told):
            with pytest.raises(NotUnderstood, match="ended unexpectedly"):
                await utter(made, sound)
            assert len(told) == tried

    asyncio.run(main())


def test_a_child_that_never_loads_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ears, "LOAD_TIMEOUT_S", 0.5)

    async def main() -> None:
        async with ear("time.sleep(60)", WORKS, folder=tmp_path) as (made, _):
            utterance = made.listen(lambda hypothesis: None)
            monkeypatch.setattr(ears, "LOAD_TIMEOUT_S", 30)
            utterance.finish()
            assert await utterance.text() == "the end"

    asyncio.run(main())


def test_a_child_that_reads_nothing_is_noticed_by_what_piles_up(tmp_path: Path) -> None:
    async def main() -> None:
        async with ear(HANGS, WORKS, folder=tmp_path) as (made, told):
            utterance = made.listen(lambda hypothesis: None)
            for _ in range(1300):
                utterance.feed(bytes(3200), 0)
            with pytest.raises(NotUnderstood, match="hung"):
                await utterance.text()
            assert len(told) == 1

    asyncio.run(main())


def test_after_some_failures_it_is_left_alone_and_says_what_still_works(tmp_path: Path) -> None:
    async def main() -> None:
        async with ear(REFUSES, folder=tmp_path) as (made, told):
            for _ in range(3):
                with pytest.raises(NotUnderstood, match="No recogniser can be used here"):
                    await utter(made)
            assert told == ["No recogniser can be used here. Typed turns still work."]
        async with ear(DIES, folder=tmp_path) as (made, told):
            for _ in range(3):
                with pytest.raises(NotUnderstood, match="ended unexpectedly"):
                    await utter(made)
            assert len(told) == ears.MOST_FAILURES
            assert told[-1].endswith("Typed turns still work.")

    asyncio.run(main())


def test_code_of_the_working_directory_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "queue.py").write_text("raise SystemExit(7)")
    (tmp_path / "json.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)

    async def main() -> None:
        async with ear() as (made, told):
            assert (await utter(made, samples(GO_FORWARD)))[0] == "Go forward ten meters."
            assert told == []

    asyncio.run(main())
