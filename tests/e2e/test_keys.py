"""Keys under the real program: where they come from, where they are sent, and that nothing ever shows one."""

import base64
import json
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.e2e.scenes import check_manners, spoken
from tests.program import Program
from tests.realtime_server import Auth, Faults, RealtimeServer, Reply, Script
from tests.speech_servers.cosyvoice import CosyVoiceServer
from tests.speech_servers.qwen import QwenTtsServer
from tests.speech_servers.rest import KEY as SPEECH_KEY
from tests.speech_servers.rest import RestServer
from tests.tunnel import Tunnel

CERTIFICATE = str(Path(__file__).with_name("self-signed.pem"))
SHORT = Script(replies=(Reply("One two three.", seconds=0.2),))
KEYRING = "tests.file_keyring.FileKeyring"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def server() -> Iterator[RealtimeServer]:
    with RealtimeServer(script=SHORT) as server:
        yield server


def sent_keys(server: RealtimeServer) -> list[str]:
    return [connection.headers.get("authorization", "") for connection in server.connections]


def say(url: str, *more: str) -> list[str]:
    return ["say", "hi", "--provider", "openai", "--url", url, "--output", "out.wav", *more]


def run(arguments: list[str], home: Path, *, env: dict[str, str] | None = None, stdin: bytes | None = None) -> Program:
    """The program after its end; `code`s are checked by the caller."""
    with Program(arguments, env=env, home=home, stdin=stdin) as program:
        program.wait()
        check_manners(program)
        return program


# -- where they come from --------------------------------------------------------------------------------------


def test_a_login_is_used_shown_and_forgotten(server: RealtimeServer, home: Path, tmp_path: Path) -> None:
    env = {"PYTHON_KEYRING_BACKEND": KEYRING, "TEST_KEYRING_FILE": str(tmp_path / "keyring.json")}
    key = "sk-from-the-keyring-0123"
    came = run(["login", "openai"], home, env=env, stdin=f"{key}\n".encode())
    assert came.process.returncode == 0, came.describe()
    assert json.loads((tmp_path / "keyring.json").read_text()) == {"voicechat/openai.api_key": key}
    talked = run(say(server.url), home, env=env)
    assert talked.process.returncode == 0, talked.describe()
    assert sent_keys(server) == [f"Bearer {key}"]
    for command in (["config", "show"], ["providers"], ["doctor", "--no-sound", "--url", server.url]):
        shown = run(command, home, env=env)
        assert "keyring" in shown.stdout, shown.describe()
        assert key not in shown.stdout + shown.stderr
    assert run(["logout", "openai"], home, env=env).process.returncode == 0
    assert json.loads((tmp_path / "keyring.json").read_text()) == {}
    assert run(say(server.url), home, env=env).process.returncode == 3


def test_reading_aloud_asks_the_keyring_once(home: Path, tmp_path: Path) -> None:
    """Twice would be two questions to unlock it on the screen."""
    env = {"PYTHON_KEYRING_BACKEND": KEYRING, "TEST_KEYRING_FILE": str(tmp_path / "keyring.json")}
    assert run(["login", "openai"], home, env=env, stdin=b"sk-from-the-keyring-0123\n").process.returncode == 0
    asked = tmp_path / "keyring.asked"
    asked.unlink()
    run(["speak", "hello", "--provider", "offline"], home, env=env)  # the speaker is missing: that is found out later
    assert asked.read_text().splitlines() == ["voicechat/openai.api_key"]


