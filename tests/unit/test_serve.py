"""The gateway's decisions by value: who may, how much, what a name stands for, and what is done in a model's stead."""

import asyncio
import json
import logging
import math
import os
import socket
import stat
import sys
from collections.abc import Awaitable
from pathlib import Path
from types import SimpleNamespace

import pytest

from voicechat.config import load
from voicechat.config.edit import put_table, remove_table
from voicechat.errors import ConfigError
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.capabilities import Capabilities
from voicechat.serve.budget import Budget
from voicechat.serve.logs import start_logging
from voicechat.serve.models import Models
from voicechat.serve.refusals import Refusal
from voicechat.serve.server import Address, bind, loop_factory
from voicechat.serve.stand_ins import StandIns
from voicechat.serve.store import MemoryStore
from voicechat.serve.tokens import Grant, Tokens, hash_of, new_token


def refused(error: pytest.ExceptionInfo[Refusal]) -> tuple[int, str | None]:
    return error.value.status, error.value.code


def write(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text)
    return path


# --- Tokens ---


def test_a_token_is_known_by_its_hash_alone(tmp_path: Path) -> None:
    key = new_token()
    config = write(tmp_path / "config.toml", f'[serve.tokens.anna]\nhash = "{hash_of(key)}"\nsessions = 2\n')
    tokens = Tokens(load(config).settings.serve.tokens)
    assert tokens.grant(key) == Grant("anna", sessions=2, currency="USD", digest=hash_of(key).removeprefix("sha256:"))
    for wrong, code in (("", None), (key[:-1], "invalid_api_key"), (hash_of(key), "invalid_api_key")):
        with pytest.raises(Refusal) as caught:
            tokens.grant(wrong)
        assert refused(caught) == (401, code)
    assert Tokens({}).grant("anything") == Grant()


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    first, second = new_token(), new_token()
    config = write(tmp_path / "config.toml", f'[serve.tokens.anna]\nhash = "{hash_of(first)}"\n')
    tokens = Tokens(load(config).settings.serve.tokens, config, lambda: load(config).settings.serve.tokens)
    put_table(config, ("serve", "tokens", "bob"), {"hash": hash_of(second)})
    assert tokens.grant(second).name == "bob"
    assert remove_table(config, ("serve", "tokens", "anna"))
    with pytest.raises(Refusal):
        tokens.grant(first)
    config.write_text("this is no TOML")
    assert tokens.grant(second).name == "bob"
    config.write_text("")  # nobody is let in because nobody is left
    with pytest.raises(Refusal):
        tokens.grant(second)


def test_editing_keeps_what_it_does_not_change(tmp_path: Path) -> None:
    path = write(tmp_path / "config.toml", '# mine\nvoice = "Cherry"  # the best\n\n[serve]\nport = 9000\n')
    put_table(path, ("serve", "tokens", "anna"), {"hash": "x", "models": ["*"]})
    assert path.read_text().startswith('# mine\nvoice = "Cherry"  # the best\n\n[serve]\nport = 9000\n')
    if os.name == "posix":
        assert path.stat().st_mode & 0o077 == 0
    assert remove_table(path, ("serve", "tokens", "anna"))
    assert not remove_table(path, ("serve", "tokens", "anna"))
    path.write_text("[broken")
    with pytest.raises(ConfigError):
        put_table(path, ("serve", "tokens", "anna"), {})
    assert path.read_text() == "[broken"


def test_editing_keeps_a_file_open_to_whom_it_was(tmp_path: Path) -> None:
    """A server in a container reads it as a user of its own, and would not see who is revoked."""
    if os.name != "posix":
        return
    real, link = write(tmp_path / "real.toml", ""), tmp_path / "config.toml"
    link.symlink_to(real)
    owner = (10001, 10002) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(real, *owner)
    for mode in (0o600, 0o644, 0o640):
        real.chmod(mode)
        for name in ("anna", "bob"):
            put_table(link, ("serve", "tokens", name), {"hash": "x"})
        assert remove_table(link, ("serve", "tokens", "bob"))
        found = real.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (mode, *owner)
    assert link.is_symlink()


# --- Budgets ---


def test_requests_are_counted_by_the_minute_and_talk_by_the_day() -> None:
    now = [1_000_000.0]
    budget = Budget(MemoryStore(lambda: now[0]), clock=lambda: now[0])
    grant = Grant("anna", requests_per_minute=2, minutes_per_day=10.0)

    async def refusal(asked: Awaitable[object]) -> tuple[int, str | None]:
        with pytest.raises(Refusal) as caught:
            await asked
        return refused(caught)

    async def main() -> None:
        for _ in range(2):
            await budget.request(grant)
        assert await refusal(budget.request(grant)) == (429, "rate_limit_exceeded")
        await budget.request(Grant("bob"))
        now[0] += 61
        await budget.request(grant)

        assert await budget.left_s(grant) == 600.0
        with budget.talking(grant):
            now[0] += 300
            assert await budget.left_s(grant) == 300.0  # it is counted while it goes on
            with budget.talking(grant), budget.talking(Grant("bob")):
                now[0] += 149
            assert await budget.left_s(grant) == 2.0
            now[0] += 30
        assert await refusal(budget.left_s(grant)) == (429, "rate_limit_exceeded")
        assert await budget.left_s(Grant("bob")) == math.inf
        now[0] += 86_400
        assert await budget.left_s(grant) == 600.0

    asyncio.run(main())


