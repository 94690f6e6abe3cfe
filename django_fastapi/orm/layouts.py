"""From a compiled query to a function that makes dictionaries of its rows."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.core.exceptions import FieldError
from django.db.models import Model

from .exceptions import SchemaError
from .fields import Convert, field_type
from .introspection import Kind, Relation, is_many_to_many
from .planning import Attribute, Column, Nested, Plan
from .querysets import parent_keys
from .shapes import is_optional_of

Build = Callable[..., list[Any]]


class NoRowsError(Exception):
    """Rows cannot take the place of instances for this query; it never leaves this package.

    Args:
        message: Why.
        is_lasting: Whether it is the same for every query of the plan.
    """

    def __init__(self, message: str, *, is_lasting: bool = False) -> None:
        super().__init__(message)
        self.is_lasting = is_lasting


@dataclass(frozen=True, slots=True, eq=False)
class Child:
    """A relation to many, which is read by a query of its own.

    Args:
        nested: The relation.
        model: The model that has it.
        attname: Its column by which the objects are found.
        key: The position of that column.
    """

    nested: Nested
    model: type[Model]
    attname: str
    key: int


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What is done with the rows of a statement.

    Args:
        build: Makes the values: `build(rows, connection, converters, expressions, tables of the children)`.
        converted: The expressions of the columns that the database's backend or the field converts.
        children: The relations to many.
        not_null: Positions that must not be null, since the schema has no place for it.
        key: The position of the column that says whose object a row is; for the objects of a relation.
    """

    build: Build
    converted: tuple[Any, ...]
    children: tuple[Child, ...]
    not_null: tuple[int, ...]
    key: int | None = None


def layout_of(plan: Plan, compiler: Any, *, key: int | None = None) -> Layout:
    """Return the layout of a compiled query.

    Args:
        plan: What is read.
        compiler: Django's compiler, after `as_sql`.
        key: The position of the column that says whose object a row is.

    Raises:
        NoRowsError: Something in the query stands against rows.
    """
    return _LayoutMaker(compiler).make(plan, key)


def key_position(compiler: Any, relation: Relation) -> int:
    """Return where the query of a relation's objects says whose they are."""
    if is_many_to_many(relation):
        # `get_prefetch_querysets` of Django's manager adds it under this name.
        found = [at for name, at in compiler.annotation_col_map.items() if name.startswith("_prefetch_related_val_")]
        if len(found) != 1:
            raise NoRowsError("the relation has a key of several columns")
        position: int = found[0]
        return position
    (attname,) = [one.attname for one in relation.field.field.local_related_fields]
    return _positions(compiler, compiler.klass_info)[attname]


class _Positions(dict[str, int]):
    """Where the columns of a model are, by their attributes of an instance."""

    def __missing__(self, attname: str) -> int:
        raise NoRowsError(f"`{attname}` was not selected")


def _positions(compiler: Any, klass_info: dict[str, Any]) -> _Positions:
    return _Positions({compiler.select[at][0].target.attname: at for at in klass_info["select_fields"]})


def _unless_none(convert: Convert, value: Any) -> Any:
    return None if value is None else convert(value)


