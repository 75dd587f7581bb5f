"""`voicechat serve`: the gateway, and its tokens."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicechat.cli import serve_tokens
from voicechat.cli.options import Insecure
from voicechat.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from voicechat.config import Loaded
    from voicechat.config.settings import ServeToken
    from voicechat.serve.gateway import Gateway
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
    as_json: Annotated[bool, typer.Option("--json", help="Say where it listens as one JSON object.")] = False,
    config: ConfigFile = None,
    insecure: Insecure = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every session, on stderr.")] = False,
    log_file: Annotated[Path | None, typer.Option(help="Log into a file, one JSON object a line.")] = None,
) -> None:
    """Serve the offline engine and every service that is set up, to any client of the OpenAI Realtime protocol."""
    if context.invoked_subcommand is not None:
        return
    import asyncio

    from voicechat.config import load

    _require()
    from voicechat.serve.logs import start_logging
    from voicechat.serve.server import Address
    from voicechat.serve.server import serve as run

    start_logging(verbose, log_file)
    loaded = load(config)
    settings = loaded.settings.serve
    address = Address(
        settings.host if host is None else host,
        settings.port if port is None else port,
        settings.cert if cert is None else cert,
        settings.key if key is None else key,
    )
    _check(loaded, address)
    gateway = _gateway(loaded, config, insecure)

    def listening(found: Address) -> None:
        _say(found, gateway.models.names(), as_json)

    code = asyncio.run(run(gateway, address, listening))
    if code:
        raise typer.Exit(code)


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


def _gateway(loaded: "Loaded", config: Path | None, insecure: bool) -> "Gateway":
    import os

    from voicechat.config import load
    from voicechat.serve.gateway import Gateway, Limits
    from voicechat.serve.models import Models
    from voicechat.serve.tokens import Tokens

    settings = loaded.settings.serve
    places = settings.offline_sessions
    limits = Limits(
        sessions=settings.max_sessions,
        offline_sessions=2 * (os.cpu_count() or 1) if places is None else places,
        session_s=settings.session_minutes * 60,
        drain_s=settings.drain_s,
    )
    models = Models(loaded, settings.models, insecure)

    def tokens() -> "Mapping[str, ServeToken]":
        return load(config).settings.serve.tokens

    return Gateway(models, Tokens(settings.tokens, loaded.path, tokens), limits, origins=tuple(settings.origins))


def _say(address: "Address", models: list[str], as_json: bool) -> None:
    if as_json:
        import json

        typer.echo(json.dumps({"type": "serving", "url": address.url, "port": address.port, "models": models}))
        return
    typer.echo(address.url)
    shown = ", ".join(models[:3]) + (f" and {len(models) - 3} more" if len(models) > 3 else "")
    typer.echo(f"Serving {shown or 'nothing: no model is set up'}. Ctrl-C ends it.", err=True)
