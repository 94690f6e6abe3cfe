"""A way to a database that can be cut and opened again."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

HOST = "127.0.0.1"
_CHUNK = 65536


class Proxy:
    """Passes on what comes to a port of its own, while it is open.

    Args:
        url: The address of the database.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._listener: socket.socket | None = None
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self._port: int = probe.getsockname()[1]

    @property
    def url(self) -> str:
        """The address of the database by way of the proxy."""
        user = f"{self._parts.netloc.rpartition('@')[0]}@" if "@" in self._parts.netloc else ""
        return self._parts._replace(netloc=f"{user}{HOST}:{self._port}").geturl()

    def open(self) -> None:
        """Let connections through."""
        self._listener = socket.create_server((HOST, self._port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Refuse connections, and end those that are open."""
        listener, self._listener = self._listener, None
        if listener is not None:
            _end(listener)
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                _end(end)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((self._parts.hostname or HOST, self._parts.port or 5432))
                self._pairs.append((client, server))
                threading.Thread(target=_pass_on, args=(client, server), daemon=True).start()


def _pass_on(client: socket.socket, server: socket.socket) -> None:
    other = {client: server, server: client}
    with suppress(OSError, ValueError):
        while True:
            for end in select.select(list(other), [], [])[0]:
                data = end.recv(_CHUNK)
                if not data:
                    return
                other[end].sendall(data)
    _end(client)
    _end(server)


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def closed_proxy(url: str) -> Iterator[Proxy]:
    """Give a proxy that is closed at first, and cut at the end."""
    proxy = Proxy(url)
    try:
        yield proxy
    finally:
        proxy.cut()
