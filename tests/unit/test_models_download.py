"""Fetching a model, from a hub with bad days: the real download, and the program around it."""

import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.model_hub import Hub, home_variables, model_hub, model_of, program
from voicechat.errors import ConfigError, ConnectionFailed, Refused
from voicechat.models import store
from voicechat.models.catalogue import Model
from voicechat.models.download import install
from voicechat.wire.retry import RetryPolicy

WEIGHTS = bytes(range(256)) * 1000
FILES = {"model.bin": WEIGHTS, "config.json": b"{}", "deep/er/data": b"x" * 5000}
POLICY = RetryPolicy(delays_s=(1.0, 2.0), jitter=0)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with model_hub(dict(FILES)) as hub:
        for name, value in home_variables(tmp_path, hub).items():
            monkeypatch.setenv(name, value)
        yield hub


class Fetch:
    """One call of `install`, and what it told."""

    def __init__(self, model: Model):
        self.here: list[int] = []
        self.slept: list[float] = []
        self._model = model

    def __call__(self) -> Path:
        return asyncio.run(install(self._model, self.here.append, policy=POLICY, sleep=self._sleep))

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_a_model_is_put_in_place_whole(hub: Hub) -> None:
    fetch = Fetch(model_of(FILES))
    folder = fetch()
    assert content(folder) == FILES
    assert folder == store.home_of("small")
    assert [path.name for path in store.models_folder().iterdir()] == ["small"]
    assert fetch.here == sorted(fetch.here)
    assert fetch.here[-1] == model_of(FILES).bytes


def test_a_connection_that_breaks_is_made_again_and_goes_on(hub: Hub) -> None:
    hub.drops["model.bin"] = [100_000, 50_000]
    fetch = Fetch(model_of(FILES))
    assert content(fetch()) == FILES
    ranges = [asked for name, asked in hub.asked if name == "model.bin"]
    assert ranges == ["", "bytes=100000-", "bytes=150000-"]
    assert fetch.slept == [1.0, 1.0], "each had brought something: none was the second failure in a row"


def test_one_that_brings_nothing_more_is_given_up_and_what_is_here_is_kept(hub: Hub) -> None:
    hub.drops["model.bin"] = [100_000, 0, 0, 0, 0]
    fetch = Fetch(model_of(FILES))
    with pytest.raises(ConnectionFailed) as failure:
        fetch()
    assert "What is here already is kept" in failure.value.hint
    assert fetch.slept == [1.0, 2.0]
    assert not store.home_of("small").exists()
    assert store.begun("small") == 100_000


def test_the_next_run_goes_on_where_the_last_one_stopped(hub: Hub) -> None:
    def stop(here: int) -> None:
        if here >= 120_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(install(model_of(FILES), stop, policy=POLICY))
    kept = store.begun("small")
    assert 120_000 <= kept < len(WEIGHTS)
    hub.asked.clear()
    fetch = Fetch(model_of(FILES))
    assert content(fetch()) == FILES
    assert hub.asked[0] == ("model.bin", f"bytes={kept}-")
    assert fetch.here[0] > kept


def test_a_file_that_was_checked_is_not_asked_for_again(hub: Hub) -> None:
    hub.statuses = []
    hub.drops["deep/er/data"] = [10, 0, 0]
    with pytest.raises(ConnectionFailed):
        Fetch(model_of(FILES))()
    hub.asked.clear()
    assert content(Fetch(model_of(FILES))()) == FILES
    assert hub.asked == [("deep/er/data", "bytes=10-")]


def test_a_file_that_was_whole_but_not_yet_checked_needs_no_hub(hub: Hub) -> None:
    part = store.incoming("small") / "model.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(WEIGHTS)
    assert content(Fetch(model_of(FILES))()) == FILES
    assert "model.bin" not in [name for name, _ in hub.asked]


def test_a_hub_that_knows_no_ranges_sends_it_all_again(hub: Hub) -> None:
    hub.ranges = False
    hub.drops["model.bin"] = [100_000]
    assert content(Fetch(model_of(FILES))()) == FILES


def test_more_than_there_is_to_have_is_thrown_away(hub: Hub) -> None:
    part = store.incoming("small") / "model.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(WEIGHTS + b"more")
    assert content(Fetch(model_of(FILES))()) == FILES
    assert [asked for name, asked in hub.asked if name == "model.bin"] == [f"bytes={len(WEIGHTS) + 4}-", ""]


@pytest.mark.parametrize("name", ["model.bin", "config.json"])
@pytest.mark.parametrize("sums", [True, False], ids=["the catalogue's sum", "the hub's sum"])
def test_a_damaged_file_is_no_model_and_is_fetched_afresh(hub: Hub, name: str, sums: bool) -> None:
    model = model_of(FILES, sums=sums)
    good = FILES[name]
    damaged = bytes([good[0] ^ 1]) + good[1:]
    if sums:
        hub.files[name] = damaged
    else:  # what lies here from before is damaged, and the hub tells by its own sum
        part = store.incoming("small") / f"{name}.part"
        part.parent.mkdir(parents=True)
        part.write_bytes(damaged[:1])
    with pytest.raises(ConnectionFailed, match=r"arrived damaged from 127\.0\.0\.1:") as failure:
        Fetch(model)()
    assert "checksum" in failure.value.message
    assert not store.home_of("small").exists()
    hub.files[name] = good
    assert content(Fetch(model)()) == FILES


