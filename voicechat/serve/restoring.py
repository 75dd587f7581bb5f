"""What was said, told to a connection that has not heard it, in whatever form its service takes."""

from dataclasses import replace

from voicechat.conversation.history import Role, as_text
from voicechat.realtime import commands as cmd
from voicechat.realtime.capabilities import Capabilities
from voicechat.tools.calls import told_again


def configured_anew(config: cmd.SessionConfig, said: list[cmd.Command], can: Capabilities) -> cmd.SessionConfig:
    """With what was said among the instructions, where it cannot be put back as items."""
    if can.supports_restoring or not said:
        return config
    passage = as_text([(_role(item), item.text) for item in _told(said, can) if isinstance(item, cmd.SendText)])
    return replace(config, instructions=f"{config.instructions}\n\n{passage}".strip())


def put_back(said: list[cmd.Command], can: Capabilities) -> list[cmd.Command]:
    """The items, for a service that takes them; calls in words where it takes no calls."""
    return _told(said, can) if can.supports_restoring else []


def _told(said: list[cmd.Command], can: Capabilities) -> list[cmd.Command]:
    if can.supports_restoring and can.supports_call_items and can.supports_tools:
        return said
    calls = {item.call_id: item for item in said if isinstance(item, cmd.SendToolCall)}
    told: list[cmd.Command] = []
    for item in said:
        if isinstance(item, cmd.ToolResult) and (call := calls.get(item.call_id)) is not None:
            told += told_again(call, item.output, replace(can, supports_call_items=False))
        elif isinstance(item, cmd.SendText):
            told.append(item)
    return told


def _role(item: cmd.SendText) -> Role:
    return "assistant" if item.role == "assistant" else "user"
