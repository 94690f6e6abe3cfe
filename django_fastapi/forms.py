"""A form that FastAPI has parsed, as Django's `POST` and `FILES`."""

import binascii
from base64 import b64decode
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from tempfile import SpooledTemporaryFile
from traceback import walk_tb
from typing import Any, BinaryIO, Final, TypeAlias, cast

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.datastructures import MultiValueDict
from django.utils.http import parse_header_parameters
from starlette.datastructures import FormData, UploadFile

from .content_types import is_of_text

Parsed: TypeAlias = tuple[QueryDict, MultiValueDict[str, "UploadedFile[Any]"]]

_CHUNK: Final = 2**16


def from_urlencoded(form: FormData) -> Parsed:
    """Return `POST` and `FILES` of a form of the kind that is UTF-8 and has no files.

    Args:
        form: What FastAPI has parsed.

    Raises:
        TooManyFieldsSent: There are more fields than `DATA_UPLOAD_MAX_NUMBER_FIELDS`.
        RequestDataTooBig: Names and values of the fields exceed `DATA_UPLOAD_MAX_MEMORY_SIZE`.
    """
    fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    _check_limits([len(_sent(name)) + len(_sent(value)) for name, value in fields], 0)
    return _post(fields, "utf-8"), MultiValueDict()


def from_multipart(form: FormData, charset: str, encoding: str) -> Parsed:
    """Return `POST` and `FILES` of a multipart form.

    The files are those of FastAPI, but for those in base64: what one side reads of a file, the other side does not read
    again without `seek(0)`, which Django's `chunks()` and `open()` do.

    Args:
        form: What FastAPI has parsed.
        charset: The one that the type of the form names, in which Starlette has read it.
        encoding: The one in which Django is to have it.

    Raises:
        TooManyFieldsSent: There are more fields than `DATA_UPLOAD_MAX_NUMBER_FIELDS`.
        TooManyFilesSent: There are more files than `DATA_UPLOAD_MAX_NUMBER_FILES`.
        RequestDataTooBig: Names and values of the fields exceed `DATA_UPLOAD_MAX_MEMORY_SIZE`.
        MultiPartParserError: A file is not in base64 although it says so.
    """
    if not is_of_text(charset):
        charset = "latin-1"  # Starlette's choice then
    fields: list[tuple[bytes, bytes | UploadFile]] = []
    uploads: list[tuple[bytes, bytes, UploadFile]] = []
    for text, value in form.multi_items():
        name = _sent(text, charset).strip()
        if isinstance(value, str):
            fields.append((name, _sent(value, charset)))
        elif file_name := _file_name(value, charset):
            uploads.append((name, file_name, value))
        else:  # of a file input in which nothing was chosen: a field for Django
            fields.append((name, value))
    _check_limits([len(name) + _size(value) for name, value in fields], len(uploads))
    read = partial(str, encoding=encoding, errors="replace")
    files: MultiValueDict[str, UploadedFile[Any]] = MultiValueDict()
    with ExitStack() as on_error:
        for name, file_name, upload in uploads:
            if file := _uploaded_file(upload, read(file_name), on_error):
                files.appendlist(read(name), file)
        on_error.pop_all()
    return _post([(read(name), read(_content(value))) for name, value in fields], encoding), files


def _sent(text: str, charset: str = "utf-8") -> bytes:
    """Return what was sent: Starlette takes for Latin-1 what is not in the charset."""
    try:
        return text.encode(charset)
    except UnicodeError:
        return text.encode("latin-1", "replace")


def _size(value: bytes | UploadFile) -> int:
    return len(value) if isinstance(value, bytes) else value.size or 0


def _content(value: bytes | UploadFile) -> bytes:
    if isinstance(value, bytes):
        return value
    if value.file.closed:  # FastAPI closes what it has parsed, and pages of errors read the form after that
        return b""
    with _from_start(value) as file:
        return file.read()


@contextmanager
def _from_start(upload: UploadFile) -> Generator[BinaryIO]:
    """Give the file of an upload at its beginning, and have it afterwards where it was."""
    position = upload.file.tell()
    upload.file.seek(0)
    try:
        yield upload.file
    finally:
        upload.file.seek(position)


