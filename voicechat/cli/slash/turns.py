"""Commands about turns: the microphone, who begins them, and what becomes of the answers."""

from voicechat.cli.slash.command import Desk
from voicechat.errors import UsageError


def mute(desk: Desk, argument: str) -> None:
    _mute(desk, True)


def unmute(desk: Desk, argument: str) -> None:
    _mute(desk, False)


def _mute(desk: Desk, muted: bool) -> None:
    desk.talk.sound.mute(muted)
    desk.talk.warn("mute", "The microphone is muted." if muted else "The microphone is open.")


def push_to_talk(desk: Desk, argument: str) -> None:
    """Without an argument: the other way than now."""
    wanted = {"": desk.mode == "vad", "on": True, "off": False}.get(argument.lower())
    if wanted is None:
        raise UsageError(f"/ptt {argument[:40]}: what is that?", "/ptt on, /ptt off, or /ptt for the other than now.")
    if wanted is (desk.mode == "manual"):
        desk.tell("It is so already." if wanted else "It is hands free already.")
    else:
        desk.talk.changes.take_turns(hands_free=not wanted)


def cancel(desk: Desk, argument: str) -> None:
    """The answer that is running, or the turn that is being spoken; with a number the task that has it."""
    session = desk.talk.session
    if argument:
        if not (argument.isascii() and argument.isdigit()):
            raise UsageError(f"/cancel {argument[:40]}: that is no number.", "/tasks lists them.")
        desk.tell(desk.workshop.cancel(int(argument)))
        return
    if session.recording:
        session.drop_turn()
        desk.tell("What you said is dropped.")
    else:
        session.interrupt()


def retry(desk: Desk, argument: str) -> None:
    if not desk.talk.changes.answer_again():
        raise UsageError("There is nothing to answer once more yet.", "Say or type something first.")


def clear(desk: Desk, argument: str) -> None:
    desk.talk.changes.begin_afresh()


def leave(desk: Desk, argument: str) -> None:
    desk.talk.quit(0)
