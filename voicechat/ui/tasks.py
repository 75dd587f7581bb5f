"""Running two things side by side without losing the failure of either."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def run_beside(main: Coroutine[Any, Any, None], side: Coroutine[Any, Any, None]) -> None:
    """Run `main` to its end, and `side` at most as long. The first failure of either ends both and is raised."""
    task, other = asyncio.create_task(main), asyncio.create_task(side)
    running = {task, other}
    try:
        while not task.done():
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
    finally:
        task.cancel()
        other.cancel()
        await asyncio.gather(task, other, return_exceptions=True)