def test_another_length_than_the_catalogue_says_is_damage_too(hub: Hub) -> None:
    hub.files["config.json"] = b"<html>Please log in to this hotel</html>"
    hub.tags = False
    with pytest.raises(ConnectionFailed, match=r"it has \d+ bytes instead of 2"):
        Fetch(model_of(FILES, sums=False))()


def test_what_the_hub_does_not_have(hub: Hub) -> None:
    del hub.files["deep/er/data"]
    with pytest.raises(Refused, match="does not have http://"):
        Fetch(model_of(FILES))()


def test_a_busy_hub_is_waited_for_as_long_as_it_asks(hub: Hub) -> None:
    hub.statuses, hub.headers = [429, 503], {"Retry-After": "7"}
    fetch = Fetch(model_of(FILES))
    assert content(fetch()) == FILES
    assert fetch.slept == [7.0, 7.0]


def test_a_hub_that_stays_broken(hub: Hub) -> None:
    hub.statuses = [503] * 9
    with pytest.raises(ConnectionFailed, match="answered HTTP 503"):
        Fetch(model_of(FILES))()


def test_a_hub_that_sends_one_round_in_circles(hub: Hub) -> None:
    hub.statuses, hub.headers = [302] * 9, {"Location": "/somewhere/else"}
    with pytest.raises(Refused, match=r"sends model\.bin round in circles"):
        Fetch(model_of(FILES))()


def test_a_hub_that_wants_a_login(hub: Hub) -> None:
    hub.statuses = [401]
    with pytest.raises(Refused, match="HTTP 401"):
        Fetch(model_of(FILES))()


def test_without_a_network_nobody_waits(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
    fetch = Fetch(model_of(FILES))
    with pytest.raises(ConnectionFailed) as failure:
        fetch()
    assert "HF_ENDPOINT may name a mirror" in failure.value.hint
    assert fetch.slept == []
    assert list(store.models_folder().iterdir()) == []


def test_an_endpoint_that_is_none(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "hf-mirror")
    with pytest.raises(ConfigError, match="HF_ENDPOINT is no address: hf-mirror"):
        Fetch(model_of(FILES))()


def test_too_little_space_is_told_before_anything_is_fetched(hub: Hub) -> None:
    model = model_of(FILES)
    huge = replace(model, files=(replace(model.files[0], bytes=1 << 60), *model.files[1:]))
    with pytest.raises(ConfigError, match=r"small needs 1152921504\.\d GB more, and .* has .* free"):
        Fetch(huge)()
    assert hub.asked == []


def test_a_folder_that_cannot_be_made(hub: Hub) -> None:
    store.models_folder().parent.mkdir(parents=True)
    store.models_folder().write_text("not a folder")
    with pytest.raises(ConfigError, match="cannot be written: Not a directory"):
        Fetch(model_of(FILES))()


def test_removing_is_one_step_and_takes_what_was_begun_too(hub: Hub) -> None:
    Fetch(model_of(FILES))()
    part = store.incoming("small") / "model.bin.part"
    part.parent.mkdir()
    part.write_bytes(b"12345")
    assert store.remove("small") == model_of(FILES).bytes + 5
    assert list(store.models_folder().iterdir()) == []


# The program


def run(model: Model, *arguments: str, full_at: int = 0) -> "subprocess.CompletedProcess[str]":
    """`full_at`: the file system takes no file longer than so many bytes."""

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (full_at, full_at))

    return subprocess.run(
        program(model, *arguments),
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        preexec_fn=small_disk if full_at else None,
    )


def test_it_tells_size_and_licence_and_wants_a_word(hub: Hub) -> None:
    done = run(model_of(FILES), "models", "install", "small")
    assert done.returncode == 2
    assert "0.3 MB" in done.stderr or "261.0 kB" in done.stderr
    assert f"licence MIT, from {hub.url}/somebody/small" in done.stderr
    assert "--yes fetches it without asking" in done.stderr
    assert hub.asked == []


def test_installed_listed_found_and_removed(hub: Hub) -> None:
    model = model_of(FILES)
    done = run(model, "models", "install", "small", "--yes")
    assert (done.returncode, done.stdout.strip()) == (0, str(store.home_of("small")))
    assert 'Use it with [providers.offline] ears = "small"' in done.stderr
    [entry] = json.loads(run(model, "models", "list", "--json").stdout)
    assert (entry["state"], entry["path"]) == ("yes", str(store.home_of("small")))
    assert run(model, "models", "path", "small").stdout.strip() == str(store.home_of("small"))
    hub.asked.clear()
    again = run(model, "models", "install", "small", "--yes")
    assert (again.returncode, again.stdout.strip(), hub.asked) == (0, str(store.home_of("small")), [])
    assert run(model, "models", "remove", "small").returncode == 0
    assert run(model, "models", "remove", "small").returncode == 2
    assert "not here yet" in run(model, "models", "path", "small").stderr


