"""The Typer application and the one place where errors become exit codes."""

import contextlib
import errno
import logging
import os
import sys
import threading

import typer

from voicechat import __version__
from voicechat.cli import (
    config,
    demo,
    devices,
    doctor,
    history,
    login,
    manual,
    models,
    providers,
    say,
    serve,
    setup,
    speak,
    vad,
    voices,
)
from voicechat.cli.options import TalkCommand
from voicechat.cli.program import ONE_TEXT, Program, mend_completion
from voicechat.cli.telling import tell
from voicechat.errors import UsageError, VoicechatError
from voicechat.redaction import redact
from voicechat.ui.text import clean

app = typer.Typer(
    name="voicechat",
    cls=Program,
    help="Talk with any realtime speech model from a terminal, on open speakers.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"voicechat {__version__}")
        raise typer.Exit


WELCOME = """\
voicechat demo      hear a conversation: no key, no microphone, no network
voicechat vad       talk, hands free; Ctrl-C ends
voicechat setup     choose a service and keep its key
voicechat doctor    check microphone, speaker, key and network"""


@app.callback()
def root(
    context: typer.Context,
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Talk with any realtime speech model from a terminal, on open speakers."""
    if context.invoked_subcommand is not None:
        return
    if sys.stdout.isatty():
        typer.echo(WELCOME)
        return
    typer.echo(context.get_help())
    raise typer.Exit(UsageError.exit_code)


# --- Talking ---
app.command("vad", cls=TalkCommand)(vad.vad)
app.command("manual", cls=TalkCommand)(manual.manual)
app.command("say", cls=TalkCommand, context_settings=ONE_TEXT)(say.say)
app.command("speak", context_settings=ONE_TEXT)(speak.speak)
app.command("demo")(demo.demo)

# --- Serving ---
app.add_typer(serve.app, name="serve")

# --- Looking around ---
app.command("devices")(devices.devices)
app.command("doctor")(doctor.doctor)
app.command("providers")(providers.providers)
app.command("voices")(voices.voices)
app.command("setup")(setup.setup)
app.command("login")(login.login)
app.command("logout")(login.logout)
app.add_typer(history.app, name="history")
app.add_typer(models.app, name="models")
app.add_typer(config.app, name="config")


def _fill_missing_streams() -> None:
    """Started without stdin, stdout or stderr (`<&-`, a daemon): nothing in their place, in the order of their fds."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open until the end


def main() -> None:
    """Run the program: every known error is one or two lines on stderr and its documented exit code."""
    _fill_missing_streams()
    if "_VOICECHAT_COMPLETE" in os.environ or sys.argv[1:2] in (["--install-completion"], ["--show-completion"]):
        mend_completion()
    try:
        _run()
    except SystemExit as end:
        _leave_at_once(end)
        raise


def _leave_at_once(end: SystemExit) -> None:
    """Where a thread hangs in a sound library: the interpreter's own end would tear it out of there and may abort."""
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("voicechat-")]
    if not ours or not isinstance(end.code, int):
        return
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(end.code)


def _run() -> None:
    try:
        app()
    except VoicechatError as error:
        _tell(error.message, error.hint)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - the last resort: no traceback for users, no key in what is printed
        if _hung_up():
            sys.exit(129)
        _tell(*_explain_unexpected(error))
        sys.exit(1)


def _hung_up() -> bool:
    """The window was closed: whatever failed, failed by that, a moment before SIGHUP came."""
    try:
        import termios
    except ImportError:  # Windows
        return False
    for fd in range(3):
        try:
            termios.tcgetattr(fd)
        except termios.error as error:
            if error.args[0] == errno.EIO:  # what is no terminal says something else
                return True
    return False


def _tell(message: str, hint: str) -> None:
    """One or two lines on stderr. Without one, nobody can be told. They may quote what a service said."""
    with contextlib.suppress(OSError):
        tell(f"voicechat: {clean(redact(message))}")
        if hint:
            tell(f"  {clean(redact(hint))}")


def _explain_unexpected(error: Exception) -> tuple[str, str]:
    """An error that nobody foresaw: its traceback goes where --verbose or --log-file send the log."""
    log = logging.getLogger("voicechat")
    text = (str(error).splitlines() or [""])[0]
    message = f"unexpected {type(error).__name__}{f': {text}' if text else ''}."
    if not log.isEnabledFor(logging.DEBUG):
        return message, "This is a fault of the program; --verbose shows where."
    log.debug("%s", message, exc_info=error)
    return message, "This is a fault of the program."
