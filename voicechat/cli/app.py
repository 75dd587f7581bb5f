"""The Typer application and the one place where errors become exit codes."""

import os
import sys

import typer

from voicechat import __version__
from voicechat.cli import config, demo, devices, doctor, manual, providers, say, speak, vad, voices
from voicechat.errors import VoicechatError

app = typer.Typer(
    name="voicechat",
    help="Talk with any realtime speech model from a terminal, on open speakers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"voicechat {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Talk with any realtime speech model from a terminal, on open speakers."""


# --- Talking ---
app.command("vad")(vad.vad)
app.command("manual")(manual.manual)
app.command("say")(say.say)
app.command("speak")(speak.speak)
app.command("demo")(demo.demo)

# --- Looking around ---
app.command("devices")(devices.devices)
app.command("doctor")(doctor.doctor)
app.command("providers")(providers.providers)
app.command("voices")(voices.voices)
app.add_typer(config.app, name="config")


def _fill_missing_streams() -> None:
    """Started without stdin, stdout or stderr (`<&-`, a daemon): nothing in their place, in the order of their fds."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open until the end


def main() -> None:
    """Run the program: every known error is one or two lines on stderr and its documented exit code."""
    _fill_missing_streams()
    try:
        app()
    except VoicechatError as error:
        typer.echo(f"voicechat: {error.message}", err=True)
        if error.hint:
            typer.echo(f"  {error.hint}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # a mistake of ours: the user gets a line, and the details when asked for
        if {"-v", "--verbose"} & set(sys.argv):
            raise
        typer.echo(f"voicechat: this should not have happened: {type(error).__name__}: {error}", err=True)
        typer.echo(
            "  Run it again with -v (where the command has it) for the details, and please report them.", err=True
        )
        sys.exit(1)
