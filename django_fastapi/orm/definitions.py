"""What a schema is: a Pydantic model whose fields come from a Django model, as its `class Meta` says."""

import types
from typing import Any, ClassVar, Final, Self, cast

from django.db.models import Model
from pydantic import BaseModel, ConfigDict

from .annotations import own_annotations, set_annotations
from .deriving import Deriver, absent, partially
from .exceptions import SchemaError
from .introspection import Relation, columns
from .options import Options, read_options

PUBLIC_NAMES: Final = frozenset(
    {
        "from_orm",
        "from_orm_async",
        "from_queryset",
        "from_queryset_async",
        "partial",
        "create",
        "acreate",
        "update",
        "aupdate",
    }
)
"""What a schema has beside what Pydantic gives it."""

_SECRETS: Final = ("password", "secret", "token", "api_key", "private_key")


def is_secret(name: str) -> bool:
    """Return whether a field of this name should not be served without somebody having meant it."""
    return any(word in name.lower() for word in _SECRETS)


def is_reserved(name: str) -> bool:
    """Return whether a schema cannot have a field of this name."""
    return name.startswith("_") or name in PUBLIC_NAMES or hasattr(BaseModel, name)


class Definition(BaseModel):
    """The half of `ModelSchema` that knows fields: it reads and writes nothing."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True,
        extra="forbid",
        validate_by_name=True,
        validate_by_alias=True,
        ser_json_bytes="base64",
        json_schema_serialization_defaults_required=True,
        protected_namespaces=(),
    )

    __orm_options__: ClassVar[Options | None] = None
    __orm_sources__: ClassVar[dict[str, str]] = {}
    __orm_partial__: ClassVar[type[BaseModel] | None] = None
    __orm_is_partial__: ClassVar[bool] = False

    def __init_subclass__(cls, *, partial: bool = False, **kwargs: Any) -> None:
        """Add the fields that `class Meta` names to the annotations, before Pydantic collects them.

        Args:
            partial: Whether input may leave out any of the fields.
            **kwargs: Pydantic's configuration.

        Raises:
            SchemaError: The schema does not fit its model.
        """
        super().__init_subclass__(**kwargs)
        inherited = cls.__orm_options__
        sources = _inherited_sources(cls)
        declared = own_annotations(cls)
        annotations = dict(declared)
        if (meta := vars(cls).get("Meta")) is not None:
            options = read_options(cls.__name__, meta, inherited)
            annotations = _with_derived(cls, options, sources, declared)
            cls.__orm_options__ = options
        cls.__orm_sources__ = {name: source for name, source in sources.items() if name not in declared}
        if partial:
            cls.__orm_is_partial__ = True
            annotations = _made_partial(cls, annotations)
        if annotations != declared:
            set_annotations(cls, annotations)

    @classmethod
    def partial(cls) -> "type[Self]":
        """Return this schema with fields that input may leave out; `class Patch(S, partial=True)` is the typed way.

        It is the same class at each call.
        """
        made = vars(cls).get("__orm_partial__")
        if made is None:
            made = types.new_class(
                f"{cls.__name__}Partial",
                (cls,),
                {"partial": True},
                lambda body: body.update({"__module__": cls.__module__, "__qualname__": f"{cls.__qualname__}Partial"}),
            )
            cls.__orm_partial__ = made
        return cast("type[Self]", made)


def options_of(schema: type[Definition]) -> Options:
    """Return what a schema's `class Meta` says.

    Raises:
        SchemaError: It has none, nor has any of its bases.
    """
    if schema.__orm_options__ is None:
        raise SchemaError(f"`{schema.__name__}` has no `class Meta` with a model, so it cannot be read from one.")
    return schema.__orm_options__


def _bases(cls: type) -> list[type[Definition]]:
    return [base for base in cls.__mro__[1:] if issubclass(base, Definition)]


def _inherited_sources(cls: type[Definition]) -> dict[str, str]:
    """Return the derived fields of the bases; a field comes from the first base that has it, as Pydantic has it."""
    sources: dict[str, str] = {}
    for base in reversed(cls.__bases__):
        for name in _field_names(base):
            sources.pop(name, None)
        if issubclass(base, Definition):
            sources.update(base.__orm_sources__)
    return sources


def _field_names(base: type) -> set[str]:
    if issubclass(base, BaseModel):
        return set(base.model_fields)
    return {name for one in base.__mro__ for name in own_annotations(one)}


def _with_derived(
    cls: type[Definition], options: Options, sources: dict[str, str], declared: dict[str, Any]
) -> dict[str, Any]:
    """Return the annotations with those of the derived fields, and note these in `sources`."""
    for name, source in [item for base in _bases(cls) for item in base.__orm_sources__.items()]:
        if source not in options.fields and name not in declared:
            raise SchemaError(
                f"`{cls.__name__}.Meta` leaves out `{source}`, which `{cls.__name__}` inherits: "
                "name it, or derive the schema from one that does not have it."
            )
    inherited = {name for base in cls.__mro__[1:] for name in own_annotations(base)} - sources.keys()
    # What the base derived is derived again where the options say more of it than its name.
    kept = set(sources.values()) if options.is_like(cls.__orm_options__) else set[str]()
    deriver = Deriver(cls.__name__, options, is_reserved, _nester(cls, options))
    taken = {*declared, *inherited}
    missing = [one for one in options.fields if one not in kept | taken and deriver.name_of(one) not in taken]
    derived = deriver.derive(missing)
    by_source = {one.source: one for one in derived}
    annotations: dict[str, Any] = {}
    for source in options.fields:
        if (one := by_source.get(source)) is not None:
            annotations[one.name] = one.annotation
            sources[one.name] = one.source
        elif source in declared:
            annotations[source] = declared[source]
    return {**annotations, **declared}


def _nester(cls: type[Definition], options: Options) -> Any:
    """Return what makes the schema of a related object, where `depth` asks for one."""

    def nest(relation: Relation) -> Any:
        # Not by name: nobody has named rights and owners, so that they cannot be written.
        secrets = [field.name for field in columns(relation.model).values() if is_secret(field.name)]
        exclude = [*secrets, *(field.name for field in relation.model._meta.many_to_many)]
        name = cls.__name__ + "".join(part.capitalize() for part in relation.name.split("_"))
        return define(relation.model, name=name, base=_root(cls), exclude=exclude, depth=options.depth - 1)

    return nest


def _root(cls: type[Definition]) -> type[Definition]:
    """Return the base that reads and writes, without the fields of any schema."""
    return next(base for base in _bases(cls) if base.__orm_options__ is None)


def define(model: type[Model], *, name: str, base: type[Definition], declared: Any = None, **meta: Any) -> Any:
    """Return a new schema, as the `class` statement with this `class Meta` makes it."""

    def fill(namespace: dict[str, Any]) -> None:
        namespace["__module__"] = model.__module__
        namespace["__qualname__"] = name
        namespace["__annotations__"] = dict(declared or {})
        # Pydantic knows a nested class by its qualified name, and takes anything else for a field.
        namespace["Meta"] = type(
            "Meta", (), {"__module__": model.__module__, "__qualname__": f"{name}.Meta", "model": model, **meta}
        )

    return types.new_class(name, (base,), {}, fill)


def _made_partial(cls: type[Definition], annotations: dict[str, Any]) -> dict[str, Any]:
    models = [base for base in reversed(cls.__bases__) if issubclass(base, BaseModel)]
    inherited = {name: partially(info) for base in models for name, info in base.model_fields.items()}
    return {**inherited, **{name: _absent(cls, name, one) for name, one in annotations.items()}}


def _absent(cls: type[Definition], name: str, annotation: Any) -> Any:
    return annotation if name in vars(cls) else absent(annotation)
