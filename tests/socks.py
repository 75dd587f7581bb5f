"""A SOCKS5 proxy after RFC 1928, with user and password after RFC 1929: CONNECT only."""

import contextlib
import socket
import threading
from types import TracebackType

from tests.tunnel import pump

NONE, BY_NAME, NOTHING_FITS = 0, 2, 0xFF
IPV4, NAME, IPV6 = 1, 3, 4


class SocksProxy:
    """Takes every connection to `port` on loopback, whatever is asked for. A context manager.

    `asked` are the hosts and ports that clients wanted, `users` what they called themselves. With `login` a client
    must give just that; `refuse` is the reply instead of a connection; `babble` is said in place of any answer.
    """

    def __init__(self, port: int = 0, *, login: tuple[str, str] | None = None, refuse: int = 0, babble: bytes = b""):
        self.asked: list[tuple[str, int]] = []
        self.users: list[tuple[str, str]] = []
        self._to = port
        self._login = login
        self._refuse = refuse
        self._babble = babble
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="socks proxy")]

    def __enter__(self) -> "SocksProxy":
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for end in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._sockets):
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            thread = threading.Thread(target=self._serve, args=(client,), name="socks client")
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            if self._greeted(client) and self._connected(client):
                server = socket.create_connection(("127.0.0.1", self._to))
                self._sockets.append(server)
                back = threading.Thread(target=pump, args=(server, client), name="socks way back")
                self._threads.append(back)
                back.start()
                pump(client, server)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def _greeted(self, client: socket.socket) -> bool:
        version, count = exactly(client, 2)
        methods = exactly(client, count)
        if self._babble:
            client.sendall(self._babble)
            return False
        wanted = BY_NAME if self._login else NONE
        if version != 5 or wanted not in methods:
            client.sendall(bytes([5, NOTHING_FITS]))
            return False
        client.sendall(bytes([5, wanted]))
        if self._login:
            _, size = exactly(client, 2)
            user = exactly(client, size).decode()
            password = exactly(client, exactly(client, 1)[0]).decode()
            self.users.append((user, password))
            right = self._login == (user, password)
            client.sendall(bytes([1, 0 if right else 1]))
            return right
        return True

    def _connected(self, client: socket.socket) -> bool:
        _, command, _, kind = exactly(client, 4)
        assert command == 1, "CONNECT"
        if kind == NAME:
            host = exactly(client, exactly(client, 1)[0]).decode()
        else:
            family, size = (socket.AF_INET, 4) if kind == IPV4 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, exactly(client, size))
        self.asked.append((host, int.from_bytes(exactly(client, 2), "big")))
        client.sendall(bytes([5, self._refuse, 0, IPV4, 0, 0, 0, 0, 0, 0]))
        return not self._refuse


def exactly(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = client.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