# --- Names ---


def test_a_name_stands_for_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)
    config = write(tmp_path / "config.toml", '[providers.openai]\napi_key = "sk-x"\n')
    aliases = {"mine": "openai/gpt-realtime-2.1", "gpt-*": "offline", "lost": "qwen/any"}
    models = Models(load(config), aliases)
    assert models.resolve("mine") == "openai/gpt-realtime-2.1"
    assert models.resolve("gpt-realtime") == "offline"
    assert models.resolve("openai/not-in-the-catalogue") == "openai/not-in-the-catalogue"
    assert {"offline", "mine", "openai/gpt-realtime-2.1"} <= set(models.names())
    assert not {"lost", "gpt-*"} & set(models.names())
    for name in ("lost", "qwen/any", "openai/", "openai", "nobody", "/offline"):
        with pytest.raises(Refusal) as caught:
            models.resolve(name)
        assert refused(caught) == (404, "invalid_model")
    opened = models.open("mine")
    assert (opened.name, opened.behind, opened.service.provider.model) == (
        "mine",
        "openai/gpt-realtime-2.1",
        "gpt-realtime-2.1",
    )
    local = models.open("gpt-realtime")
    assert [local.voice(name) for name in ("marin", "default", "en-gb")] == ["", "", "en-gb"]


# --- The socket ---


def test_a_piece_of_sound_does_not_wait_for_the_next() -> None:
    """asyncio switches Nagle's algorithm off for connections that are known to be TCP's, and for no others."""
    with bind(Address("127.0.0.1", 0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP


# --- What a model cannot do by itself ---


def stand_ins(capabilities: Capabilities, rates: tuple[int, int] = (24_000, 24_000)) -> StandIns:
    return StandIns(capabilities, lambda: rates, keeps_items=False)


def test_items_are_cut_and_shown_here() -> None:
    truncate = cmd.TruncateItem("a", 0, 500)
    can, cannot = (stand_ins(Capabilities(supports_truncation=able)) for able in (True, False))
    assert can.take_command(truncate).commands == [truncate]
    assert cannot.take_command(truncate).commands == []
    for one in (can, cannot):
        assert one.take_command(truncate).events == [ev.ItemTruncated("a", 500)]
        assert one.take_event(ev.ItemTruncated("a", 500)).events == []  # the client knows
        assert one.take_command(cmd.RetrieveItem("a")).events == [ev.ItemRetrieved("a")]


@pytest.mark.parametrize(("able", "says"), [(True, True), (True, False), (False, False)])
def test_a_cancelled_answer_ends(able: bool, says: bool) -> None:
    one = stand_ins(Capabilities(supports_cancel=able, emits_cancelled=says))
    one.take_event(ev.ResponseStarted("r"))
    passed = one.take_command(cmd.CancelResponse())
    assert passed.commands == ([cmd.CancelResponse()] if able else [])
    ended = ev.ResponseFinished("r", "cancelled", "client_cancelled")
    assert passed.events == ([] if says else [ended])


def test_sound_is_brought_to_the_others_rate() -> None:
    one = stand_ins(Capabilities(input_rate_hz=16_000, output_rate_hz=24_000), (24_000, 8_000))
    sent = [one.take_command(cmd.AppendAudio(bytes(4800))) for _ in range(10)]
    taken = [command for passed in sent for command in passed.commands]
    assert sum(len(command.pcm) for command in taken if isinstance(command, cmd.AppendAudio)) == pytest.approx(
        32_000, rel=0.15
    )
    told = [one.take_event(ev.AssistantAudio("r", "a", 0, bytes(4800))) for _ in range(10)]
    heard = [event for passed in told for event in passed.events]
    assert sum(len(event.pcm) for event in heard if isinstance(event, ev.AssistantAudio)) == pytest.approx(
        16_000, rel=0.15
    )


def test_the_faster_loop_is_taken_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    made = object()
    monkeypatch.setitem(sys.modules, "uvloop", SimpleNamespace(new_event_loop=lambda: made))  # type: ignore[arg-type]
    factory = loop_factory()
    assert factory is not None
    assert factory() is made
    monkeypatch.setitem(sys.modules, "uvloop", None)  # type: ignore[arg-type]
    assert loop_factory() is None


def test_what_libraries_complain_of_stands_in_the_log(tmp_path: Path) -> None:
    """Not on stderr, where it would be neither a line of JSON nor free of keys."""
    named = [logging.getLogger(name) for name in ("voicechat", "uvicorn.error", "asyncio", "python_multipart")]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in named]
    try:
        start_logging(False, tmp_path / "log")
        logging.getLogger("python_multipart.multipart").warning("Expected boundary character 45, got 103")
        named[0].handlers[0].close()
    finally:
        for logger, (handlers, propagate, level) in zip(named, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
    assert json.loads((tmp_path / "log").read_text())["logger"] == "python_multipart.multipart"
