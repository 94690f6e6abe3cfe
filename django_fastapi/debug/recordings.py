"""The body of a request as it passed, for the page of an error: by then it has been read."""

from typing import Final

from django_fastapi.types import Message, Receive, Scope

_KEY: Final = "django_fastapi.recorded_body"
_LONGEST: Final = 2**22  # more than Django takes of anything but files, unless the settings say otherwise


class RecordedBody:
    """What has come of a body so far, its first 4 MiB.

    Attributes:
        content: The bytes.
        size: How many have come.
    """

    __slots__ = ("content", "size")

    def __init__(self) -> None:
        self.content: bytearray = bytearray()
        self.size: int = 0

    @property
    def is_cut(self) -> bool:
        """Whether there was more than is kept."""
        return self.size > len(self.content)

    def add(self, chunk: bytes) -> None:
        """Keep a piece of the body, if it is among the first."""
        self.size += len(chunk)
        if len(self.content) < _LONGEST:
            self.content += chunk[: _LONGEST - len(self.content)]


def record_body(scope: Scope, receive: Receive) -> Receive:
    """Return a `receive` that records what it hands on; all later copies of the scope know of it."""
    recorded = scope[_KEY] = RecordedBody()

    async def recording_receive() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            recorded.add(message.get("body", b""))
        return message

    return recording_receive


def recorded_body(scope: Scope) -> RecordedBody | None:
    """Return what was recorded of a request's body; None if nobody did."""
    recorded: object = scope.get(_KEY)
    return recorded if isinstance(recorded, RecordedBody) else None
