"""`voicechat providers`, `voices` and `config`: what they print, where, and that no key is ever in it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from voicechat.cli.config import mask_address
from voicechat.config import load
from voicechat.providers.catalogue import providers

CANARY = "sk-CANARY-4f2a"


class Shell:
    """Runs the program in an empty home with an environment of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        known = {name for info in providers().values() for name in info.environment.values()}
        self.environment = {
            name: value for name, value in os.environ.items() if name not in known and not name.startswith("VOICECHAT_")
        }
        for name in ("HOME", "XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA"):
            self.environment[name] = str(folder / "home")

    def __call__(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "voicechat", *arguments],
            cwd=self.folder,
            env={**self.environment, **variables, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )


@pytest.fixture
def voicechat(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_providers_tells_which_are_ready_and_where_a_key_was_looked_for(voicechat: Shell) -> None:
    done = voicechat("providers", OPENAI_API_KEY=CANARY)
    assert done.returncode == 0
    lines = [line.split(None, 4) for line in done.stdout.splitlines()]
    assert next(line for line in lines if line[0] == "→")[:3] == ["→", "openai", "ready"]
    assert "key from environment OPENAI_API_KEY" in done.stdout
    assert "looked for DASHSCOPE_API_KEY, [providers.qwen] api_key" in done.stdout
    assert "openai · gpt-realtime-2.1 · marin" in done.stderr
    assert CANARY not in done.stdout + done.stderr


def test_providers_as_json(voicechat: Shell) -> None:
    done = voicechat("providers", "--json", AZURE_OPENAI_API_KEY=CANARY)
    entries = {entry["name"]: entry for entry in json.loads(done.stdout)}
    assert list(entries) == ["qwen", "openai", "azure", "doubao", "newapi", "offline"]
    assert entries["azure"]["configured"] is False
    assert entries["azure"]["origins"] == {"api_key": "environment AZURE_OPENAI_API_KEY"}
    assert entries["azure"]["missing"] == [
        {"what": "url", "looked_in": ["AZURE_OPENAI_ENDPOINT", "[providers.azure] url"]}
    ]
    assert entries["offline"]["selected"] is True
    assert CANARY not in done.stdout + done.stderr


def test_voices_of_a_model_in_whole_lines(voicechat: Shell) -> None:
    done = voicechat("voices", "--provider", "qwen", "--model", "qwen-omni-turbo-realtime")
    rows = done.stdout.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["Cherry", "Serena", "Ethan", "Chelsie"]
    assert rows[0].split() == ["Cherry", "*", "芊悦", "female", "zh", "en", "sunny,", "friendly,", "natural"]
    assert "\x1b" not in done.stdout
    assert "was to retire on 2026-10-10" in done.stderr


def test_voices_names_the_other_models_of_the_service(voicechat: Shell) -> None:
    done = voicechat("voices", "--provider", "doubao")
    first, *lines = done.stderr.splitlines()
    assert first.startswith("doubao · 1.2.1.1: 7 voices")
    assert lines[0] == "Other models (--model):"
    assert [line.split()[0] for line in lines[1:]] == ["2.2.0.0", "1.2.1.0", "O", "SC"]
    assert "role play" in lines[1]


def test_voices_by_language_as_json(voicechat: Shell) -> None:
    done = voicechat("voices", "--provider", "qwen", "--language", "Cantonese", "--json")
    found = json.loads(done.stdout)
    assert [voice["name"] for voice in found] == ["Rocky", "Kiki"]
    assert found[0] == {
        "use": "talk",
        "provider": "qwen",
        "model": "qwen3.5-omni-flash-realtime",
        "name": "Rocky",
        "local_name": "粤语-阿强",
        "gender": "male",
        "languages": ["zh-cantonese"],
        "description": "Cantonese",
        "default": False,
    }


def test_voices_of_a_model_nobody_knows(voicechat: Shell) -> None:
    done = voicechat("voices", "--provider", "qwen", "--model", "qwen9")
    assert (done.returncode, done.stdout) == (0, "")
    assert "qwen9 is not in the catalogue" in done.stderr
    assert "qwen3.8-omni-flash-realtime" in done.stderr
    assert "turbo" not in done.stderr, "a retired model is not proposed"


def test_voices_of_an_unknown_provider_is_a_usage_error(voicechat: Shell) -> None:
    done = voicechat("voices", "--provider", "qwn")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "voicechat: Unknown provider 'qwn'.\n  Did you mean 'qwen'?\n"


def test_config_init_writes_a_private_file_once(voicechat: Shell) -> None:
    path = Path(voicechat("config", "path").stdout.strip())
    assert voicechat("config", "init").stdout.strip() == str(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text('voice = "mine"\n', encoding="utf-8")
    again = voicechat("config", "init")
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert path.read_text(encoding="utf-8") == 'voice = "mine"\n'
    assert voicechat("config", "init", "--force").returncode == 0
    assert "[personas.teacher]" in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["config.toml"]


@pytest.mark.parametrize(("answer", "kept"), [("y", True), ("n", False), ("", False)])
def test_config_init_asks_once_whether_conversations_are_kept(voicechat: Shell, answer: str, kept: bool) -> None:
    """On a terminal; the test before has shown that nobody is asked elsewhere."""
    ours, theirs = os.openpty()
    path = voicechat.folder / "config.toml"
    command = [sys.executable, "-m", "voicechat", "config", "init", "--config", str(path)]
    with subprocess.Popen(
        command, env=voicechat.environment, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        os.write(ours, f"{answer}\n".encode())
        _, told = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert told.count(b"Keep your conversations") == 1
    assert load(path).settings.history.enabled is kept


def test_config_init_where_nothing_can_be_written(voicechat: Shell) -> None:
    (voicechat.folder / "file").write_text("", encoding="utf-8")
    done = voicechat("config", "init", "--config", "file/config.toml")
    assert done.returncode == 3
    assert done.stderr.startswith("voicechat: file/config.toml cannot be written: ")
    assert len(done.stderr.splitlines()) == 2


def test_config_path_says_when_there_is_none(voicechat: Shell) -> None:
    done = voicechat("config", "path")
    assert done.stdout.strip().endswith("config.toml")
    assert "not there yet" in done.stderr


def test_config_show_names_every_origin_and_masks_keys(voicechat: Shell) -> None:
    (voicechat.folder / ".env").write_text(
        f"DASHSCOPE_API_KEY={CANARY}\nDASHSCOPE_REGION=cn-beijing\n", encoding="utf-8"
    )
    address = f"wss://user:{CANARY}@host/v1?model=m&api-key={CANARY}"
    done = voicechat("config", "show", "--json", VOICECHAT_URL=address, VOICECHAT_VOICE="Tina")
    shown = json.loads(done.stdout)["settings"]
    assert shown["voice"] == {"value": "Tina", "origin": "environment VOICECHAT_VOICE"}
    assert shown["aec"] == {"value": True, "origin": "default"}
    assert shown["providers.qwen.api_key"] == {"value": "********", "origin": ".env DASHSCOPE_API_KEY"}
    assert shown["providers.qwen.region"] == {"value": "cn-beijing", "origin": ".env DASHSCOPE_REGION"}
    assert shown["url"]["value"] == "wss://********@host/v1?model=m&api-key=********"
    assert shown["connection.ping_interval_s"] == {"value": 30.0, "origin": "default"}
    plain = voicechat("config", "show", VOICECHAT_URL=address)
    assert ["providers.qwen.api_key", ".env", "DASHSCOPE_API_KEY", "********"] in [
        line.split() for line in plain.stdout.splitlines()
    ]
    assert "CANARY" not in done.stdout + done.stderr + plain.stdout + plain.stderr


def test_a_file_with_an_error_ends_every_command_with_exit_code_3(voicechat: Shell) -> None:
    path = voicechat.folder / "bad.toml"
    path.write_text(f'voice = "x"\n[providers.qwen]\napi_key = "{CANARY}"\nmodle = "m"\n', encoding="utf-8")
    path.chmod(0o600)
    for command in (["providers"], ["voices"], ["config", "show"]):
        done = voicechat(*command, "--config", "bad.toml")
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr == (
            "voicechat: bad.toml, line 4: unknown key 'modle' in [providers.qwen].\n  Did you mean 'model'?\n"
        )


def test_a_missing_file_asked_for_by_name_is_a_usage_error(voicechat: Shell) -> None:
    done = voicechat("providers", "--config", "no.toml")
    assert done.returncode == 2
    assert "no.toml does not exist" in done.stderr


def test_the_table_fits_a_terminal_of_80_columns(voicechat: Shell) -> None:
    import pty

    near, far = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "voicechat", "providers"],
        cwd=voicechat.folder,
        env={**voicechat.environment, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "xterm"},
        stdout=far,
        stderr=subprocess.DEVNULL,
    )
    os.close(far)
    text = b""
    while chunk := _read(near):
        text += chunk
    os.close(near)
    assert process.wait(timeout=30) == 0
    lines = text.decode().replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
    assert any("AZURE_OPENAI_ENDPOINT" in line for line in lines)
    assert max(len(line) for line in lines) <= 80


ODD = "a\x9b31m\u202eb"
"""A C1 command and a bidirectional override."""


def test_json_holds_nothing_that_commands_a_terminal(voicechat: Shell) -> None:
    done = voicechat("config", "show", "--json", VOICECHAT_PERSONA=ODD)
    assert "a\\u009b31m\\u202eb" in done.stdout, done.stderr
    assert done.stdout.isascii()
    assert json.loads(done.stdout)["settings"]["persona"]["value"] == ODD


def test_a_device_whose_name_commands_the_terminal(voicechat: Shell) -> None:
    # The second one cannot exist: with fewer PortAudio 19.7 aborts in an assertion.
    (voicechat.folder / "asound.conf").write_text(
        f'pcm."{ODD}" {{ type null }}\npcm.nothing {{ type hw card 99 }}\n', encoding="utf-8"
    )
    environment = {"ALSA_CONFIG_PATH": str(voicechat.folder / "asound.conf"), "PULSE_SERVER": "unix:/nonexistent"}
    done = voicechat("devices", "--json", **environment)
    assert done.stdout.isascii(), done.stdout
    assert json.loads(done.stdout)[0]["name"] == ODD, done.stderr


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # on Linux the end of a pseudo terminal is an error
        return b""


def test_help_imports_nothing_heavy() -> None:
    heavy = ["pydantic", "platformdirs", "dotenv", "numpy", "voicechat.config", "voicechat.providers.catalogue"]
    code = f"import sys, voicechat.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("wss://h:1/p?model=a&key=b", "wss://h:1/p?model=a&key=********"),
        ("wss://u@h/p", "wss://********@h/p"),
        ("", ""),
        ("https://h/v1", "https://h/v1"),
        ("user:SECRET@host/x", "********@host/x"),
        ("wss://[::1?key=SECRET", "wss://[::1?key=********"),
        ("wss://h/p?SECRET&model=m", "wss://h/p?********&model=m"),
        ("wss://h/p#SECRET", "wss://h/p#********"),
        ("wss://u:a?SECRET@h/p", "wss://h/p?********"),
    ],
)
def test_what_may_be_a_secret_in_an_address_is_masked(address: str, shown: str) -> None:
    assert mask_address(address) == shown
