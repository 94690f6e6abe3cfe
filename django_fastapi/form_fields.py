"""The fields of a multipart form, counted as they arrive."""

from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartCallbacks, MultipartParser, parse_options_header
else:
    # The extra `forms`. FastAPI registers no route that takes a form without it, so that nobody comes here.
    with suppress(ModuleNotFoundError):
        from python_multipart.exceptions import FormParserError
        from python_multipart.multipart import MultipartParser, parse_options_header

_SEPARATORS: Final = 2


class FieldCounter:
    """Count what the fields of a multipart form take of the memory; files go to the disk.

    FastAPI limits each field and their number, Django the bytes of all fields and their names (and two for each, as
    `&` and `=` take in the other encoding). The parser is the one that FastAPI's form parser is made of, and what makes
    a part a file is the same here as there, so they never disagree. What is no form is counted as a whole.

    Args:
        content_type: The `Content-Type` of the body.
    """

    def __init__(self, content_type: str) -> None:
        self.size: int = 0
        self._name = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._is_file = False
        self._parser = self._make_parser(content_type)

    def count(self, data: bytes) -> int:
        """Count the next bytes of the body; return how many the fields take by now."""
        if self._parser is None:
            self.size += len(data)
        else:
            try:
                self._parser.write(data)
            except FormParserError:
                # The form parser comes to the same byte next, and will answer 400; somebody else may read on.
                self._parser = None
        return self.size

    def _make_parser(self, content_type: str) -> "MultipartParser | None":
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin_part,
            "on_header_field": self._read_header_name,
            "on_header_value": self._read_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._read_data,
        }
        _, options = parse_options_header(content_type)
        try:
            return MultipartParser(options[b"boundary"], callbacks)
        except (KeyError, FormParserError):
            # Without a boundary, or with one too long, there is no form parser either.
            return None

    def _begin_part(self) -> None:
        self._disposition = b""

    def _read_header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _read_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if bytes(self._name).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._is_file = b"filename" in options
        if not self._is_file:
            self.size += len(options.get(b"name", b"")) + _SEPARATORS

    def _read_data(self, _data: bytes, start: int, end: int) -> None:
        if not self._is_file:
            self.size += end - start
