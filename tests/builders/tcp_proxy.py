"""A TCP proxy on loopback that misbehaves on demand: silent, or cut off after certain bytes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CHUNK = 65536


class TcpProxy:
    """While `silent`, bytes are taken and lost. Once a client's bytes hold `cut_after`, they are
    still passed on, and what the server has answered to them is lost with the connection."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._listener]
        self.silent = False
        self.cut_after: bytes | None = None
        self.n_cut = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    def close(self) -> None:
        for open_socket in self._sockets:
            _close(open_socket)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target)
        except OSError:
            _close(client)
            return
        self._sockets.append(server)
        threading.Thread(target=self._answer, args=(server, client), daemon=True).start()
        with suppress(OSError):
            while chunk := client.recv(_CHUNK):
                if self.silent:
                    continue
                if self.cut_after is not None and self.cut_after in chunk:
                    self._cut(chunk, client, server)
                    break
                server.sendall(chunk)
        _close(server)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while chunk := server.recv(_CHUNK):
                if self.silent:
                    continue
                client.sendall(chunk)
        _close(client)

    def _cut(self, chunk: bytes, client: socket.socket, server: socket.socket) -> None:
        self.cut_after = None
        client.shutdown(socket.SHUT_RDWR)
        self.n_cut += 1
        server.sendall(chunk)
        # The server must have read it before it sees the end
        server.shutdown(socket.SHUT_WR)


@contextmanager
def running_tcp_proxy(host: str, port: int) -> Iterator[TcpProxy]:
    proxy = TcpProxy(host, port)
    try:
        yield proxy
    finally:
        proxy.close()


def _close(open_socket: socket.socket) -> None:
    with suppress(OSError):
        open_socket.shutdown(socket.SHUT_RDWR)
    open_socket.close()
