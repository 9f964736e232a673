"""From a pydantic model to the structural schema that a CustomResourceDefinition wants.

What pydantic emits is refused by the API server in places ($ref, anyOf with null, numeric exclusive bounds) and dropped
without a word in others (const, prefixItems, propertyNames), which would leave a field without its validation. Nothing
that means something is dropped here: what cannot be expressed raises SchemaError.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_SILENT = ("title", "examples", "propertyNames")
"""Of no meaning to the API server. The keys of our maps are checked by CEL rules instead."""

_ORDER = ("description", "type", "format", "default", "enum")
"""What comes first in a schema, for people who read it."""

_LAST = ("required", "properties", "items", "additionalProperties")
"""What comes last, because it is long."""


class SchemaError(ValueError):
    """A field that no structural schema can express, or one without a bound or a description."""


@dataclass(frozen=True)
class _Place:
    """Where we are in the kind, and what holds there."""

    definitions: Mapping[str, Schema]
    path: str
    defaults: bool
    """A status has none: what its writer left out is absent."""
    in_item: bool = False
    """Within a list: a default there would be drift without end to a GitOps tool, which compares lists as a whole."""

    def below(self, name: str, in_item: bool = False) -> "_Place":
        return replace(self, path=f"{self.path}.{name}", in_item=self.in_item or in_item)

    def error(self, what: str) -> SchemaError:
        return SchemaError(f"{self.path} {what}")


def structural(model: type[BaseModel]) -> Schema:
    """The schema of a whole kind. Raises SchemaError."""
    raw = model.model_json_schema(by_alias=True, mode="validation")
    properties, definitions = raw["properties"], raw.get("$defs", {})
    spec = _convert(properties["spec"], _Place(definitions, "spec", defaults=True))
    status = _convert(properties["status"], _Place(definitions, "status", defaults=False))
    plain = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    schema = {key: value for key, value in raw.items() if key not in {"$defs", *_SILENT}}
    return _ordered(schema | {"required": ["spec"], "properties": plain | {"spec": spec, "status": status}})


def _convert(raw: Schema, place: _Place) -> Schema:
    schema = {key: value for key, value in _inlined(raw, place).items() if key not in _SILENT}
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if schema.get("additionalProperties") is False:
        del schema["additionalProperties"]
    _settle_default(schema, place)
    match schema.get("type"):
        case "object":
            _object(schema, place)
        case "array":
            _array(schema, place)
        case "string":
            _bounded(schema, place, "maxLength", unless=("enum", "format"))
        case "integer" | "number":
            _number(schema)
        case "boolean":
            pass
        case other:
            raise place.error(f"is of the type {other}: a structural schema needs one of JSON's")
    return _ordered(schema)


def _inlined(raw: Schema, place: _Place) -> Schema:
    """Without references and without the null of an optional field. What a field says outdoes what its type says."""
    if reference := raw.get("$ref"):
        target = place.definitions[reference.removeprefix("#/$defs/")]
        return _inlined(target | {key: value for key, value in raw.items() if key != "$ref"}, place)
    if choices := raw.get("anyOf"):
        kept = [choice for choice in choices if choice.get("type") != "null"]
        if len(kept) != 1:
            raise place.error("is a union: a structural schema has none")
        return _inlined(kept[0] | {key: value for key, value in raw.items() if key != "anyOf"}, place)
    return raw


def _settle_default(schema: Schema, place: _Place) -> None:
    default = _without_nulls(schema.pop("default", None))
    if default is None or not place.defaults:
        return
    if place.in_item:
        raise place.error("has a default within a list item")
    schema["default"] = default


def _without_nulls(value: Any) -> Any:
    """Nulls in a default are injected after the API server prunes them, and then refused in every object."""
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return value


def _object(schema: Schema, place: _Place) -> None:
    if properties := schema.get("properties"):
        schema["properties"] = {name: _property(raw, place.below(name)) for name, raw in properties.items()}
    elif isinstance(values := schema.get("additionalProperties"), dict):
        _bounded(schema, place, "maxProperties")
        schema["additionalProperties"] = _convert(values, place.below("*"))
    else:
        raise place.error("is an object of no known form: the API server would prune all of it")


def _property(raw: Schema, place: _Place) -> Schema:
    schema = _convert(raw, place)
    if "description" not in schema:
        raise place.error("has no description: give the field, or its model, a docstring")
    return schema


def _array(schema: Schema, place: _Place) -> None:
    if "prefixItems" in schema or "items" not in schema:
        raise place.error("is a tuple of fixed length: a structural schema has none")
    _bounded(schema, place, "maxItems")
    schema["items"] = _convert(schema["items"], place.below("[]", in_item=True))
    unique = schema.pop("uniqueItems", False)
    schema.setdefault("x-kubernetes-list-type", "set" if unique else "atomic")


def _number(schema: Schema) -> None:
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in schema:
            schema |= {bound: schema[exclusive], exclusive: True}
    if schema["type"] == "integer":
        schema["format"] = "int64"


def _bounded(schema: Schema, place: _Place, bound: str, unless: tuple[str, ...] = ()) -> None:
    if not any(key in schema for key in (bound, *unless)):
        raise place.error(f"has no {bound}: the API server could not bound the cost of its rules and of its size")


def _ordered(schema: Schema) -> Schema:
    def rank(key: str) -> int:
        if key in _ORDER:
            return _ORDER.index(key)
        return len(_ORDER) + (2 + _LAST.index(key) if key in _LAST else key.startswith("x-"))

    return {key: schema[key] for key in sorted(schema, key=rank)}
