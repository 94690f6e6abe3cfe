"""HTTP/1.1 over a plain socket, for what no client library would send."""

import http.client
import select
import socket
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass

from .servers import Running


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def request(method: str, target: str, *headers: str, body: bytes = b"") -> bytes:
    """Return the bytes of a request as they are given: nothing is added but `Host`."""
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def read_answer(connection: socket.socket, method: str = "GET") -> Answer:
    """Read one answer and leave the connection open.

    Raises:
        http.client.HTTPException: What came is not a whole answer.
    """
    response = http.client.HTTPResponse(connection, method=method)
    with closing(response):
        response.begin()
        body = response.read()
        return Answer(response.status, response.headers, body)  # type: ignore[arg-type]


def send(server: Running, data: bytes, *, then_half_close: bool = False) -> Answer:
    """Send bytes on a new connection and read one answer.

    Raises:
        http.client.HTTPException: What came is not a whole answer.
    """
    with server.connect() as connection:
        connection.sendall(data)
        if then_half_close:
            connection.shutdown(socket.SHUT_WR)
        return read_answer(connection)


def send_anything(server: Running, data: bytes, *, patience: float = 0.5) -> int | None:
    """Send bytes that may not be a request, and return the status of the answer, or None if there is none.

    A server may wait for more of what it takes for a beginning; then the connection is half closed.
    """
    with server.connect() as connection:
        with suppress(ConnectionError):  # the answer may have come before the server closed
            connection.sendall(data)
        if not select.select([connection], [], [], patience)[0]:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        connection.settimeout(5)
        try:
            return read_answer(connection, data.split(b" ", 1)[0].decode("latin-1")).status
        except (OSError, http.client.HTTPException):
            return None