def state(model: Model) -> tuple[str, str | None]:
    [entry] = json.loads(run(model, "models", "list", "--json").stdout)
    return entry["state"], entry["path"]


def test_an_empty_folder_is_no_model(hub: Hub) -> None:
    model = model_of(FILES)
    store.home_of("small").mkdir(parents=True)
    assert state(model) == ("no", None)
    assert "not here yet" in run(model, "models", "path", "small").stderr
    done = run(model, "models", "install", "small", "--yes")
    assert (done.returncode, done.stdout.strip()) == (0, str(store.home_of("small")))
    assert "damaged" not in done.stderr
    assert content(store.home_of("small")) == FILES
    assert state(model)[0] == "yes"


def test_of_a_damaged_model_only_what_it_lacks_is_fetched(hub: Hub) -> None:
    model = model_of(FILES)
    Fetch(model)()
    hub.asked.clear()
    (store.home_of("small") / "config.json").unlink()
    (store.home_of("small") / "deep/er/data").write_bytes(b"x" * 4999)
    assert state(model) == ("in part", None)
    done = run(model, "models", "install", "small", "--yes")
    assert done.returncode == 0
    assert "small is damaged: 2 of its 3 files are fetched again." in done.stderr
    assert hub.asked == [("config.json", ""), ("deep/er/data", "")]
    assert content(store.home_of("small")) == FILES


def test_what_is_kept_of_a_damaged_model_is_checked(hub: Hub) -> None:
    model = model_of(FILES)
    Fetch(model)()
    (store.home_of("small") / "config.json").unlink()
    (store.home_of("small") / "model.bin").write_bytes(WEIGHTS[::-1])
    assert "model.bin arrived damaged" in run(model, "models", "install", "small", "--yes").stderr
    assert run(model, "models", "install", "small", "--yes").returncode == 0
    assert content(store.home_of("small")) == FILES


def test_a_full_disk_is_one_line_and_the_rest_comes_later(hub: Hub) -> None:
    model = model_of(FILES)
    done = run(model, "models", "install", "small", "--yes", full_at=100_000)
    assert done.returncode == 3
    assert "voicechat: No space is left for small in " in done.stderr
    assert "Traceback" not in done.stderr
    assert store.begun("small") == 100_000
    assert run(model, "models", "install", "small", "--yes").returncode == 0
    assert ("model.bin", "bytes=100000-") in hub.asked
    assert content(store.home_of("small")) == FILES


def test_ctrl_c_is_one_line_and_the_rest_comes_later(hub: Hub) -> None:
    model = model_of(FILES)
    hub.hang["model.bin"] = 65_536
    process = subprocess.Popen(
        program(model, "models", "install", "small", "--yes"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert hub.sent.wait(20)
    while store.begun("small") < 60_000 and process.poll() is None:  # it is on its way through the socket
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert told.splitlines()[-1].endswith("are kept: run the same command again to go on.")
    assert "Traceback" not in told
    assert not store.home_of("small").exists()
    [entry] = json.loads(run(model, "models", "list", "--json").stdout)
    assert entry["state"] == "in part"
    hub.hang.clear()
    assert run(model, "models", "install", "small", "--yes").returncode == 0
    assert content(store.home_of("small")) == FILES


@pytest.mark.parametrize(("typed", "fetched"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_on_a_terminal_it_asks(hub: Hub, typed: str, fetched: bool) -> None:
    import pty

    near, far = pty.openpty()
    process = subprocess.Popen(
        program(model_of(FILES), "models", "install", "small"), stdin=far, stdout=subprocess.PIPE, stderr=far
    )
    os.close(far)
    os.write(near, typed.encode())
    told = b""
    with contextlib.suppress(OSError):  # Linux says so when the last writer has gone
        while some := os.read(near, 4096):
            told += some
    process.communicate(timeout=20)
    os.close(near)
    assert process.returncode == 0
    assert b"Fetch it?" in told
    assert store.home_of("small").exists() is fetched


def test_no_network_and_damage_are_exit_5_and_a_missing_file_6(hub: Hub) -> None:
    model = model_of(FILES)
    hub.files["model.bin"] = WEIGHTS[::-1]
    assert run(model, "models", "install", "small", "--yes").returncode == 5
    del hub.files["model.bin"]
    missing = run(model, "models", "install", "small", "--yes")
    assert missing.returncode == 6
    assert len(missing.stderr.splitlines()) == 5, "three about the model, two about the failure"
