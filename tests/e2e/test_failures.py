"""Bad input, and a service that cannot be reached or refuses: one clear line and the documented exit code."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.scenes import KEY, KEYS, check_manners, errors_of, service, spoken, write_wav
from tests.program import Program
from tests.realtime_server import Auth, Faults, RealtimeServer, Reply, Script

DEAD = ["--provider", "openai", "--url", "ws://127.0.0.1:9"]
"""A service that must not even be asked: the error is in what the user gave."""
SHORT = Script(replies=(Reply("One two three.", seconds=0.3),))


def fails(arguments: list[str], code: int, *says: str, env: dict[str, str] | None = None, within_s: float = 15) -> None:
    """The program ends with this exit code and exactly one error line, which says all of `says`."""
    began = time.monotonic()
    with Program(arguments, env=KEYS if env is None else env) as program:
        assert program.wait(within_s + 10) == code, program.describe()
        assert time.monotonic() - began < within_s, program.describe()
        check_manners(program)
        errors = errors_of(program)
        assert len(errors) == 1, program.describe()
        for words in says:
            assert words in program.stderr, program.describe()
        at = program.stderr.splitlines().index(errors[0])
        assert program.stderr.splitlines()[at + 1].startswith("  "), f"no hint\n{program.describe()}"


# -- what the user gave ----------------------------------------------------------------------------------------

SETTINGS = [
    (["vad", "--provider", "openai"], 3, ["OPENAI_API_KEY"]),
    (["manual", "--provider", "qwen"], 3, ["DASHSCOPE_API_KEY"]),
    (["say", "hi", "--provider", "azure"], 3, ["AZURE_OPENAI_API_KEY"]),
    (["vad", "--provider", "newapi"], 3, ["--url", "NEWAPI_BASE_URL"]),
    (["vad", "--provider", "quen"], 2, ["'quen'", "Did you mean 'qwen'?"]),
    (["vad", "--persona", "tutor"], 2, ["'tutor'", "[personas.NAME]"]),
    (["vad", "--config", "none.toml"], 2, ["none.toml", "config init"]),
    (["say", "  ", *DEAD], 2, ["nothing to say"]),
    (["say", "hi", "--output", "-", "--json", *DEAD], 2, ["--output -", "--json"]),
    (["vad", "--log-file", "none/log", *DEAD], 2, ["none/log", "--log-file"]),
]


@pytest.mark.parametrize(("arguments", "code", "says"), SETTINGS, ids=lambda value: str(value)[:50])
def test_settings_that_cannot_be_used(arguments: list[str], code: int, says: list[str]) -> None:
    fails(arguments, code, *says, env={})


@pytest.mark.parametrize(
    "arguments",
    [
        ["say", "hi", "--input", "x.wav"],
        ["say", "hi", "--turn", "local"],
        ["say", "hi", "--greeting", "x"],
        ["manual", "--threshold", "0.5"],
    ],
)
def test_an_option_that_would_mean_nothing_is_not_one(arguments: list[str]) -> None:
    with Program([*arguments, *DEAD], env=KEYS) as program:
        assert program.wait() == 2, program.describe()
        assert f"No such option: {arguments[-2]}" in program.stderr


@pytest.mark.parametrize(("option", "value"), [("--turn", "sometimes"), ("--silence-ms", "5"), ("--threshold", "7")])
def test_an_option_out_of_range_is_named(option: str, value: str) -> None:
    with Program(["vad", option, value, *DEAD], env=KEYS) as program:
        assert program.wait() == 2, program.describe()
        assert f"{option}: must be" in program.stderr
        check_manners(program)


CONFIGS = [
    ("voice = Cherry\n", 1, "voice"),
    ("[providers.openai]\n\napi_kye = 'x'\n", 3, "api_kye"),
    ("turn = 'server'\nsilence_ms = 'long'\n", 2, "silence_ms"),
    (f"[providers.openai]\napi_key = '{KEY}\n", 2, "api_key"),
]


@pytest.mark.parametrize(("text", "line", "key"), CONFIGS, ids=[case[2] + str(case[1]) for case in CONFIGS])
def test_a_malformed_configuration_names_file_line_and_key(text: str, line: int, key: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    file.chmod(0o600)
    fails(["vad", "--config", str(file), *DEAD], 3, f"{file}, line {line}", key)


def test_a_configuration_that_cannot_be_read(tmp_path: Path) -> None:
    fails(["vad", "--config", str(tmp_path), *DEAD], 3, str(tmp_path), "cannot be read")


# -- files in place of devices ---------------------------------------------------------------------------------

FILES = [
    ("--input", "missing.wav", "There is no input file"),
    ("--input", ".", "is a folder"),
    ("--input", "empty.wav", "is empty"),
    ("--input", "silent.wav", "holds no sound"),
    ("--input", "text.wav", "cannot be read as sound"),
    ("--output", "none/out.wav", "No such file or directory"),
    ("--output", "folder.wav", "Is a directory"),
    ("--output", "out.xyz", "no ending of a sound format"),
    ("--output", "none/out.flac", "cannot be written"),
    ("--save", "empty.wav", "--save takes a folder"),
]


@pytest.mark.parametrize(("option", "name", "says"), FILES, ids=[f"{case[0]} {case[1]}" for case in FILES])
def test_a_file_that_cannot_be_used_is_a_usage_error(option: str, name: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("This is no sound at all.")
    (tmp_path / "folder.wav").mkdir()
    write_wav(tmp_path / "silent.wav", b"")
    files = {"--input": str(spoken(tmp_path)), "--output": str(tmp_path / "out.wav")}
    files[option] = str(tmp_path / name)
    with RealtimeServer() as server:
        target = service(server) if option == "--save" else DEAD
        fails(["vad", *target, *(word for pair in files.items() for word in pair)], 2, name.rstrip("."), says)


@pytest.mark.parametrize("given", [[], ["--input", "spoken.wav"], ["--output", "out.wav"]], ids=" ".join)
def test_without_any_sound_device(given: list[str], tmp_path: Path) -> None:
    given = [str(spoken(tmp_path)) if word == "spoken.wav" else word for word in given]
    missing = "speaker" if "--input" in given else "microphone"
    with RealtimeServer() as server:
        fails(["vad", *service(server), *given], 4, f"There is no {missing}", "--input FILE")


@pytest.mark.parametrize(("ending", "code"), [("raw", 4), ("flac", 4), ("wav", 2)])
def test_a_disk_that_is_full(ending: str, code: int, tmp_path: Path) -> None:
    """It is noticed when a block is written; a WAV file's header already when it is opened."""
    (tmp_path / f"full.{ending}").symlink_to("/dev/full")
    says = "cannot be written" if code == 2 else "Is the disk full"
    with RealtimeServer(script=SHORT) as server:
        fails(["say", "hi", *service(server), "--output", str(tmp_path / f"full.{ending}")], code, says)


