"""A question to a chat endpoint, as the offline engine asks it."""

import logging
from collections.abc import Callable
from datetime import datetime

from voicechat.engine.answerer import Message
from voicechat.engine.chat import ChatAnswerer, ChatEndpoint
from voicechat.engine.companion import Companion

COMPANION = Companion(lambda: datetime(2026, 11, 20, 15, 4))
QUESTION = [Message("user", "what time is it")]


async def ask(
    endpoint: ChatEndpoint,
    history: list[Message] = QUESTION,
    instructions: str = "",
    tell: Callable[[str], None] = logging.getLogger(__name__).warning,
) -> list[str]:
    answerer = ChatAnswerer(endpoint, COMPANION, tell)
    try:
        return [piece async for piece in answerer.answer(history, instructions)]
    finally:
        await answerer.close()
