"""The user's side of a view, wired to the conversation."""

import difflib

from voicechat.cli.slash.command import Command, Desk, Mode, Origin
from voicechat.conversation.talk import Talk
from voicechat.errors import UsageError, VoicechatError


class Controls:
    """Implements `ui.base.Controls`."""

    def __init__(self, talk: Talk, *, patient: bool = False, origin: Origin | None = None):
        """`patient`: lines come from a pipe, so each waits for the answer to the one before."""
        self.desk = Desk(talk, origin)
        self._talk = talk
        self._patient = patient

    def submit(self, line: str) -> None:
        with self._talk.watched():
            word = line.strip()
            if word.startswith("/"):
                self._talk.lines.submit(word, patient=self._patient, command=lambda: self._run(word))
            else:
                self._talk.submit(line, patient=self._patient)

    def _run(self, line: str) -> None:
        name, _, argument = line.partition(" ")
        try:
            self._named(name).run(self.desk, argument.strip())
        except VoicechatError as error:
            self.desk.refuse(error)

    def _named(self, name: str) -> Command:
        """Raises UsageError, with the nearest that there is, for a command that is none in this mode."""
        from voicechat.cli.slash.table import COMMANDS, there

        mode = self.desk.mode
        named = {each: command for command in COMMANDS for each in (command.name, *command.others)}
        command = named.get(name.lower())
        if command is not None and command.line(mode) is not None:
            return command
        known = [each.removeprefix("/") for each in named if named[each] in there(mode)]
        near = difflib.get_close_matches(name.lower().removeprefix("/"), known, n=1)
        hint = f"Did you mean /{near[0]}?" if near else "/help lists them."
        raise UsageError(f"There is no command {name[:40]}{'' if command is None else ' here'}.", hint)

    def complete(self, text: str) -> list[str]:
        """What `text` may go on to be: whole lines, sorted; none where there is nothing to complete."""
        from voicechat.cli.slash.table import COMMANDS, there

        if not text.startswith("/"):
            return []
        name, space, argument = text.partition(" ")
        mode: Mode = self.desk.mode
        if not space:
            found = [f"{each.name} " if each.usage else each.name for each in there(mode) if each.name.startswith(name)]
            return sorted(found)
        for command in COMMANDS:
            if name in (command.name, *command.others) and command.line(mode) is not None:
                return [f"{name} {each}" for each in command.complete(self.desk, argument)]
        return []

    def interrupt(self) -> None:
        with self._talk.watched():
            self._talk.interrupt()

    def hold(self, down: bool) -> None:
        """The key that is held while one talks went down, or up again."""
        with self._talk.watched():
            self._talk.lines.hold(down)

    def quit(self) -> None:
        self._talk.quit()

    def end_of_input(self) -> None:
        self._talk.input_over()
