"""Slash commands, pictures and the held space bar, by the real program against a scripted service."""

import base64
import io
from pathlib import Path

from PIL import Image

from tests.e2e.scenes import KEYS, check_manners, read_wav, service
from tests.e2e.terminal import Terminal
from tests.program import Program
from tests.realtime_server import RealtimeServer, Reply, Script
from tests.soundcard import SoundCard, tone
from voicechat.archive.lines import read_lines, understood

SCRIPT = Script(replies=(Reply("It is a red square.", seconds=0.3), Reply("Arr!", seconds=0.3)), heard=("spoken",))
PIRATE = '[personas.pirate]\ninstructions = "Talk like a pirate."\n'
KITTY_ASKED, KITTY_ANSWERS, KITTY_ON, KITTY_OFF = b"\x1b[?u", "\x1b[?0u", b"\x1b[>2u", b"\x1b[<u"
SPACE_IS_LET_GO = "\x1b[32;1:3u"


def picture(folder: Path, name: str = "my red.png") -> Path:
    Image.new("RGB", (300, 200), "red").save(folder / name)
    return folder / name


def items(server: RealtimeServer, connection: int) -> list[str]:
    """What the conversation of this connection was told: words, and `picture`."""
    found = []
    for timed in list(server.received):
        if timed.type == "conversation.item.create" and timed.connection == connection:
            (part,) = timed.event["item"]["content"]
            found.append(part.get("text", "picture"))
    return found


def test_commands_on_a_terminal(soundcard: SoundCard, tmp_path: Path) -> None:
    picture(tmp_path)
    (tmp_path / "c.toml").write_text(PIRATE)
    with (
        RealtimeServer(script=SCRIPT) as server,
        Terminal(["manual", *service(server), "--config", "c.toml"], tmp_path, card=soundcard) as terminal,
    ):
        terminal.see("openai · gpt-realtime · marin", "Enter, then speak")
        terminal.type("/i\t")
        terminal.see("› /i", "/image", "/instructions")
        terminal.type("m\t")
        terminal.see("› /image")
        terminal.type("my\t")
        terminal.see("› /image my red.png")
        terminal.type("\rWhat is it?\r")
        terminal.see("my red.png (300×200, 1 KB)", "What is it?", "It is a red square.", "● ready")
        terminal.type("/voice cedr\r")
        terminal.see("There is no voice cedr. Did you mean cedar?")
        terminal.type("/voice cedar\r")
        terminal.see("The voice is now cedar.")
        server.wait("conversation.item.create", 5)
        assert items(server, 2) == ["What is it?", "It is a red square.", "picture"]
        terminal.type("/retry\r")
        terminal.see("cedar     Arr!", "● ready")
        assert items(server, 2)[3:] == ["What is it?"], "the old answer is not this session's to take back"
        terminal.type("/persona pirate\r/image nothing.png\r/imag\r")
        terminal.see("The persona is changed.", "nothing.png cannot be read: no such file", "Did you mean /image?")
        updates = [event["session"] for event in server.received_of("session.update")]
        assert updates[-1]["instructions"] == "Talk like a pirate."
        assert len(updates) == 3
        terminal.type("/ptt\r")
        terminal.see("Hands free: it answers when you pause.", "› speak")
        terminal.type("/clear\r")
        terminal.see("The conversation begins afresh.")
        terminal.type("and now?\r")
        server.wait("conversation.item.create", 7)
        assert items(server, 3) == ["and now?"], "it was told nothing else"
        terminal.type("/quit\r")
        assert terminal.wait() == 0
        terminal.check_sane()