# -- reaching the service --------------------------------------------------------------------------------------


@contextmanager
def listener() -> Iterator[int]:
    """A port where somebody listens and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield silent.getsockname()[1]


@contextmanager
def self_signed() -> Iterator[int]:
    """A port that speaks TLS with a certificate nobody has vouched for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).with_name("self-signed.pem"))

    def accept() -> None:
        connection, _ = plain.accept()
        with connection:
            connection.settimeout(5)
            with pytest.raises((ssl.SSLError, OSError)):
                context.wrap_socket(connection, server_side=True).recv(1)

    with socket.create_server(("127.0.0.1", 0)) as plain:
        thread = threading.Thread(target=accept, name="tls")
        thread.start()
        yield plain.getsockname()[1]
        thread.join()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as once:
        port: int = once.getsockname()[1]
    return port


def say(url: str, folder: Path) -> list[str]:
    return ["say", "hi", "--provider", "openai", "--url", url, "--output", str(folder / "out.wav")]


def test_a_closed_port(tmp_path: Path) -> None:
    fails(say(f"ws://127.0.0.1:{closed_port()}", tmp_path), 5, "Nothing listens at ws://127.0.0.1")


def test_a_host_that_does_not_exist(tmp_path: Path) -> None:
    fails(say("wss://no-such-host.invalid", tmp_path), 5, "no-such-host.invalid", "spelling")