class _LayoutMaker:
    """Writes the expression that makes a dictionary of a row `r`.

    It is compiled once for each statement, as `dataclasses` and `namedtuple` do. Nothing in it comes from outside:
    names of fields go in by their `repr`, all else is numbers.
    """

    def __init__(self, compiler: Any) -> None:
        self._compiler = compiler
        self._namespace: dict[str, Any] = {"_empty": []}
        self._converted: dict[int, Any] = {}
        self._children: list[Child] = []
        self._not_null: list[int] = []
        self._converters = compiler.get_converters([expression for expression, _sql, _alias in compiler.select])

    def make(self, plan: Plan, key: int | None) -> Layout:
        """Return the layout for the rows of a plan."""
        value = self._value(plan, self._compiler.klass_info)
        names = [f"k{at}_{number}" for at in self._converted for number in range(len(self._converters[at][0]))]
        expressions = [f"e{at}" for at in self._converted]
        tables = [f"t{number}" for number in range(len(self._children))]
        source = "\n".join(
            [
                "def build(_rows, _connection, _functions, _expressions, _tables):",
                *([f"    {', '.join(names)}, = _functions"] if names else []),
                *([f"    {', '.join(expressions)}, = _expressions"] if expressions else []),
                *([f"    {', '.join(tables)}, = _tables"] if tables else []),
                f"    return [{value} for r in _rows]",
            ]
        )
        exec(compile(source, f"<rows of {plan.model.__name__}>", "exec"), self._namespace)  # noqa: S102 (see the class)
        expressions_used = tuple(self._converted.values())
        return Layout(self._namespace["build"], expressions_used, tuple(self._children), tuple(self._not_null), key)

    def _value(self, plan: Plan, klass_info: dict[str, Any]) -> str:
        """Return the expression for an object of the plan: a dictionary, or the bare key."""
        if plan.attributes and klass_info is not self._compiler.klass_info:
            raise NoRowsError("the annotations of a queryset are not those of a joined object", is_lasting=True)
        positions = _positions(self._compiler, klass_info)
        parts = {column.name: self._column(column, positions) for column in plan.columns}
        if plan.schema is None:
            return parts["pk"]
        parts.update({name: repr(value) for name, value in plan.cuts})
        parts.update({attribute.name: self._annotation(attribute) for attribute in plan.attributes})
        parts.update({nested.name: self._nested(plan, nested, klass_info, positions) for nested in plan.nested})
        # The order of the fields, which is that of the keys in JSON.
        return "{" + ", ".join(f"{name!r}: {parts[name]}" for name in plan.schema.model_fields) + "}"

    def _column(self, column: Column, positions: _Positions) -> str:
        return self._read(positions[column.attname], column.convert)

    def _read(self, at: int, convert: Convert | None) -> str:
        value = f"r[{at}]"
        if at in self._converters:
            functions, self._converted[at] = self._converters[at]
            for number in range(len(functions)):
                value = f"k{at}_{number}({value}, e{at}, _connection)"
        if convert is None:
            return value
        name = f"v{len(self._namespace)}"
        self._namespace[name] = partial(_unless_none, convert)
        return f"{name}({value})"

    def _annotation(self, attribute: Attribute) -> str:
        """Return the expression for an annotation of the queryset, if it is of the type that the schema says."""
        at = self._compiler.annotation_col_map.get(attribute.path[0])
        if at is None:
            raise NoRowsError("the queryset gives no such annotation")
        expression = self._compiler.select[at][0]
        try:
            found = field_type(expression.output_field)
        except (SchemaError, FieldError):
            raise NoRowsError("the type of an annotation is not known") from None
        if found.convert is not None:
            raise NoRowsError("an annotation stays as the database gives it")
        if not is_optional_of(attribute.annotation, found.annotation, may_be_null=False):
            raise NoRowsError("an annotation is of another type than the schema says")
        if not is_optional_of(attribute.annotation, found.annotation, may_be_null=True):
            self._not_null.append(at)
        return self._read(at, None)

    def _nested(self, plan: Plan, nested: Nested, klass_info: dict[str, Any], positions: _Positions) -> str:
        if not nested.is_joined:
            return self._many(plan, nested, positions)
        related = self._related(nested, klass_info)
        key = _positions(self._compiler, related)[nested.plan.model._meta.pk.attname]
        return f"(None if r[{key}] is None else {self._value(nested.plan, related)})"

    @staticmethod
    def _related(nested: Nested, klass_info: dict[str, Any]) -> dict[str, Any]:
        is_reverse = nested.relation.kind is Kind.REVERSE_ONE
        field = nested.relation.field.field if is_reverse else nested.relation.field
        for one in klass_info.get("related_klass_infos", ()):
            found: dict[str, Any] = one
            if found["field"] == field and found["reverse"] == is_reverse:
                return found
        raise NoRowsError("a relation was not joined")

    def _many(self, plan: Plan, nested: Nested, positions: _Positions) -> str:
        keys = parent_keys(nested.relation)
        if len(keys) != 1 or keys[0] not in positions:
            raise NoRowsError("a relation has a key of several columns")
        self._children.append(Child(nested, plan.model, keys[0], positions[keys[0]]))
        return f"t{len(self._children) - 1}.get(r[{positions[keys[0]]}], _empty)"
