"""A form that FastAPI has parsed, as Django's `POST` and `FILES`."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from traceback import walk_tb
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.datastructures import MultiValueDict
from django.utils.http import parse_header_parameters
from starlette.datastructures import FormData, UploadFile


def from_form(form: FormData, encoding: str | None) -> tuple[QueryDict, MultiValueDict[str, "UploadedFile[Any]"]]:
    """Return `POST` and `FILES` of a form.

    The files are those of FastAPI: what one side reads of a file, the other side does not read again without `seek(0)`,
    which Django's `chunks()` and `open()` do.

    Args:
        form: What FastAPI has parsed.
        encoding: That of the request, if it names one.

    Raises:
        TooManyFieldsSent: There are more fields than `DATA_UPLOAD_MAX_NUMBER_FIELDS`.
        TooManyFilesSent: There are more files than `DATA_UPLOAD_MAX_NUMBER_FILES`.
        RequestDataTooBig: Names and values of the fields exceed `DATA_UPLOAD_MAX_MEMORY_SIZE`.
    """
    items = form.multi_items()
    fields = [(name, value) for name, value in items if isinstance(value, str)]
    uploads = [(name, value) for name, value in items if isinstance(value, UploadFile)]
    _check_limits(fields, len(uploads))
    post = QueryDict(mutable=True, encoding=encoding)
    for name, value in fields:
        post.appendlist(name, value)
    post._mutable = False  # noqa: SLF001 (Django's own parser leaves it so, and there is no other way)
    files: MultiValueDict[str, UploadedFile[Any]] = MultiValueDict()
    for name, upload in uploads:
        if file := _uploaded_file(upload):
            files.appendlist(name, file)
    return post, files


def _check_limits(fields: Iterable[tuple[str, str]], number_of_files: int) -> None:
    sizes = [len(name.encode("utf-8", "replace")) + len(value.encode("utf-8", "replace")) for name, value in fields]
    if _exceeds(len(sizes), settings.DATA_UPLOAD_MAX_NUMBER_FIELDS):
        raise TooManyFieldsSent("The number of fields exceeded settings.DATA_UPLOAD_MAX_NUMBER_FIELDS.")
    if _exceeds(number_of_files, settings.DATA_UPLOAD_MAX_NUMBER_FILES):
        raise TooManyFilesSent("The number of files exceeded settings.DATA_UPLOAD_MAX_NUMBER_FILES.")
    if _exceeds(sum(sizes), settings.DATA_UPLOAD_MAX_MEMORY_SIZE):
        raise RequestDataTooBig("The fields exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE.")


def _exceeds(value: int, limit: int | None) -> bool:
    return limit is not None and value > limit


def _uploaded_file(upload: UploadFile) -> "UploadedFile[Any] | None":
    """Return a file as Django has it; None if its name is none, where Django leaves the part out."""
    # A method that does not look at its parser.
    name = MultiPartParser.sanitize_file_name(cast("Any", None), upload.filename or "")
    if not name:
        return None
    content_type, extra = _content_type(upload)
    return UploadedFile(
        upload.file,
        name,
        content_type=content_type,
        size=upload.size,
        charset=extra.get("charset"),
        content_type_extra={key: value.encode() for key, value in extra.items()},
    )


def _content_type(upload: UploadFile) -> tuple[str, dict[str, str]]:
    """Return the type of a file and its parameters; as in Django none if they cannot be read."""
    try:
        return parse_header_parameters(upload.content_type or "")
    except (TypeError, ValueError):  # by what is wrong in a parameter (RFC 2231)
        return "", {}


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