def test_the_space_bar_is_held_where_the_terminal_tells_when_it_is_let_go(soundcard: SoundCard, tmp_path: Path) -> None:
    with (
        RealtimeServer(script=SCRIPT) as server,
        Terminal(["manual", *service(server)], tmp_path, card=soundcard) as terminal,
    ):
        terminal.until(lambda: KITTY_ASKED in terminal.raw, "the question")
        terminal.see("Enter, then speak")
        terminal.type(KITTY_ANSWERS)
        terminal.see("› hold Space, or press Enter, to talk")
        assert KITTY_ON in terminal.raw
        terminal.type(" " + SPACE_IS_LET_GO)
        terminal.see("Nothing was recorded: hold the space bar while you speak.", "● ready")
        terminal.type(" ")
        terminal.see("● hearing you")
        soundcard.play(tone(0.4)).wait()
        terminal.type("  ")  # the key repeats
        terminal.type(SPACE_IS_LET_GO)
        terminal.see("spoken", "It is a red square.", "● ready")
        terminal.type("two words" + SPACE_IS_LET_GO)
        terminal.see("› two words")
        assert len(server.received_of("input_audio_buffer.commit")) == 1
        terminal.type("\x03")
        assert terminal.wait() == 130
        terminal.check_sane()
        assert terminal.raw.count(KITTY_ON) == terminal.raw.count(KITTY_OFF) == 1
        assert terminal.raw.rfind(KITTY_OFF) > terminal.raw.rfind(KITTY_ON)


def test_pictures_in_a_pipe_keep_their_place_among_the_lines(soundcard: SoundCard, tmp_path: Path) -> None:
    picture(tmp_path)
    lines = "/image none.png\n/image my red.png\nWhat is it?\n/stats\n/save kept\n/export a.md\n/export a.md\n"
    lines += "/export a.doc\n/and\nThank you.\n/quit\n"
    with RealtimeServer(dialect="qwen", script=SCRIPT) as server:
        arguments = ["manual", *service(server), "--json", "--image", "my red.png"]
        with Program(arguments, card=soundcard, env=KEYS, stdin=lines.encode(), home=tmp_path) as program:
            assert program.wait() == 0, program.describe()
            check_manners(program)
            assert [event["name"] for event in program.of_type("picture")] == ["my red.png"] * 2
            codes = [event["code"] for event in program.of_type("warning") if event["code"] in ("refused", "stats")]
            assert codes == ["refused", "stats", "refused", "refused", "refused"]
            assert [event["text"] for event in program.of_type("assistant")] == ["It is a red square.", "Arr!"]
        assert "**you:** What is it?\n\n**Cherry:** It is a red square.\n" in (tmp_path / "a.md").read_text()
        kept = understood("", *read_lines(next((tmp_path / "kept").glob("*.jsonl"))))
        assert [said.text for said in kept.said] == [
            *["[picture: my red.png, 300x200]"] * 2,
            *["What is it?", "It is a red square.", "Thank you.", "Arr!"],
        ]
        _, rate_hz, channels = read_wav(next((tmp_path / "kept").glob("*.wav")))
        assert (rate_hz, channels) == (24_000, 2)
        kinds = [timed.type for timed in server.received if timed.type != "session.update"]
        assert kinds == [
            "input_audio_buffer.append",  # images want sound before them
            "input_image_buffer.append",
            "input_image_buffer.append",
            "input_audio_buffer.append",
            "input_audio_buffer.commit",
            "conversation.item.create",
            "response.create",
            "conversation.item.create",
            "response.create",
            "session.finish",
        ]
        (image, _) = server.received_of("input_image_buffer.append")
        shown = Image.open(io.BytesIO(base64.b64decode(image["image"])))
        assert (shown.format, shown.size) == ("JPEG", (300, 200))


def test_a_service_without_eyes_says_so(tmp_path: Path) -> None:
    picture(tmp_path)
    with RealtimeServer(dialect="beta") as server:
        arguments = ["say", "What is it?", *service(server), "--output", "a.wav", "--image", "my red.png"]
        with Program(arguments, env=KEYS, home=tmp_path) as program:
            assert program.wait() == 2, program.describe()
            assert "gpt-realtime of newapi cannot see pictures." in program.stderr
            check_manners(program)
        assert server.received_of("response.create") == []
