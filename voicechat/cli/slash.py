"""What a line typed during a conversation means: a turn, an empty line, or a slash command."""

from voicechat.conversation.talk import Talk
from voicechat.ui.wording import stats

HELP = (
    "Enter: begin or end your turn, or interrupt · text: a typed turn · "
    "/mute /unmute · /stop: silence the answer · /stats · /quit"
)


class Controls:
    """The user's side of a view, wired to the conversation."""

    def __init__(self, talk: Talk, *, patient: bool = False):
        """`patient`: lines come from a pipe, so each waits for the answer to the one before."""
        self._talk = talk
        self._patient = patient

    def submit(self, line: str) -> None:
        with self._talk.watched():
            self._submit(line)

    def _submit(self, line: str) -> None:
        word = line.strip()
        if not word.startswith("/"):
            self._talk.submit(line, patient=self._patient)
        elif word in ("/help", "/?"):
            self._talk.warn("help", HELP)
        elif word in ("/mute", "/unmute"):
            self._talk.sound.mute(word == "/mute")
            self._talk.warn("mute", "The microphone is muted." if self._talk.sound.muted else "The microphone is open.")
        elif word == "/stats":
            self._talk.warn("stats", stats(self._talk.usage, self._talk.elapsed_s))
        elif word == "/stop":
            self._talk.interrupt()
        elif word in ("/quit", "/exit", "/bye"):
            self._talk.quit(0)
        else:
            self._talk.warn("command", f"There is no command {word.split()[0]}. {HELP}")

    def interrupt(self) -> None:
        with self._talk.watched():
            self._talk.interrupt()

    def quit(self) -> None:
        self._talk.quit()

    def end_of_input(self) -> None:
        self._talk.input_over()
