"""What the end-to-end tests of the conversation share: sounds, arguments, keys, and what may never be written."""

import wave
from pathlib import Path

from tests.program import ROOT, Program
from tests.realtime_server import RealtimeServer
from tests.soundcard import tone

KEY = "sk-canary-7c41f0aa52d94be9"
"""The key of every test: wherever it is read again, it has leaked."""
KEYS = {"OPENAI_API_KEY": KEY, "NEWAPI_API_KEY": KEY, "DASHSCOPE_API_KEY": KEY}
PROVIDERS = {"ga": "openai", "beta": "newapi", "qwen": "qwen"}
"""Who speaks the dialect of a scripted server."""
QUESTION = ROOT / "voicechat" / "engine" / "questions" / "what-is-twelve-times-seven.wav"
"""Real speech, which a voice detector knows for such. A tone is enough for the scripted server."""


def service(server: RealtimeServer, *, url: str = "") -> list[str]:
    """The options that lead to a scripted server."""
    model = "qwen3.5-omni-flash-realtime" if server.dialect == "qwen" else "gpt-realtime"
    return ["--provider", PROVIDERS[server.dialect], "--model", model, "--url", url or server.url]


def spoken(folder: Path, *, after_s: float = 0.3, name: str = "spoken.wav") -> Path:
    """A file with one utterance: silence, 0.5 s of sound, silence."""
    return write_wav(folder / name, bytes(6400) + tone(0.5) + bytes(int(32000 * after_s)))


def write_wav(path: Path, pcm: bytes, rate_hz: int = 16_000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm)
    return path


def read_wav(path: Path) -> tuple[bytes, int, int]:
    """(PCM, rate, channels) of a 16-bit WAV file whose header says how long it really is."""
    with wave.open(str(path)) as file:
        frames = file.getnframes()
        pcm = file.readframes(frames)
        assert file.getsampwidth() == 2
        assert len(pcm) == frames * 2 * file.getnchannels() == path.stat().st_size - 44, f"{path.name} lies"
        return pcm, file.getframerate(), file.getnchannels()


def check_manners(program: Program) -> None:
    """What holds for every run: no key in any output, no traceback, no noise of the audio libraries."""
    written = program.stdout + program.stderr
    said = program.describe()
    assert KEY not in written, said
    assert "canary" not in written, said
    for noise in ("Traceback", "ALSA lib", "jack server", "Cannot connect to server", "Task exception", "Exception in"):
        assert noise not in written, said


def errors_of(program: Program) -> list[str]:
    """The error lines on stderr, without their hints."""
    starts = ("error: ", "voicechat: ")
    lines = [line for line in program.stderr.splitlines() if line.startswith(starts)]
    return [line for line in lines if " · " not in line]
