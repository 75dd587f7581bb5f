"""Tokens, counted once: per response as the service reports them, and their sum."""

from voicechat.conversation.notices import UsageNotice
from voicechat.realtime.events import Usage


class UsageMeter:
    """Cached tokens are part of the input (openai-realtime, section 9): they are shown, not added."""

    def __init__(self) -> None:
        self._input = 0
        self._output = 0

    def add(self, turn: int, usage: Usage) -> UsageNotice:
        self._input += usage.input_tokens
        self._output += usage.output_tokens
        return UsageNotice(
            turn,
            usage.input_tokens,
            usage.output_tokens,
            usage.cached_tokens,
            usage.input_audio_tokens,
            usage.output_audio_tokens,
            self._input,
            self._output,
        )