def test_without_a_keyring_a_login_is_kept_in_the_settings(server: RealtimeServer, home: Path) -> None:
    env = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    settings = home / "config" / "voicechat" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('# mine\nvoice = "alloy" # the best\n')
    came = run(["login", "openai"], home, env=env, stdin=b"sk-0123456789\n")
    assert came.process.returncode == 0, came.describe()
    assert "no usable system keyring" in came.stderr
    assert str(settings) in came.stderr
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert settings.read_text().startswith('# mine\nvoice = "alloy" # the best\n')
    talked = run(say(server.url), home, env=env)
    assert talked.process.returncode == 0, talked.describe()
    assert sent_keys(server) == ["Bearer sk-0123456789"]
    assert run(["logout", "openai"], home, env=env).process.returncode == 0
    assert "sk-" not in settings.read_text()
    assert run(say(server.url), home, env=env).process.returncode == 3


def test_a_key_file_wins(server: RealtimeServer, home: Path) -> None:
    (home / "key").write_text("sk-from-the-file-01\n")
    (home / "key").chmod(0o600)
    more = ["--api-key-file", "key"]
    talked = run(say(server.url, *more), home, env={"OPENAI_API_KEY": "sk-environment"})
    assert talked.process.returncode == 0, talked.describe()
    checked = run(["doctor", "--no-sound", "--provider", "openai", "--url", server.url, *more], home)
    assert checked.process.returncode == 0, checked.describe()
    assert "flag --api-key-file" in checked.stdout
    assert sent_keys(server) == ["Bearer sk-from-the-file-01"] * 2


# -- where they are sent ---------------------------------------------------------------------------------------


def test_a_key_is_sent_in_the_open_only_when_asked_to(server: RealtimeServer, home: Path) -> None:
    """0.0.0.0 leads to this machine and is not a loopback address."""
    url = server.url.replace("127.0.0.1", "0.0.0.0")
    env = {"OPENAI_API_KEY": "sk-environment", "NO_PROXY": "*"}
    for command in (say(url), ["doctor", "--no-sound", "--provider", "openai", "--url", url]):
        refused = run(command, home, env=env)
        assert refused.process.returncode == 3, refused.describe()
        assert "not encrypted" in refused.stdout + refused.stderr
        assert server.connections == []
        sent = run([*command, "--insecure"], home, env=env)
        assert sent.process.returncode == 0, sent.describe()
        assert sent_keys(server) == ["Bearer sk-environment"]
        server.connections.clear()


