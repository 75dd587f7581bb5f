"""`voicechat serve` before a scripted service, and a client that talks to it: a tool call, an interruption, a file.

    python -m benchmarks.clients COMMAND ARGUMENTS...     (each script in this folder says which)

The command is started with `GATEWAY` (host and port) and `QUESTION` (a spoken question, s16le mono at 24 kHz) in its
environment. Behind the model `any` a turn of speech is answered by a call of the tool `weather`, then by a sentence;
the next one by an answer of eight seconds, and whatever interrupts that by "All right.". `offline` is the engine, which
reads aloud. At the end stands what the service was told of the interruption, and what it refused.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from tests.gateway import served
from tests.realtime_server import RealtimeServer, Reply, Script, ToolUse
from tests.recordings import QUESTION, pcm, speech, trimmed

RATE_HZ = 24_000
WEATHER = "It is sunny in Paris."
LONG = "Tomorrow will be cloudy, with a chance of rain in the evening and some wind from the sea, at night."


async def main(command: list[str]) -> int:
    call = Reply(tools=(ToolUse("weather", '{"city": "Paris"}'),))
    replies = (call, Reply(WEATHER), Reply(LONG, seconds=8.0), Reply("All right."))
    script = Script(replies=replies, heard=("How is the weather in Paris?", "And tomorrow?", "Stop."))
    with tempfile.TemporaryDirectory() as folder:
        question, config = Path(folder) / "question.raw", Path(folder) / "config.toml"
        question.write_bytes(pcm(trimmed(speech(QUESTION, RATE_HZ))) + bytes(2 * RATE_HZ))
        async with RealtimeServer("ga", script=script) as service:
            config.touch(0o600)
            config.write_text(f'[providers.newapi]\nurl = "{service.url}"\ndialect = "ga"\nmodel = "any"\n')
            async with served(config, aliases={"any": "newapi/any"}) as server:
                known = {"GATEWAY": f"127.0.0.1:{server.port}", "QUESTION": str(question)}
                client = await asyncio.create_subprocess_exec(*command, env=os.environ | known)
                code = await client.wait()
            for cut in service.received_of("conversation.item.truncate"):
                sys.stdout.write(f"the service was told: heard {cut['audio_end_ms']} ms\n")
            refused = [error["error"]["message"] for error in service.sent_of("error")]
            sys.stdout.write(
                f"told to cancel {len(service.received_of('response.cancel'))} times; refused: {refused}\n"
            )
    return code


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
