"""The schema is the query: which columns, joins and further queries a schema reads. Pure, and cached."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from types import NoneType
from typing import Any

from django.db.models import Model
from pydantic import AliasChoices, AliasPath
from pydantic.fields import FieldInfo

from .definitions import Definition, options_of
from .exceptions import SchemaError, suggestion
from .fields import Convert, field_type
from .introspection import (
    AnyField,
    Kind,
    Relation,
    columns,
    has_attribute,
    is_composite,
    is_plain_column,
    names,
    relations,
    value_field,
)
from .obstacles import model_obstacles, schema_obstacles
from .shapes import Nesting, is_optional_of, is_schema, members, nesting, wants_objects


class Form(Enum):
    """What a related object becomes."""

    OBJECT = "an object of a schema"
    KEY = "its key"
    RAW = "the instance, which Pydantic reads"


@dataclass(frozen=True, slots=True)
class Column:
    """A field that is a column.

    Args:
        name: The field of the schema.
        attname: The attribute of an instance.
        convert: What makes the schema's value of an instance's, unless that is None.
    """

    name: str
    attname: str
    convert: Convert | None = None


@dataclass(frozen=True, slots=True)
class Attribute:
    """A field that is no field of the model: an annotation of the queryset, a `to_attr`, a property.

    Args:
        name: The field of the schema.
        path: The attribute of an instance, then those of what it gives.
        is_known: Whether the model's class has it; otherwise the queryset must give it.
        has_default: Whether the field may do without.
        annotation: Its type.
        is_plain: Whether there is nothing else to the field.
    """

    name: str
    path: tuple[str, ...]
    is_known: bool
    has_default: bool
    annotation: Any
    is_plain: bool

    @classmethod
    def of(cls, name: str, path: tuple[str, ...], model: type[Model], info: FieldInfo) -> "Attribute":
        """Return what a field of a schema reads of a model's instances."""
        is_known = has_attribute(model, path[0])
        return cls(name, path, is_known, not info.is_required(), info.annotation, not info.metadata)