def test_tls_to_a_plain_port(tmp_path: Path) -> None:
    with RealtimeServer() as server:
        fails(say(server.url.replace("ws://", "wss://"), tmp_path), 5, "TLS", "ws:// for a plain one")


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    with self_signed() as port:
        fails(say(f"wss://127.0.0.1:{port}", tmp_path), 5, "certificate", "SSL_CERT_FILE")


def test_an_address_that_is_none(tmp_path: Path) -> None:
    fails(say("http://", tmp_path), 3, "is not an address")


def test_a_server_that_never_answers_is_given_up_after_ten_seconds(tmp_path: Path) -> None:
    """At the handshake, before the first event, and instead of the configuration: all three at the same time."""
    with ExitStack() as stack:
        urls = {f"ws://127.0.0.1:{stack.enter_context(listener())}": "No answer from"}
        for silent in ("connect", "update"):
            server = stack.enter_context(RealtimeServer(faults=Faults(silent=silent)))
            urls[server.url] = "said nothing for 10 s"
        pool = stack.enter_context(ThreadPoolExecutor(len(urls)))
        runs = [pool.submit(fails, say(url, tmp_path), 5, says, within_s=20) for url, says in urls.items()]
        for run in runs:
            run.result()


# -- being refused ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Refusal:
    dialect: str
    auth: Auth
    code: int
    says: tuple[str, ...]


OTHER_MODELS = Auth(models=frozenset(["another"]))
REFUSALS = {
    "ga, key, HTTP 401": Refusal("ga", Auth("other", "http"), 6, ("HTTP 401", "Check OPENAI_API_KEY")),
    "ga, key, close 3000": Refusal("ga", Auth("other", "close"), 6, ("Incorrect API key", "Check OPENAI_API_KEY")),
    "beta, key, close 3000": Refusal("beta", Auth("other", "close"), 6, ("Incorrect API key", "NEWAPI_API_KEY")),
    "qwen, key": Refusal("qwen", Auth("other"), 6, ("HTTP 401", "Check DASHSCOPE_API_KEY")),
    "ga, model": Refusal("ga", OTHER_MODELS, 6, ('"gpt-realtime"', "--model")),
    "qwen, model": Refusal("qwen", OTHER_MODELS, 5, ("without a word", "--model")),
    "HTTP 403": Refusal("ga", Auth(status=403), 6, ("HTTP 403", "OPENAI_API_KEY")),
    "HTTP 404": Refusal("ga", Auth(status=404), 6, ("HTTP 404", "--url")),
    "HTTP 429": Refusal("ga", Auth(status=429), 5, ("HTTP 429", "Wait")),
    "HTTP 503": Refusal("ga", Auth(status=503), 5, ("HTTP 503", "Try again")),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS)
def test_a_service_that_refuses(case: Refusal, tmp_path: Path) -> None:
    with RealtimeServer(case.dialect, auth=case.auth) as server:
        fails(["say", "hi", *service(server), "--output", str(tmp_path / "out.wav")], case.code, *case.says)


@pytest.mark.parametrize("dialect", ["ga", "beta", "qwen"])
def test_an_unknown_voice_is_replaced_by_the_models_own(dialect: str, tmp_path: Path) -> None:
    with RealtimeServer(dialect, script=SHORT) as server:
        more = ["--voice", "Nobody", "--json", "--output", str(tmp_path / "out.wav")]
        with Program(["say", "hi", *service(server), *more], env=KEYS) as program:
            assert program.wait() == 0, program.describe()
            check_manners(program)
            assert [line["code"] for line in program.of_type("warning")] == ["voice"]
            assert program.of_type("session")[0]["voice"] != "Nobody"
            assert program.of_type("assistant")[0]["heard"] == "One two three."


def test_an_argument_that_is_no_utf_8_is_said_and_saved(tmp_path: Path) -> None:
    with Program(
        ["say", "caf\udce9", "--provider", "offline", "--output", "out.wav", "--save", "saved"], home=tmp_path
    ) as program:
        assert program.wait() == 0, program.describe()
        check_manners(program)
    assert "**you:** caf\\udce9" in next((tmp_path / "saved").glob("*.md")).read_text(encoding="utf-8")
