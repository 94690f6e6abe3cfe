"""What the endpoints of a CRUD router do with the database, each in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import router
from django.db.models import F, Model, QuerySet

from django_fastapi.conditional import check_match, etag_of
from django_fastapi.exceptions import Fault, InvalidInput, UnfitValue
from django_fastapi.lookups import fit
from django_fastapi.orm import ModelSchema, plan_query
from django_fastapi.orm.querysets import planned
from django_fastapi.orm.rows import is_stock
from django_fastapi.orm.writing import BODY, Item, Writer, writing
from django_fastapi.orm.writing.locking import locked
from django_fastapi.shortcuts.objects import find_object

from .options import CONTENT, Crud, Hook

_VERSION: Final = "crud_version"
_UNKNOWN: Final = "There is no object with this key."

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Shown:
    """An object that is to be shown.

    Args:
        content: The object, or what the schema has made of it.
        etag: The tag of its version; None if it has none.
        key: What the path names it by.
    """

    content: Any
    etag: str | None
    key: Any


class Store:
    """The objects of a router's model, as one user sees them.

    Args:
        crud: The options of the router.
        user: The user of the request; None if there is none.
    """

    def __init__(self, crud: Crud, user: Any) -> None:
        self._crud = crud
        self._user = user

    @property
    def visible(self) -> QuerySet[Any]:
        """All that the user may see."""
        if self._crud.get_queryset is not None:
            return self._crud.get_queryset(self._user)
        return self._crud.model._default_manager.all()

    @property
    def _changeable(self) -> QuerySet[Any]:
        """All that the user may see, in the database that is written to: a replica may be behind."""
        rows = self.visible
        chosen: str | None = vars(rows)["_db"]
        return rows if chosen else rows.using(router.db_for_write(rows.model))

    def show(self, key: Any) -> Shown:
        """Return an object.

        Raises:
            Http404: There is none, or the user may not see it.
        """
        return self._shown({self._crud.lookup_field: key})

    def create(self, data: ModelSchema) -> Shown:
        """Save a new object."""
        with self._writing() as writer:
            return self._show_saved(self._save_with(writer, [Item(data)])[0])

    def create_all(self, bodies: Sequence[ModelSchema]) -> list[Any]:
        """Save new objects, all of them or none."""
        items = [Item(data, None, (*BODY, index)) for index, data in enumerate(bodies)]
        with self._writing() as writer:
            return self._reread(self._save_with(writer, items))

    def update(self, key: Any, data: ModelSchema, headers: Headers) -> Shown:
        """Save changes of an object.

        Raises:
            Http404: There is none, or the user may not see it.
            PreconditionFailed: It is another version than the client means.
            PreconditionRequired: The client has to say which version it means.
        """
        with self._writing() as writer:
            found = self._find_to_change({self._crud.lookup_field: key}, headers)
            return self._show_saved(self._save_with(writer, [Item(data, found)])[0])

    def update_all(self, changes: Sequence[tuple[Any, ModelSchema]]) -> list[Any]:
        """Save changes of several objects, given by their keys, all of them or none."""
        with self._writing() as writer:
            found = self._find_all([key for key, _ in changes], key_at=("key",))
            saved = self._save_with(
                writer,
                [Item(data, found[index], (*BODY, index, "values")) for index, (_, data) in enumerate(changes)],
            )
            return self._reread(saved)

    def delete(self, key: Any, headers: Headers) -> None:
        """Delete an object; see `update`."""
        with self._writing() as writer:
            self._delete_with(writer, self._find_to_change({self._crud.lookup_field: key}, headers))

    def delete_all(self, keys: Sequence[Any]) -> None:
        """Delete several objects, given by their keys, all of them or none."""
        with self._writing() as writer:
            for instance in self._find_all(keys, key_at=()):
                self._delete_with(writer, instance)

    def _writing(self) -> Any:
        scopes = {model: get(self._user) for model, get in self._crud.related.items()}
        return writing(self._crud.model, {self._crud.model: self._changeable, **scopes})

    def _save_with(self, writer: Writer, items: Sequence[Item]) -> list[Any]:
        saved = writer.save(items, before=self._prepare)
        for instance in saved:
            self._call(self._crud.hooks.after_save, instance)
        return saved

    def _prepare(self, instance: Any) -> None:
        if self._crud.counts_versions and not instance._state.adding:  # noqa: SLF001 (documented by Django)
            name = str(self._crud.etag)
            setattr(instance, name, (getattr(instance, name) or 0) + 1)
        self._call(self._crud.hooks.before_save, instance)

    def _delete_with(self, writer: Writer, instance: Model) -> None:
        self._call(self._crud.hooks.before_delete, instance)
        writer.delete(instance)
        self._call(self._crud.hooks.after_delete, instance)

    def _call(self, hook: Hook | None, instance: Model) -> None:
        if hook is not None:
            hook(instance, self._user)

    def _find_to_change(self, lookup: dict[str, Any], headers: Headers) -> Any:
        """Return an object to be changed, locked, if it is the version that the client means."""
        found = find_object(self._whole(), (), lookup, keys=tuple(lookup))
        if self._crud.etag is not None:
            etag = (
                self._etag(found)
                if self._crud.etag != CONTENT
                else self._shown({"pk": found.pk}, self._changeable).etag
            )
            check_match(headers, str(etag), is_required=self._crud.require_match)
        return found

    def _whole(self) -> QuerySet[Any]:
        """Return what the user may see as whole rows, locked if they are to be."""
        model = self._crud.model
        rows = self._changeable
        if self._crud.get_queryset is not None:
            # Rows of a query that groups, or gives some of the columns, could not be locked or saved.
            rows = model._base_manager.using(rows.db).filter(pk__in=rows.order_by().values("pk"))
        return locked(rows) if self._crud.is_locking else rows

    def _find_all(self, keys: Sequence[Any], key_at: tuple[str, ...]) -> list[Any]:
        rows = self._whole()
        pk = self._crud.model._meta.pk
        fitting = {index: key for index, key in enumerate(keys) if _fits(pk, key, rows.db)}
        # In the order of their keys, so that two requests do not wait for each other.
        found = {one.pk: one for one in rows.filter(pk__in=list(fitting.values())).order_by("pk")}
        faults = [
            Fault((*BODY, index, *key_at), _UNKNOWN, "does_not_exist")
            for index, key in enumerate(keys)
            if index not in fitting or key not in found
        ]
        faults += [
            Fault((*BODY, index, *key_at), "This is named twice.", "repeated")
            for index, key in enumerate(keys)
            if key in keys[:index]
        ]
        if faults:
            raise InvalidInput(faults)
        return [found[key] for key in keys]

    def _reread(self, saved: Sequence[Any]) -> list[Any]:
        """Return saved objects as the user sees them, in their order."""
        rows = planned(plan_query(self._crud.read, self._crud.model), self._rows_of([one.pk for one in saved]))
        by_key = {one.pk: one for one in rows}
        return [by_key.get(one.pk, one) for one in saved]

    def _show_saved(self, instance: Model) -> Shown:
        pk = instance.pk
        return self._shown({"pk": pk}, self._rows_of([pk]))

    def _rows_of(self, keys: list[Any]) -> QuerySet[Any]:
        """Return what was saved: a user may have made what they must not see."""
        rows, model = self._changeable, self._crud.model
        manager: Any = model._default_manager
        shows_all = self._crud.get_queryset is None and is_stock(manager.__class__)
        if shows_all or rows.filter(pk__in=keys).exists():
            return rows.filter(pk__in=keys)
        return model._base_manager.using(rows.db).filter(pk__in=keys)

    def _shown(self, lookup: dict[str, Any], rows: QuerySet[Any] | None = None) -> Shown:
        crud = self._crud
        rows = self.visible if rows is None else rows
        if crud.etag not in (None, CONTENT):
            # Read in the same statement: a tag that is newer than its content would let changes be lost.
            rows = rows.annotate(**{_VERSION: F(str(crud.etag))})
        also = [] if crud.lookup_field == "pk" else [crud.lookup_field]
        rows = planned(plan_query(crud.read, rows.model), rows, also=also)
        found: Any = find_object(rows, (), lookup, keys=tuple(lookup))
        name = crud.lookup_field
        key = getattr(found, name if name == "pk" else found._meta.get_field(name).attname)
        if crud.etag is None:
            return Shown(found, None, key)
        if crud.etag != CONTENT:
            return Shown(found, etag_of(str(getattr(found, _VERSION))), key)
        content = crud.read.from_orm(found)
        return Shown(content, etag_of(content.model_dump_json(by_alias=True)), key)

    def _etag(self, instance: Model) -> str:
        return etag_of(str(getattr(instance, str(self._crud.etag))))


def _fits(field: Any, value: Any, using: str) -> bool:
    try:
        fit(field, value, using)
    except UnfitValue:
        return False
    return True
