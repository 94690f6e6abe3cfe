"""Large querysets as streams: JSON arrays and JSON lines, a chunk of rows at a time."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import TypeAdapter
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse

from .contents import Source, is_queryset, without_manager
from .definitions import Definition
from .encoding import Encoder, encoder_of
from .instances import read_chunks
from .planning import plan_query
from .rows import read_row_chunks

CHUNK_SIZE: Final = 2000


class JSONArrayStream(StreamingResponse):
    """A response that is a JSON array of what a queryset gives, read while it is sent.

    ::

        @api.get("/cities", response_model=list[CityOut])
        def cities() -> JSONArrayStream:
            return JSONArrayStream(CityOut, City.objects.all())

    The database is asked when the first byte is sent, on the request's thread, which stays with the request until the
    last. Memory holds one chunk of rows.

    Args:
        schema: The schema of an item.
        queryset: The queryset. It is not evaluated, and nothing of it is kept.
        chunk_size: How many rows are read and written at once.
        headers: More headers.
        background: What to run after the last byte.
    """

    media_type = "application/json"

    def __init__(
        self,
        schema: type[Definition],
        queryset: Source,
        *,
        chunk_size: int = CHUNK_SIZE,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        body = self._body(schema, queryset, chunk_size)
        super().__init__(body, headers=headers, background=background)

    @staticmethod
    def _body(schema: type[Definition], queryset: Any, chunk_size: int) -> Iterator[bytes]:
        start = b"["
        for values, encoder in _chunks(schema, queryset, chunk_size):
            # The brackets of each chunk go; between two of them stands a comma.
            yield start + encoder.encode(values, by_alias=True)[1:-1]
            start = b","
        yield b"[]" if start == b"[" else b"]"


class JSONLinesStream(JSONArrayStream):
    """A response with one JSON object a line, read while it is sent; otherwise as `JSONArrayStream`."""

    media_type = "application/jsonl"

    @staticmethod
    def _body(schema: type[Definition], queryset: Any, chunk_size: int) -> Iterator[bytes]:
        for values, encoder in _chunks(schema, queryset, chunk_size):
            yield b"".join([encoder.encode([value], by_alias=True)[1:-1] + b"\n" for value in values])


def _chunks(schema: type[Definition], queryset: Any, chunk_size: int) -> Iterator[tuple[list[Any], Any]]:
    """Yield the values of a queryset in chunks that are not empty, and what encodes a list of them."""
    queryset = without_manager(queryset)
    annotation: Any = list[schema]  # type: ignore[valid-type]
    if is_queryset(queryset):
        rows = read_row_chunks(plan_query(schema, queryset.model), queryset, chunk_size)
        if rows is not None:
            for values in rows:
                yield values, encoder_of(annotation)
            return
    encoder = Encoder(TypeAdapter(annotation).serializer)
    for objects in read_chunks(schema, queryset, chunk_size):
        yield objects, encoder
