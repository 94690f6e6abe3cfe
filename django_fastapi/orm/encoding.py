"""From dictionaries of values to JSON bytes, by the very serializers that Pydantic has for the schemas."""

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic_core import CoreConfig, SchemaSerializer

from .core_schemas import Node, changed
from .definitions import Definition
from .fields import Range


@dataclass(frozen=True, slots=True)
class Encoder:
    """Serializes dictionaries as Pydantic does the objects of the schemas they stand for.

    Args:
        serializer: What does it.
    """

    serializer: SchemaSerializer

    def encode(self, value: Any, **options: Any) -> bytes:
        """Return the JSON of a value, with the options of `model_dump_json`."""
        return self.serializer.to_json(value, **options)


@cache
def encoder_of(annotation: Any, envelope: type[BaseModel] | None = None) -> Encoder:
    """Return the encoder for a type in which every object of a schema is a dictionary.

    Args:
        annotation: The type.
        envelope: A model that is a dictionary too.
    """
    # Unlike a model, a typed dictionary does not bring its configuration along.
    config = CoreConfig(ser_json_bytes=Definition.model_config.get("ser_json_bytes", "utf8"))
    schema = changed(TypeAdapter(annotation).core_schema, partial(_as_dictionary, envelope=envelope))
    return Encoder(SchemaSerializer(schema, config))


def _as_dictionary(node: Node, envelope: type[BaseModel] | None) -> Node:
    """Return a typed dictionary in the place of a model that is read as rows."""
    if node.get("type") != "model" or not (node["cls"] is envelope or issubclass(node["cls"], Definition | Range)):
        return node
    fields = {name: _as_key(field) for name, field in _fields_of(node["schema"]).items()}
    made: Node = {"type": "typed-dict", "fields": fields, "cls_name": node["cls"].__name__}
    return {**made, "ref": node["ref"]} if "ref" in node else made


def _as_key(field: Node) -> Node:
    kept = {key: value for key, value in field.items() if key not in ("frozen", "validation_alias")}
    return {**kept, "type": "typed-dict-field", "required": True}


def _fields_of(schema: Node) -> dict[str, Node]:
    while schema["type"] != "model-fields":
        schema = schema["schema"]
    fields: dict[str, Node] = schema["fields"]
    return fields
