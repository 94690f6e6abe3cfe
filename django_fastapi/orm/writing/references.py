"""Objects that a body names by their keys: do they exist, for this client?"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.db.models import CharField, IntegerField, Model, QuerySet, TextField, Value
from django.db.models.expressions import Case, When

from django_fastapi.exceptions import Fault, UnfitValue
from django_fastapi.lookups import fit
from django_fastapi.orm.existence import find_existing

from .nodes import Location, Node, Scopes
from .plans import RelationSlot, Slot

DOES_NOT_EXIST: Final = "does_not_exist"

_NO_CHOICE: Final = forms.ModelMultipleChoiceField.default_error_messages["invalid_choice"]


@dataclass(frozen=True, slots=True)
class _Named:
    """An object that is named somewhere."""

    node: Node
    slot: Slot | RelationSlot
    loc: Location
    value: Any

    def refuse(self) -> None:
        self.node.fail(self.slot, self._fault())

    def _fault(self) -> Fault:
        if isinstance(self.slot, RelationSlot):
            return Fault(self.loc, _NO_CHOICE, DOES_NOT_EXIST, {"value": self.value})
        field = self.slot.field
        params = {
            "model": field.related_model._meta.verbose_name,
            "pk": self.value,
            "field": field.target_field.name,
            "value": self.value,
        }
        return Fault(self.loc, field.error_messages["invalid"], DOES_NOT_EXIST, params)


def visible(model: type[Model], using: str, scopes: Scopes) -> QuerySet[Any]:
    """Return what a client may name of a model."""
    if model in scopes:
        return scopes[model].using(using)
    objects = model._default_manager.using(using)
    for scope in scopes_of(model, scopes):
        objects = objects.filter(pk__in=scope.using(using).order_by().values("pk"))
    return objects


def scopes_of(model: type[Model], scopes: Scopes) -> list[QuerySet[Any]]:
    """Return what bounds the rows of a model: the scopes of the model, of its proxies, and of what it is a proxy of."""
    concrete = model._meta.concrete_model
    return [scope for one, scope in scopes.items() if one._meta.concrete_model is concrete]


class References:
    """The objects that the bodies of one request name.

    Args:
        using: The alias of the database.
        scopes: By model, what the client may name.
    """

    def __init__(self, using: str, scopes: Scopes) -> None:
        self._using = using
        self._scopes = scopes
        self._keys: dict[Any, list[_Named]] = defaultdict(list)
        self._lists: dict[Any, list[_Named]] = defaultdict(list)

    def add_key(self, node: Node, slot: Slot, value: Any) -> None:
        """Note the object that a foreign key names."""
        named = _Named(node, slot, (*node.loc, slot.key), value)
        if self._is_possible(named, slot.field.target_field):
            self._keys[slot.field].append(named)

    def add_list(self, node: Node, slot: RelationSlot, values: Iterable[Any]) -> None:
        """Note the objects that a many-to-many relation names."""
        for index, value in enumerate(values):
            named = _Named(node, slot, (*node.loc, slot.key, index), value)
            if self._is_possible(named, slot.relation.model._meta.pk):
                self._lists[slot.relation].append(named)

    def check(self) -> None:
        """Note a fault with each name of an object that is not there: one query for all keys, one for each list."""
        self._check_keys()
        for relation, group in self._lists.items():
            known = self._find_existing(relation.model, relation.field, relation.model._meta.pk, group)
            if known is None:
                objects = limited(visible(relation.model, self._using, self._scopes), relation.field)
                named_ones = objects.filter(pk__in={named.value for named in group}).order_by()
                known = set(named_ones.values_list("pk", flat=True))
            _refuse_unknown(group, known)

    def _check_keys(self) -> None:
        if len(self._keys) == 1:
            ((field, group),) = self._keys.items()
            known = self._find_existing(field.related_model, field, field.target_field, group)
            if known is not None:
                _refuse_unknown(group, known)
                return
        numbered = list(enumerate(named for group in self._keys.values() for named in group))
        if numbered:
            found = self._found(numbered)
            for number, named in numbered:
                if number not in found:
                    named.refuse()

    def _find_existing(self, model: type[Model], field: Any, key: Any, group: list[_Named]) -> set[Any] | None:
        """Return which keys are there; None where that is not for the default manager alone to say."""
        if scopes_of(model, self._scopes) or _limit_of(field):
            return None
        return find_existing(model, key, {named.value for named in group}, self._using)

    def _is_possible(self, named: _Named, target: Any) -> bool:
        try:
            fit(target, named.value, self._using)
        except UnfitValue:
            named.refuse()
            return False
        return True

    def _found(self, numbered: list[tuple[int, _Named]]) -> set[int]:
        first, *rest = [self._query(field, part) for field, part in _by_field(numbered)]
        rows = first.union(*rest, all=True).order_by() if rest else first
        by_number = dict(numbered)
        found: set[int] = set()
        for number, spelling in rows:
            value = by_number[number].value
            if not isinstance(value, str) or spelling == value:
                # The same key may be named several times.
                field = by_number[number].slot
                found |= {other for other, one in numbered if one.slot is field and one.value == value}
        return found

    def _query(self, field: Any, part: list[tuple[int, _Named]]) -> Any:
        """Return a query for the numbers of the objects that are there, with their key where that is text."""
        target = field.target_field
        numbers = {named.value: number for number, named in part}
        objects = limited(visible(field.related_model, self._using, self._scopes), field)
        cases = [When(**{target.name: value}, then=Value(number)) for value, number in numbers.items()]
        number: Any = Case(*cases, output_field=IntegerField())
        if len(numbers) == 1:
            number = Value(next(iter(numbers.values())), output_field=IntegerField())
        is_text = isinstance(target, CharField | TextField)
        spelling: Any = target.name if is_text else Value("", output_field=TextField())
        return objects.filter(**{f"{target.name}__in": list(numbers)}).order_by().values_list(number, spelling)


def _by_field(numbered: list[tuple[int, _Named]]) -> Iterator[tuple[Any, list[tuple[int, _Named]]]]:
    parts: dict[Any, list[tuple[int, _Named]]] = defaultdict(list)
    for number, named in numbered:
        assert isinstance(named.slot, Slot)  # lists are asked for elsewhere
        parts[named.slot.field].append((number, named))
    yield from parts.items()


def _refuse_unknown(group: Iterable[_Named], known: set[Any]) -> None:
    for named in group:
        if named.value not in known:
            named.refuse()


def limited(objects: QuerySet[Any], field: Any) -> QuerySet[Any]:
    """Return the objects that a field may refer to by its `limit_choices_to`."""
    limit = _limit_of(field)
    return objects.complex_filter(limit) if limit else objects


def _limit_of(field: Any) -> Any:
    return field.get_limit_choices_to() if hasattr(field, "get_limit_choices_to") else {}
