"""What the user types during a conversation: turns, and the slash commands of docs/commands.md."""

from voicechat.cli.slash.controls import Controls

__all__ = ["Controls"]