def test_a_redirect_does_not_take_the_key_elsewhere(server: RealtimeServer, home: Path) -> None:
    """Libraries that follow one strip Authorization for another host, but not the headers of other services."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def redirect() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(65536)
                client.sendall(
                    f"HTTP/1.1 307 Elsewhere\r\nLocation: {server.url}\r\nContent-Length: 0\r\n\r\n".encode()
                )

        thread = threading.Thread(target=redirect)
        thread.start()
        refused = run(
            say(f"ws://127.0.0.1:{listener.getsockname()[1]}"), home, env={"OPENAI_API_KEY": "sk-environment"}
        )
        thread.join()
    assert refused.process.returncode == 6, refused.describe()
    assert "another address (HTTP 307)" in refused.stderr
    assert server.connections == []


def test_a_private_authority_by_setting(server: RealtimeServer, home: Path) -> None:
    with Tunnel(server.port, certificate=CERTIFICATE) as tls:
        url = f"wss://localhost:{tls.port}"
        env = {"OPENAI_API_KEY": "sk-environment"}
        refused = run(say(url), home, env=env)
        assert refused.process.returncode == 5, refused.describe()
        assert "ca_file" in refused.stderr
        for more in ({"VOICECHAT_CA_FILE": CERTIFICATE}, {"SSL_CERT_FILE": CERTIFICATE}):
            talked = run(say(url), home, env=env | more)
            assert talked.process.returncode == 0, talked.describe()
            checked = run(["doctor", "--no-sound", "--url", url], home, env=env | more)
            assert checked.process.returncode == 0, checked.describe()
        # The authority is trusted for its names only.
        other = run(say(f"wss://127.0.0.2:{tls.port}"), home, env=env | {"VOICECHAT_CA_FILE": CERTIFICATE})
        assert other.process.returncode == 5, other.describe()


@pytest.mark.parametrize(("provider", "kind"), [("openai", RestServer), ("qwen", QwenTtsServer)])
def test_reading_aloud_takes_the_key_file_and_the_private_authority(
    provider: str, kind: type[RestServer] | type[QwenTtsServer], home: Path
) -> None:
    key = home / "key"
    key.write_text(SPEECH_KEY)
    key.chmod(0o600)
    with kind() as server:
        parts = urlsplit(server.url)
        with Tunnel(parts.port or 0, certificate=CERTIFICATE) as tls:
            url = urlunsplit(parts._replace(scheme=f"{parts.scheme}s", netloc=f"localhost:{tls.port}"))
            read = ["speak", "Hello.", "--provider", provider, "--url", url, "-o", "a.wav", "--api-key-file", str(key)]
            refused = run(read, home)
            assert refused.process.returncode == 5, refused.describe()
            assert "ca_file" in refused.stderr
            done = run(read, home, env={"VOICECHAT_CA_FILE": CERTIFICATE})
            assert done.process.returncode == 0, done.describe()


def test_reading_aloud_asks_cosyvoice_with_the_key_of_its_service(home: Path) -> None:
    key = home / "key"
    key.write_text(SPEECH_KEY)
    key.chmod(0o600)
    with CosyVoiceServer() as server:
        base = ["speak", "Hello.", "--provider", "cosyvoice", "--url", server.url, "-o", "a.wav"]
        done = run([*base, "--api-key-file", str(key)], home)
    assert done.process.returncode == 0, done.describe()


@pytest.mark.parametrize("file", ["none.pem", "no.pem"])
def test_a_ca_file_that_is_none(file: str, home: Path) -> None:
    (home / "no.pem").write_text("no certificate")
    env = {"OPENAI_API_KEY": "sk-environment", "VOICECHAT_CA_FILE": file}
    refused = run(say("wss://localhost:9"), home, env=env)
    assert refused.process.returncode == 3, refused.describe()
    assert f"The ca_file {file} cannot be used" in refused.stderr


def test_the_proxy_of_the_environment_is_used(server: RealtimeServer, home: Path) -> None:
    with Tunnel(server.port, certificate=CERTIFICATE) as tls, Tunnel(tls.port, proxy=True) as proxy:
        env = {
            "OPENAI_API_KEY": "sk-environment",
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}",
            "SSL_CERT_FILE": CERTIFICATE,
            "NO_PROXY": "",
        }
        # The certificate is for localhost; the proxy alone knows the other name, which is what is verified.
        refused = run(say("wss://voice.example:443"), home, env=env)
        assert refused.process.returncode == 5, refused.describe()
        assert "certificate of wss://voice.example" in refused.stderr
        assert [head.split("\r\n")[0] for head in proxy.asked] == ["CONNECT voice.example:443 HTTP/1.1"]
        assert "sk-environment" not in proxy.asked[0]
        # This machine is never asked for by way of another.
        talked = run(say(server.url), home, env=env)
        assert talked.process.returncode == 0, talked.describe()
        assert len(proxy.asked) == 1


# -- what is written -------------------------------------------------------------------------------------------

CANARIES = {name: f"sk-canary-{name}-5d1f8a" for name in ("environment", "dotenv", "config", "file", "url")}


def plant(home: Path) -> dict[str, str]:
    """A key in every place there is; the environment to run with."""
    (home / ".env").write_text(f"NEWAPI_API_KEY={CANARIES['dotenv']}\n")
    (home / "key").write_text(CANARIES["file"])
    config = home / "config" / "voicechat" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[providers.qwen]\napi_key = "{CANARIES["config"]}"\n')
    for path in (home / "key", config):
        path.chmod(0o600)
    return {"OPENAI_API_KEY": CANARIES["environment"], "API_APP_ID": "1", "API_ACCESS_KEY": CANARIES["environment"]}


def search(program: Program, home: Path) -> None:
    """Every byte the program wrote, but for the files that were planted."""
    planted = {home / ".env", home / "key", home / "config" / "voicechat" / "config.toml"}
    files = [path for path in home.rglob("*") if path.is_file() and path not in planted]
    written = {str(path): path.read_bytes() for path in files}
    written |= {"stdout": program.stdout.encode(), "stderr": program.stderr.encode()}
    for key in CANARIES.values():
        raw = key.encode()
        for form in (raw, base64.b64encode(raw)[:-4], raw.hex().encode()):
            for name, content in written.items():
                assert form not in content, f"{name} holds {form!r}\n{program.describe()}"


ECHO = json.dumps({"type": "error", "error": {"code": "x", "message": f"key {CANARIES['environment']} is odd"}})
"""A service that quotes the key it was given."""
ECHOED = {"type": CANARIES["environment"], "code": CANARIES["environment"], "message": f"no {CANARIES['environment']}"}
FAILED = {"type": "conversation.item.input_audio_transcription.failed", "item_id": "item_x", "error": ECHOED}
DETAILS = {"type": "incomplete", "reason": CANARIES["environment"], "error": ECHOED}
INCOMPLETE = {"type": "response.done", "response": {"id": "resp_x", "status": "incomplete", "status_details": DETAILS}}


def told(event: dict[str, object], when: str) -> RealtimeServer:
    return RealtimeServer(script=SHORT, faults=Faults(inject={when: [json.dumps(event)]}))


SERVERS = {
    "a talk": RealtimeServer(script=SHORT),
    "a key that is refused": RealtimeServer(auth=Auth("other", "close")),
    "a handshake that is refused": RealtimeServer(auth=Auth("other", "http")),
    "an error that quotes the key": RealtimeServer(script=SHORT, faults=Faults(inject={"session.updated": [ECHO]})),
    "an error whose code is the key": told(
        {"type": "error", "error": {"code": CANARIES["environment"]}}, "session.updated"
    ),
    "a transcription that fails": told(FAILED, "input_audio_buffer.committed"),
    "a response that is incomplete": told(INCOMPLETE, "response.created"),
    "a drop": RealtimeServer(script=SHORT, faults=Faults(connections=1, close_at="session.updated", close_code=1006)),
}


@pytest.mark.parametrize(
    "output", [["--json", "--log-file", "log"], ["-v", "--api-key-file", "key"]], ids=["log", "-v"]
)
@pytest.mark.parametrize("name", SERVERS)
def test_no_key_is_in_anything_that_a_talk_writes(name: str, output: list[str], home: Path, tmp_path: Path) -> None:
    with SERVERS[name] as server:
        url = f"{server.url}?token={CANARIES['url']}"
        sound = ["--input", str(spoken(tmp_path)), "--output", "o.wav", "--save", "saved"]
        with Program(
            ["vad", "--provider", "openai", "--url", url, *sound, *output], home=home, env=plant(home)
        ) as talk:
            assert talk.wait() == (6 if server.auth.key else 0), talk.describe()
            search(talk, home)
            if not server.auth.key:
                assert len(list((home / "saved").iterdir())) == 3
                log = (home / "log").read_text() if "log" in output else talk.stderr
                assert "voicechat." in log
                assert ("voicechat.wire.wirelog" in log) == ("log" in output)


LOOKS = [
    ["config", "show"],
    ["config", "show", "--json"],
    ["providers", "--json"],
    ["doctor", "--no-sound", "--json", "--provider", "openai", "--url", "ws://127.0.0.1:9"],
    ["vad", "--provider", "doubao", "--url", "ws://example.invalid", "-v"],
    ["say", "hi", "--provider", "newapi", "--url", f"ws://u:{CANARIES['url']}@example.invalid/x?k={CANARIES['url']}"],
    ["say", "hi", "--provider", "newapi", "--url", f"wss://u:{CANARIES['url']}@127.0.0.1:9/?k={CANARIES['url']}", "-v"],
    ["say", "hi", "--provider", CANARIES["file"][:5], "--api-key-file", "key"],
    [
        "speak",
        "hi",
        "-o",
        "a.wav",
        "--provider",
        "openai",
        "--url",
        f"https://u:{CANARIES['url']}@127.0.0.1:9/v1",
        "-v",
    ],
    ["say", "hi", "--provider", "openai", "--url", f"wss://u:{CANARIES['url']}/x@127.0.0.1", "-v"],
]


@pytest.mark.parametrize("arguments", LOOKS, ids=lambda value: " ".join(value)[:40])
def test_no_key_is_in_what_other_commands_write(arguments: list[str], home: Path) -> None:
    with Program(arguments, home=home, env=plant(home)) as program:
        program.wait()
        search(program, home)
        assert "Traceback" not in program.stderr


@pytest.mark.parametrize("url", ["u:{}@host/x", "wss://host?{}", "wss://host/x#{}", "wss://[::1?key={}"])
def test_no_part_of_an_address_that_may_be_a_key_is_shown(url: str, home: Path) -> None:
    env = plant(home) | {"OPENAI_BASE_URL": url.format(CANARIES["url"])}
    for more in ([], ["--json"]):
        with Program(["config", "show", *more], home=home, env=env) as program:
            assert program.wait() == 0, program.describe()
            search(program, home)
            assert "********" in program.stdout


@pytest.mark.parametrize("command", ["say", "speak"])
@pytest.mark.parametrize("scheme", ["ftp", "http"])
def test_the_password_of_a_proxy_is_not_shown(scheme: str, command: str, home: Path) -> None:
    proxy = f"{scheme}://u:{CANARIES['url']}@127.0.0.1:9"
    words = [command, "hi", "--output", "a.wav", "--provider", "openai", "--url", "wss://voice.example/v1", "-v"]
    with Program(words, home=home, env=plant(home) | {"https_proxy": proxy, "NO_PROXY": ""}) as program:
        assert program.wait() == 5, program.describe()
        search(program, home)
        assert "Traceback" not in program.stderr
        assert "proxy 127.0.0.1:9" in program.stderr, program.describe()


@pytest.mark.parametrize("verbose", [False, True])
def test_no_key_is_in_what_a_crash_leaves(verbose: bool, home: Path) -> None:
    """A library breaks in a way nobody foresaw, and quotes the key."""
    env = plant(home)
    (home / "websockets").mkdir()
    (home / "websockets" / "__init__.py").write_text(
        f"import os\nraise RuntimeError('no luck with ' + os.environ['OPENAI_API_KEY'])\n# {CANARIES['file']}"
    )
    with Program(say("ws://127.0.0.1:9", *(["-v"] if verbose else [])), home=home, env=env) as program:
        assert program.wait() == 1
        assert "unexpected RuntimeError: no luck with ***" in program.stderr, program.describe()
        assert ("Traceback" in program.stderr) == verbose
        for key in CANARIES.values():
            assert key not in program.stdout + program.stderr


def test_sound_is_in_the_log_only_when_asked_for(server: RealtimeServer, home: Path, tmp_path: Path) -> None:
    env = {"OPENAI_API_KEY": "sk-environment"}
    command = ["vad", "--provider", "openai", "--url", server.url, "--output", "out.wav", "--log-file", "log"]
    command += ["--input", str(spoken(tmp_path))]
    sizes = []
    for asked in ("off", "on"):
        assert run(command, home, env=env | {"VOICECHAT_LOG_AUDIO": asked}).process.returncode == 0
        log = (home / "log").read_text()
        (home / "log").unlink()
        assert "→ session.update " in log
        assert "← response.output_audio.delta " in log
        assert "One two" in log
        sizes.append(len(log))
        assert ("AAAAAAAAAAAAAAAA" in log) == (asked == "on")
    assert sizes[1] > 2 * sizes[0]