def _post(fields: Iterable[tuple[str, str]], encoding: str) -> QueryDict:
    post = QueryDict(mutable=True, encoding=encoding)
    for name, value in fields:
        post.appendlist(name, value)
    post._mutable = False  # noqa: SLF001 (Django's own parser leaves it so, and there is no other way)
    return post


def _check_limits(sizes_of_fields: Sequence[int], number_of_files: int) -> None:
    if _exceeds(len(sizes_of_fields), settings.DATA_UPLOAD_MAX_NUMBER_FIELDS):
        raise TooManyFieldsSent("The number of fields exceeded settings.DATA_UPLOAD_MAX_NUMBER_FIELDS.")
    if _exceeds(number_of_files, settings.DATA_UPLOAD_MAX_NUMBER_FILES):
        raise TooManyFilesSent("The number of files exceeded settings.DATA_UPLOAD_MAX_NUMBER_FILES.")
    if _exceeds(sum(sizes_of_fields), settings.DATA_UPLOAD_MAX_MEMORY_SIZE):
        raise RequestDataTooBig("The fields exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE.")


def _exceeds(value: int, limit: int | None) -> bool:
    return limit is not None and value > limit


def _file_name(upload: UploadFile, charset: str) -> bytes:
    """Return the name of a file as it was sent: Django looks at `filename*`, which Starlette does not know."""
    _, disposition = _header(upload, "content-disposition")
    named = disposition.get("filename")
    return _sent(upload.filename or "", charset) if named is None else _sent(named)


def _uploaded_file(upload: UploadFile, file_name: str, on_error: ExitStack) -> "UploadedFile[Any] | None":
    """Return a file as Django has it; None if its name is none, where Django leaves the part out."""
    # A method that does not look at its parser.
    name = MultiPartParser.sanitize_file_name(cast("Any", None), file_name)
    if not name:
        return None
    file, size = upload.file, upload.size
    if _header(upload, "content-transfer-encoding")[0] == "base64" and not file.closed:
        file = on_error.enter_context(_decoded(upload))
        size = file.tell()
        file.seek(0)
    content_type, extra = _header(upload, "content-type")
    return UploadedFile(
        file,
        name,
        content_type=content_type,
        size=size,
        charset=extra.get("charset"),
        content_type_extra={key: value.encode() for key, value in extra.items()},
    )


def _header(upload: UploadFile, name: str) -> tuple[str, dict[str, str]]:
    """Return a header of a part and its parameters; as in Django none if it cannot be read."""
    try:
        return parse_header_parameters(upload.headers.get(name, "").encode("latin-1").decode())
    except (TypeError, ValueError):  # by what is wrong in a parameter (RFC 2231)
        return "", {}


def _decoded(upload: UploadFile) -> BinaryIO:
    """Return a file of its own, at its end, with what is in base64 in that of FastAPI.

    Raises:
        MultiPartParserError: It is not. Django answers 400.
    """
    with ExitStack() as on_error, _from_start(upload) as encoded:
        decoded = on_error.enter_context(SpooledTemporaryFile[bytes](max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE))
        rest = b""
        try:
            while chunk := encoded.read(_CHUNK):
                rest += b"".join(chunk.split())
                whole = len(rest) // 4 * 4
                decoded.write(b64decode(rest[:whole], validate=True))
                rest = rest[whole:]
            decoded.write(b64decode(rest, validate=True))
        except binascii.Error as error:
            raise MultiPartParserError("Could not decode base64 data.") from error
        on_error.pop_all()
    return cast("BinaryIO", decoded)


@contextmanager
def parsing() -> Generator[None]:
    """Have a part whose header cannot be read be an error of the form.

    Django's parser expects a `ValueError` of its parser of headers, which raises a `TypeError` for some of what can be
    wrong in a parameter (RFC 2231). One of a project's upload handlers is left alone.

    Raises:
        MultiPartParserError: There is such a part. Django answers 400.
    """
    try:
        yield
    except TypeError as error:
        if not any(frame.f_code is parse_header_parameters.__code__ for frame, _ in walk_tb(error.__traceback__)):
            raise
        raise MultiPartParserError("A header of a part cannot be read.") from error
