"""What may stand between a client and a server: an end of TLS, or an HTTP proxy that takes CONNECT."""

import contextlib
import socket
import ssl
import struct
import threading
from types import TracebackType


class Tunnel:
    """Passes the bytes of every connection on to `port` on loopback, as they are. A context manager.

    `certificate`: a PEM file; then clients speak TLS to it. `proxy`: clients send CONNECT first; `asked` are the
    heads of these requests. Whatever they ask for, they get `port`.
    """

    def __init__(self, port: int, *, certificate: str = "", proxy: bool = False):
        self.asked: list[str] = []
        self._to = port
        self._proxy = proxy
        self._context: ssl.SSLContext | None = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._clients: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="tunnel")]

    def __enter__(self) -> "Tunnel":
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

    def reset(self) -> None:
        """End every client's connection by RST, whatever TLS is in the middle of."""
        clients, self._clients = self._clients, []
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RD)  # wakes the thread that reads it, which closes it

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            thread = threading.Thread(target=self._serve, args=(client,), name="tunnel's client")
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        try:
            if self._context is not None:
                client = self._context.wrap_socket(client, server_side=True)
                self._sockets.append(client)
            if self._proxy:
                head = b""
                while b"\r\n\r\n" not in head:
                    data = client.recv(4096)
                    if not data:
                        return
                    head += data
                self.asked.append(head.decode())
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            server = socket.create_connection(("127.0.0.1", self._to))
        except OSError:  # a client that does not like the certificate
            return
        self._sockets.append(server)
        self._clients.append(client)
        back = threading.Thread(target=pump, args=(server, client), name="tunnel's way back")
        self._threads.append(back)
        back.start()
        pump(client, server)


ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER on, 0 s: close() sends RST."""


def pump(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes on until one end is closed, which closes the other."""
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    for end in (one, other):
        with contextlib.suppress(OSError):
            if end.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(ABORT)) == ABORT:
                end.close()
            else:
                end.shutdown(socket.SHUT_RDWR)
