"""`voicechat serve`: the gateway, and its tokens."""

from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicechat.cli import serve_tokens
from voicechat.cli.options import Insecure
from voicechat.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from voicechat.config import Loaded
    from voicechat.config.settings import ServeToken
    from voicechat.serve.gateway import Gateway
    from voicechat.serve.models import Models
    from voicechat.serve.server import Address

app = typer.Typer(help="One voice gateway in front of every engine and service.")

app.add_typer(serve_tokens.app, name="token")

ConfigFile = Annotated[Path | None, typer.Option("--config", help="Configuration file.", metavar="FILE")]
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on (127.0.0.1).", show_default=False)] = None,
    port: Annotated[
        int | None, typer.Option(help="Port (8765); 0 takes a free one.", min=0, max=65535, show_default=False)
    ] = None,
    cert: Annotated[str | None, typer.Option(help="Certificate (PEM) for TLS.", metavar="FILE")] = None,
    key: Annotated[str | None, typer.Option(help="Its private key (PEM).", metavar="FILE")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that share the port (1).", min=1, max=256, show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Say where it listens as one JSON object.")] = False,
    config: ConfigFile = None,
    insecure: Insecure = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every session, on stderr.")] = False,
    log_file: Annotated[Path | None, typer.Option(help="Log into a file, one JSON object a line; - is stderr.")] = None,
) -> None:
    """Serve the offline engine and every service that is set up, to any client of the OpenAI Realtime protocol."""
    if context.invoked_subcommand is not None:
        return
    from voicechat.config import load

    _require()
    loaded = load(config)
    settings = loaded.settings.serve
    count = settings.workers if workers is None else workers
    with _shared_folder(loaded, count) as shared:
        from voicechat.serve.logs import start_logging
        from voicechat.serve.server import Address

        start_logging(verbose, log_file)
        address = Address(
            settings.host if host is None else host,
            settings.port if port is None else port,
            settings.cert if cert is None else cert,
            settings.key if key is None else key,
        )
        _check(loaded, address)
        code = _run(loaded, config, address, count, shared, insecure=insecure, as_json=as_json)
    if code:
        raise typer.Exit(code)


@contextmanager
def _shared_folder(loaded: "Loaded", workers: int) -> "Iterator[Path | None]":
    """Where workers find what the others have; None for one alone. Raises ConfigError where there cannot be several."""
    if workers == 1:
        yield None
        return
    import os
    import tempfile

    from voicechat.serve.workers import possible

    if not possible():
        raise ConfigError("This system has no way to share a port among processes.", "Leave --workers out.")
    if not loaded.settings.serve.redis.get_secret_value():
        raise ConfigError(
            "Several workers keep limits and keys together in Redis, and none is named.",
            'Set redis = "redis://HOST:6379/0" below [serve], or leave --workers out.',
        )
    with tempfile.TemporaryDirectory(prefix="voicechat-serve-", ignore_cleanup_errors=True) as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # before anybody imports that library
        yield Path(folder)


def _run(
    loaded: "Loaded", config: Path | None, address: "Address", count: int, shared: Path | None,
    *, insecure: bool, as_json: bool,
) -> int:  # fmt: skip
    """Serve until the end; the exit code."""
    from dataclasses import replace

    from voicechat.serve.metrics import forget_worker
    from voicechat.serve.server import bind, run, serve
    from voicechat.serve.workers import supervise

    listener = bind(address)
    found = replace(address, port=listener.getsockname()[1])
    models = _models(loaded, insecure)
    for line in models.origins():
        typer.echo(line, err=True)
    say = partial(_say, found, models.names(), as_json)

    async def alone() -> int:
        return await serve(_gateway(loaded, config, models, 1, None), found, listener, say)

    async def one_of_many(life: int) -> int:
        return await serve(_gateway(loaded, config, models, count, shared), found, listener, life=life)

    if count == 1:
        return run(alone())
    return supervise(count, lambda life: run(one_of_many(life)), say, forget_worker)


def _require() -> None:
    from importlib.util import find_spec

    if not all(map(find_spec, ("starlette", "uvicorn", "prometheus_client"))):
        raise ConfigError("The server is not installed.", "In voicechat's folder: pip install '.[serve]'")


def _check(loaded: "Loaded", address: "Address") -> None:
    if address.host not in LOOPBACK and not loaded.settings.serve.tokens:
        raise ConfigError(
            f"Whoever reaches {address.host} could talk at your expense: there is no token yet.",
            "`voicechat serve token create NAME` makes one; or listen on 127.0.0.1.",
        )
    if bool(address.cert) != bool(address.key):
        raise ConfigError("TLS takes a certificate and its key.", "Give both, --cert FILE and --key FILE.")
    if address.cert:
        import ssl

        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(address.cert, address.key)
        except OSError as error:  # an SSLError is one
            reason = getattr(error, "reason", None) or error.strerror or error
            message = f"{address.cert} and {address.key} are no certificate and its key: {reason}."
            raise ConfigError(message, "--cert and --key take PEM files.") from error


def _models(loaded: "Loaded", insecure: bool) -> "Models":
    from voicechat.serve.models import Models

    return Models(loaded, loaded.settings.serve.models, insecure)


def _gateway(loaded: "Loaded", config: Path | None, models: "Models", workers: int, shared: Path | None) -> "Gateway":
    """Each of several workers takes its share of this machine's places."""
    import os

    from voicechat.config import load
    from voicechat.serve.gateway import Gateway, Limits
    from voicechat.serve.shared import open_store
    from voicechat.serve.tokens import Tokens

    settings = loaded.settings.serve
    places = settings.offline_sessions
    if places is None:
        places = 2 * (os.cpu_count() or 1)
    limits = Limits(
        sessions=max(1, settings.max_sessions // workers),
        offline_sessions=max(1, places // workers) if places else 0,
        session_s=settings.session_minutes * 60,
        drain_s=settings.drain_s,
    )

    def tokens() -> "Mapping[str, ServeToken]":
        return load(config).settings.serve.tokens

    return Gateway(
        models,
        Tokens(settings.tokens, loaded.path, tokens),
        limits,
        store=open_store(settings.redis.get_secret_value()),
        origins=tuple(settings.origins),
        folder=shared,
    )


def _say(address: "Address", models: list[str], as_json: bool) -> None:
    if as_json:
        import json

        typer.echo(json.dumps({"type": "serving", "url": address.url, "port": address.port, "models": models}))
        return
    typer.echo(address.url)
    shown = ", ".join(models[:3]) + (f" and {len(models) - 3} more" if len(models) > 3 else "")
    typer.echo(f"Serving {shown or 'nothing: no model is set up'}. Ctrl-C ends it.", err=True)