@dataclass(frozen=True, slots=True, eq=False)
class Nested:
    """A field that is a relation.

    Args:
        name: The field of the schema.
        relation: The relation.
        form: What its objects become.
        plan: What is read of them.
        choices: For a generic foreign key, what is read of objects of each model; of other models all is.
    """

    name: str
    relation: Relation
    form: Form
    plan: "Plan"
    choices: "tuple[Plan, ...]" = ()

    @property
    def is_joined(self) -> bool:
        """Whether it is read by a join; otherwise by a query of its own."""
        return self.relation.kind in (Kind.FORWARD, Kind.REVERSE_ONE)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What a schema reads of a model.

    Args:
        schema: The schema; None where only keys or bare instances are read.
        model: The model.
        columns: The fields that are columns.
        nested: The fields that are relations.
        attributes: The fields that are neither.
        cuts: The fields where a schema that nests itself ends, with their value there.
        reads_whole_rows: Whether columns may be read that no field names.
        obstacles: Why rows cannot take the place of instances; none if they can.
    """

    schema: type[Definition] | None
    model: type[Model]
    columns: tuple[Column, ...] = ()
    nested: tuple[Nested, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    cuts: tuple[tuple[str, Any], ...] = ()
    reads_whole_rows: bool = False
    obstacles: tuple[str, ...] = ()

    def all_obstacles(self) -> tuple[str, ...]:
        """Return why rows cannot be used, the plans of relations included."""
        below = [reason for one in self.nested for reason in one.plan.all_obstacles()]
        return tuple(dict.fromkeys([*self.obstacles, *below]))

    def explain(self) -> str:
        """Return in words what is read, and whether by rows or by instances and why."""
        obstacles = self.all_obstacles()
        title = f"{_title(self)} of {self.model.__name__}: by {'instances' if obstacles else 'rows'}"
        return "\n".join([title, *(f"  because {reason}" for reason in obstacles), *_lines(self, "  ")])


def _title(plan: Plan) -> str:
    return plan.schema.__name__ if plan.schema else plan.model.__name__


def _lines(plan: Plan, indent: str) -> Iterator[str]:
    loaded = "every column" if plan.reads_whole_rows else ", ".join(one.attname for one in plan.columns)
    yield f"{indent}columns: {loaded or 'the primary key'}"
    for attribute in plan.attributes:
        yield f"{indent}{'attribute' if attribute.is_known else 'from the queryset'}: {'.'.join(attribute.path)}"
    for one in plan.nested:
        way = "join" if one.is_joined else "query"
        what = _title(one.plan) if one.form is Form.OBJECT else one.form.value
        yield f"{indent}{way}: {one.relation.name} as {what}"
        for choice in one.choices:
            yield f"{indent}  a {_title(choice)}"
            yield from _lines(choice, f"{indent}    ")
        if not one.choices:
            yield from _lines(one.plan, f"{indent}  ")


def plan_query(schema: type[Definition], model: type[Model] | None = None) -> Plan:
    """Return what the schema reads of a model, which columns, joins and further queries; the database is not asked.

    Args:
        schema: The schema.
        model: The model of the queryset: that of the schema, one derived from it, or a proxy. The schema's if None.

    Raises:
        SchemaError: The schema does not fit the model.
    """
    return _plan_cached(schema, model or options_of(schema).model)


@cache
def _plan_cached(schema: type[Definition], model: type[Model]) -> Plan:
    expected = options_of(schema).model
    if not issubclass(model._meta.concrete_model or model, expected._meta.concrete_model or expected):
        raise SchemaError(
            f"`{schema.__name__}` is of `{expected.__name__}`, and is given objects of `{model.__name__}`."
        )
    return _Planner((schema,), model).plan()


class _Planner:
    """Plans one schema, below those that nest it.

    Args:
        path: The schemas from the outermost to this one.
        model: The model of the innermost.
    """

    def __init__(self, path: tuple[type[Definition], ...], model: type[Model]) -> None:
        self._path = path
        self._schema = path[-1]
        self._model = model

    def plan(self) -> Plan:
        if not self._schema.__pydantic_complete__:
            self._schema.model_rebuild()
        obstacles = (*schema_obstacles(self._schema), *model_obstacles(self._model))
        plan = Plan(self._schema, self._model, obstacles=obstacles)
        for name, info in self._schema.model_fields.items():
            plan = self._add(plan, name, info)
        for attribute in plan.attributes:
            plan = _joined_along(plan, attribute.name, attribute.path[:-1])
        return plan

    def _add(self, plan: Plan, name: str, info: FieldInfo) -> Plan:
        path = source_of(self._schema, self._model, name, info)
        source = path[0]
        if len(path) > 1 or source not in _field_names(self._model):
            return self._add_attribute(plan, Attribute.of(name, path, self._model, info))
        relation = relations(self._model).get(source)
        if relation is not None and (nested := self._nested(plan, name, relation, info)) is not None:
            return nested
        field = self._model._meta.pk if source == "pk" else columns(self._model).get(source)
        if field is None and relation is not None and relation.kind is Kind.FORWARD:
            field = relation.field
        if field is None or is_composite(field):
            return self._add_attribute(plan, Attribute.of(name, path, self._model, info))
        return self._add_column(plan, name, field, info)

    def _add_column(self, plan: Plan, name: str, field: AnyField, info: FieldInfo) -> Plan:
        found = field_type(value_field(field))
        may_be_null = bool(field.null) or found.is_nullable
        if not self._is_derived(name) and (
            info.metadata or not is_optional_of(info.annotation, found.annotation, may_be_null)
        ):
            plan = self._hindered(plan, name, "has a type of its own")
        if not is_plain_column(self._model, field):
            plan = _hindered(plan, f"`{self._model.__name__}.{field.attname}` is an attribute of its own kind")
        return replace(plan, columns=(*plan.columns, Column(name, field.attname, found.convert)))

    def _add_attribute(self, plan: Plan, attribute: Attribute) -> Plan:
        nests = nesting(attribute.annotation) is not None
        if nests and not attribute.is_known and not attribute.has_default:
            close = suggestion(attribute.path[0], names(self._model))
            if close != ".":
                raise SchemaError(
                    f"`{self._schema.__name__}`: `{self._model.__name__}.{attribute.path[0]}` does not exist{close}"
                )
        if nests or attribute.is_known or attribute.has_default or not attribute.is_plain:
            plan = self._hindered(plan, attribute.name, "is no column")
        return replace(
            plan,
            attributes=(*plan.attributes, attribute),
            reads_whole_rows=plan.reads_whole_rows or attribute.is_known,
        )

    def _nested(self, plan: Plan, name: str, relation: Relation, info: FieldInfo) -> Plan | None:
        """Return the plan with the relation; None if the field is the column of a foreign key."""
        found = nesting(info.annotation)
        if found is not None and found.is_many == relation.is_many and relation.kind is not Kind.GENERIC:
            return self._object(plan, Named(name, relation, info), found)
        if relation.kind is Kind.GENERIC or wants_objects(info.annotation):
            plan = self._hindered(plan, name, "takes instances")
            choices = self._choices(info.annotation) if relation.kind is Kind.GENERIC else ()
            whole = Plan(None, relation.model, reads_whole_rows=True)
            return _with(plan, Nested(name, relation, Form.RAW, whole, choices))
        return None if relation.kind is Kind.FORWARD else self._key(plan, Named(name, relation, info))

    def _choices(self, annotation: Any) -> tuple[Plan, ...]:
        """Return the plans of the schemas that objects may have; none where not only schemas read them."""
        schemas = [one for one in members(annotation) if one is not NoneType]
        if not all(is_schema(one) and one not in self._path for one in schemas):
            return ()
        models = [options_of(one).model for one in schemas]
        if len(set(models)) < len(models) or any(model._meta.proxy for model in models):
            return ()
        return tuple(_Planner((*self._path, one), options_of(one).model).plan() for one in schemas)

    def _key(self, plan: Plan, named: "Named") -> Plan:
        name, relation, info = named.name, named.relation, named.info
        key = relation.model._meta.pk
        found = field_type(key if is_composite(key) else value_field(key))
        if not self._is_derived(name):
            item = list.__class_getitem__(found.annotation) if relation.is_many else found.annotation
            may_be_null = relation.is_nullable and not relation.is_many
            if info.metadata or not is_optional_of(info.annotation, item, may_be_null):
                plan = self._hindered(plan, name, "has a type of its own")
        column = Column("pk", "pk" if is_composite(key) else key.attname, found.convert)
        child = Plan(None, relation.model, (column,), obstacles=model_obstacles(relation.model))
        return _with(plan, Nested(name, relation, Form.KEY, child))

    def _object(self, plan: Plan, named: "Named", found: Nesting) -> Plan:
        name, relation = named.name, named.relation
        may_be_null = relation.is_nullable and not found.is_many
        if named.info.metadata or not found.is_plain or (may_be_null and not found.is_optional):
            plan = self._hindered(plan, name, "has a type of its own")
        if found.schema in self._path and self._ends(name, found):
            return replace(plan, cuts=(*plan.cuts, (name, [] if found.is_many else None)))
        child = _Planner((*self._path, found.schema), relation.model).plan()
        nested = Nested(name, relation, Form.OBJECT, child)
        if nested.is_joined and child.attributes:
            missing = ", ".join(f"`{one.path[0]}`" for one in child.attributes)
            plan = self._hindered(plan, name, f"reads what no join gives: {missing}")
        return _with(plan, nested)

    def _ends(self, name: str, found: Nesting) -> bool:
        """Return whether a schema that nests itself has done so as often as its `Meta.depth` says."""
        depth = options_of(found.schema).depth
        label = f"`{self._schema.__name__}.{name}`"
        if not depth:
            raise SchemaError(
                f"{label} nests `{found.schema.__name__}` in itself without an end: "
                f"set `{found.schema.__name__}.Meta.depth` to how often it may."
            )
        if not (found.is_many or found.is_optional):
            raise SchemaError(f"{label} nests itself, and has to end: make it `{found.schema.__name__} | None`.")
        return self._path.count(found.schema) > depth

    def _is_derived(self, name: str) -> bool:
        return name in self._schema.__orm_sources__

    def _hindered(self, plan: Plan, name: str, reason: str) -> Plan:
        return _hindered(plan, f"`{self._schema.__name__}.{name}` {reason}")


@dataclass(frozen=True, slots=True)
class Named:
    """A relation, and the field that reads it."""

    name: str
    relation: Relation
    info: FieldInfo


def _hindered(plan: Plan, reason: str) -> Plan:
    return replace(plan, obstacles=(*plan.obstacles, reason))


def _with(plan: Plan, nested: Nested) -> Plan:
    if nested.relation.is_many and not nested.relation.is_stock:
        plan = _hindered(plan, f"`{plan.model.__name__}.{nested.relation.name}` is a relation of its own kind")
    return replace(plan, nested=(*plan.nested, nested))


def _joined_along(plan: Plan, name: str, path: tuple[str, ...]) -> Plan:
    """Return the plan with the foreign keys that a path goes over; what a schema reads of them already is enough."""
    relation = relations(plan.model).get(path[0]) if path else None
    if relation is None or relation.kind is not Kind.FORWARD:
        return plan
    known = next((one for one in plan.nested if one.relation == relation), None)
    if known is None:
        whole = Plan(None, relation.model, reads_whole_rows=True)
        return replace(
            plan, nested=(*plan.nested, Nested(name, relation, Form.RAW, _joined_along(whole, name, path[1:])))
        )
    if known.form is not Form.RAW:
        return plan
    deeper = replace(known, plan=_joined_along(known.plan, name, path[1:]))
    return replace(plan, nested=tuple(deeper if one is known else one for one in plan.nested))


def _field_names(model: type[Model]) -> set[str]:
    return {*columns(model), *relations(model), "pk"}


def source_of(schema: type[Definition], model: type[Model], name: str, info: FieldInfo) -> tuple[str, ...]:
    """Return where the value of a field comes from: an alias that the model knows goes before the name."""
    if name in schema.__orm_sources__:
        return (schema.__orm_sources__[name],)
    alias = info.validation_alias
    for candidate in alias.choices if isinstance(alias, AliasChoices) else [alias]:
        path = candidate.path if isinstance(candidate, AliasPath) else [candidate]
        if isinstance(path[0], str) and _gives_value(model, path[0]) and all(isinstance(one, str) for one in path):
            return tuple(str(one) for one in path)
    return (name,)


def _gives_value(model: type[Model], name: str) -> bool:
    """Return whether instances give something under this name: a field, a property; not a class in the model."""
    found: Any = inspect.getattr_static(model, name, None)
    return name in _field_names(model) or hasattr(found.__class__, "__get__")
