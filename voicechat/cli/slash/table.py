"""Every slash command: its name, what it does in one line, how it is completed, and who does it.

A line stands in `/help` beside the name, on 80 columns: it has at most 42 characters. docs/commands.md says more.
"""

from voicechat.cli.slash import assistant, completing, keeping, looking, showing, turns
from voicechat.cli.slash.command import Command, Mode

COMMANDS = (
    Command(
        "/help", "this list", lambda desk, argument: looking.helped(desk, argument, there(desk.mode)), others=("/?",)
    ),
    Command(
        "/voice", "another voice", assistant.voice, "[NAME]", completing.names(assistant.voices_of)
    ),
    Command(
        "/persona", "another persona of the configuration", assistant.persona, "[NAME]",
        completing.names(assistant.personas_of),
    ),
    Command("/instructions", "what the assistant is told to be", assistant.instructions, "[TEXT]"),
    Command(
        "/image", "show a picture, or the clipboard's", showing.image, "[FILE] [QUESTION]", completing.pictures
    ),
    Command("/screenshot", "show the screen", showing.screenshot, "[QUESTION]"),
    Command("/mute", "close the microphone", turns.mute),
    Command("/unmute", "open the microphone", turns.unmute),
    Command(
        "/ptt", {"vad": "talk on Enter, no longer hands free", "manual": "talk hands free, no longer on Enter"},
        turns.push_to_talk,
    ),
    Command(
        "/cancel", {"vad": "silence the answer", "manual": "drop the answer, or your turn"}, turns.cancel,
        "[TASK]", others=("/stop",),
    ),
    Command("/retry", "answer the last turn once more", turns.retry),
    Command("/clear", "forget what was said, begin afresh", turns.clear),
    Command("/save", "keep it from now on", keeping.save, "[FOLDER]", completing.folders),
    Command("/export", "write down what was said so far", keeping.export, "[FILE]", completing.files),
    Command("/tools", "what the assistant can call", looking.tools),
    Command("/tasks", "tools that run now, with their numbers", looking.tasks),
    Command("/stats", "what it took and cost, and how fast it was", looking.stats),
    Command("/doctor", "how sound and connection are doing", looking.doctor),
    Command("/quit", "end the conversation", turns.leave, others=("/exit", "/bye")),
)  # fmt: skip


def there(mode: Mode) -> list[Command]:
    """The commands of this mode, in the order of `/help`."""
    return [command for command in COMMANDS if command.line(mode) is not None]
