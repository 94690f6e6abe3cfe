"""Files that come with a request, on their way to a storage, and off it again when nothing comes of the rest."""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import ImageField
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema
from starlette.datastructures import UploadFile

from django_fastapi.exceptions import Fault


@dataclass(frozen=True, slots=True, eq=False)
class FileLimits:
    """Limits of a file that comes with a request: `Annotated[UploadFile, FileLimits(max_size=1_000_000)]`.

    Args:
        max_size: How many bytes it may have.
        types: Which media types it may be declared to be, such as `["image/png"]`; any if None. The file of an
            `ImageField` has to be of one of them, too. Into others nobody looks but the validators of the model.
    """

    max_size: int
    types: Sequence[str] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Look at the file after the plain type has been validated."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: Any) -> Any:
        if isinstance(value, UploadFile):
            if (value.size or 0) > self.max_size:
                limit = {"max_size": self.max_size}
                raise PydanticCustomError("file_too_long", "The file must have at most {max_size} bytes", limit)
            self.check_type(value.content_type)
        return value

    def check_type(self, media_type: str | None) -> None:
        """Refuse a media type that is none of `types`.

        Raises:
            PydanticCustomError: It is another.
        """
        if self.types is not None and media_type not in self.types:
            types = {"types": ", ".join(self.types)}
            raise PydanticCustomError("file_type", "The file must be of one of the types {types}", types)


def uploaded(value: Any) -> Any:
    """Return the file of a request as a Django model takes it; an empty string for none."""
    if value is None:
        return ""
    if not isinstance(value, UploadFile):
        return value
    return UploadedFile(value.file, value.filename or "", value.content_type, value.size)


def faults_of_image(field: ImageField, file: Any, limits: FileLimits | None, loc: tuple[str | int, ...]) -> list[Fault]:
    """Return what is wrong with the file of an `ImageField`, which Django's form field looks into with Pillow.

    It reads the whole file, but no more of the image than tells its format and size: one that would take too much
    memory (`PIL.Image.MAX_IMAGE_PIXELS`) is refused.

    Args:
        field: The field of the model.
        file: The new file.
        limits: The limits of the schema's field: the type that Pillow finds has to be one of theirs.
        loc: Where in the request it is.
    """
    try:
        cast("Any", field).formfield().clean(file)
        if limits is not None:
            limits.check_type(file.content_type)
    except ValidationError as error:
        return [Fault(loc, one.message, str(one.code), one.params) for one in error.error_list]
    except PydanticCustomError as error:
        return [Fault(loc, error.message(), error.type, context=error.context or {})]
    return []


class _Kept:
    """What a transaction holds on to until it ends: committed it is called, rolled back it is dropped.

    Args:
        delete: Called when it is dropped.
    """

    def __init__(self, delete: Callable[[], None]) -> None:
        self._dropped = weakref.finalize(self, delete)

    def __call__(self) -> None:
        self._dropped.detach()


def save_file(instance: Any, name: str, using: str) -> None:
    """Put the new file of a field into its storage, from which it goes again unless the transaction commits.

    Django drops the functions of `on_commit` when the transaction, or the savepoint, is rolled back. That is when
    the file is deleted: there is no other sign of a transaction that somebody else has begun and that fails later.

    Args:
        instance: The object.
        name: The name of the field.
        using: The alias of the database.
    """
    file = getattr(instance, name)
    file.save(file.name, file.file, save=False)
    transaction.on_commit(_Kept(partial(file.storage.delete, file.name)), using=using)
