"""The name a service's support knows a connection by."""

import asyncio
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from voicechat.wire.network import ConnectRequest
from voicechat.wire.transport import HandshakeRefused
from voicechat.wire.websocket import WebSocketTransport


def trace(values: list[str], *, refuse: bool = False, header: str = "X-Log") -> str:
    def admit(connection: ServerConnection, _: Request) -> Response | None:
        return connection.respond(HTTPStatus.FORBIDDEN, "no") if refuse else None

    def name(_: ServerConnection, __: Request, response: Response) -> None:
        for value in values:
            response.headers["X-Log"] = value

    async def main() -> str:
        async with serve(
            lambda socket: socket.wait_closed(), "127.0.0.1", 0, process_request=admit, process_response=name
        ) as server:
            port: Any = next(iter(server.sockets)).getsockname()[1]
            transport = WebSocketTransport(ConnectRequest(f"ws://127.0.0.1:{port}", trace_header=header))
            assert transport.trace == ""
            if refuse:
                with pytest.raises(HandshakeRefused):
                    await transport.connect()
            else:
                await transport.connect()
            await transport.close()
            return transport.trace

    return asyncio.run(main())


@pytest.mark.parametrize("refuse", [False, True], ids=["accepted", "refused"])
def test_it_is_read_from_the_answer(refuse: bool) -> None:
    assert trace(["abc-1"], refuse=refuse) == "X-Log abc-1"


def test_one_of_two_is_enough_and_none_is_fine() -> None:
    assert trace(["one", "two"]) == "X-Log one"
    assert trace([]) == ""
    assert trace(["abc"], header="") == ""


def test_it_is_no_way_into_the_terminal() -> None:
    assert trace(["x" * 500]) == "X-Log " + "x" * 100
    assert trace(["\x9b31m"]) == ""
