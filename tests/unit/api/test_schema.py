"""What the generator makes of each thing pydantic can say, and what it refuses to say."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model

from drover.api.schema import Schema, SchemaError, structural
from drover.api.values import in_words, rule, rules


class Colour(StrEnum):
    """What it looks like."""

    RED = "Red"
    BLUE = "Blue"


class Part(BaseModel):
    """A part."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=rules(rule("self.size > 0", "make it larger", ".size")))

    size: Annotated[int, Field(ge=0, description="How large.")]
    unit: Annotated[Literal["mm"] | None, Field(description="Of the size.")] = None


class WithDefault(BaseModel):
    """A part with a default of its own."""

    size: Annotated[int, Field(description="How large.")] = 1


Text = Annotated[str, Field(max_length=9)]
Worded = Annotated[str, Field(max_length=9, pattern="^a+$", json_schema_extra=in_words("^a+$", "use the letter a"))]
PART: Schema = {
    "description": "A part.",
    "type": "object",
    "x-kubernetes-validations": [{"rule": "self.size > 0", "message": "make it larger", "fieldPath": ".size"}],
    "required": ["size"],
    "properties": {
        "size": {"description": "How large.", "type": "integer", "format": "int64", "minimum": 0},
        "unit": {"description": "Of the size.", "type": "string", "enum": ["mm"]},
    },
}


def kind(field: Any, default: Any = ..., where: str = "spec") -> type[BaseModel]:
    """A kind with the one field `it`, in its spec or its status."""
    described: Any = Annotated[field, Field(description="It.")]
    switch: Any = Annotated[bool, Field(description="Whether.")]
    part = create_model("Part", __doc__="A part.", it=(described, default))
    empty = create_model("Empty", __doc__="Another part.", on=(switch, ...))
    parts: dict[str, Any] = {"spec": (empty, ...), "status": (empty, ...)} | {where: (part, ...)}
    return create_model("Kind", __doc__="A kind.", **parts)


def schema_of(field: Any, default: Any = ..., where: str = "spec") -> Schema:
    """The schema of that field, without its description."""
    properties = structural(kind(field, default, where))["properties"]
    found: Schema = properties[where]["properties"]["it"]
    assert found.pop("description") == "It."
    return found


@pytest.mark.parametrize(
    ("field", "default", "schema"),
    [
        pytest.param(bool, False, {"type": "boolean", "default": False}, id="a default"),
        pytest.param(Text, ..., {"type": "string", "maxLength": 9}, id="a bounded string"),
        pytest.param(Text | None, None, {"type": "string", "maxLength": 9}, id="optional is absent, not null"),
        pytest.param(datetime, ..., {"type": "string", "format": "date-time"}, id="a moment"),
        pytest.param(Literal["A", "B"], "A", {"type": "string", "enum": ["A", "B"], "default": "A"}, id="a choice"),
        pytest.param(Literal["A"], "A", {"type": "string", "enum": ["A"], "default": "A"}, id="const becomes enum"),
        pytest.param(Colour, ..., {"type": "string", "enum": ["Red", "Blue"]}, id="an enum, inlined"),
        pytest.param(Colour | None, None, {"type": "string", "enum": ["Red", "Blue"]}, id="an optional enum"),
        pytest.param(int, ..., {"type": "integer", "format": "int64"}, id="an integer"),
        pytest.param(
            Annotated[float, Field(gt=0, lt=1)],
            ...,
            {
                "type": "number",
                "exclusiveMinimum": True,
                "exclusiveMaximum": True,
                "minimum": 0.0,
                "maximum": 1.0,
            },
            id="exclusive bounds are booleans beside the bound",
        ),
        pytest.param(
            Annotated[tuple[Text, ...], Field(max_length=3)],
            ...,
            {
                "type": "array",
                "maxItems": 3,
                "x-kubernetes-list-type": "atomic",
                "items": {"type": "string", "maxLength": 9},
            },
            id="a list is atomic",
        ),
        pytest.param(
            Annotated[frozenset[Text], Field(max_length=3)],
            ...,
            {
                "type": "array",
                "maxItems": 3,
                "x-kubernetes-list-type": "set",
                "items": {"type": "string", "maxLength": 9},
            },
            id="a set is a list of its own type",
        ),
        pytest.param(
            Annotated[dict[Text, Text], Field(max_length=3)],
            ...,
            {"type": "object", "maxProperties": 3, "additionalProperties": {"type": "string", "maxLength": 9}},
            id="a map",
        ),
        pytest.param(
            Worded,
            ...,
            {
                "type": "string",
                "maxLength": 9,
                "x-kubernetes-validations": [{"rule": "self.matches(r'^a+$')", "message": "use the letter a"}],
            },
            id="a pattern in words",
        ),
        pytest.param(Part | None, None, {key: PART[key] for key in PART if key != "description"}, id="a model"),
        pytest.param(
            Part,
            Part(size=1),
            {**{key: PART[key] for key in PART if key != "description"}, "default": {"size": 1}},
            id="no null within a default",
        ),
    ],
)
def test_a_field_becomes_a_structural_schema(field: Any, default: Any, schema: Schema) -> None:
    assert schema_of(field, default) == schema


def test_a_status_has_no_defaults() -> None:
    assert schema_of(bool, False, where="status") == {"type": "boolean"}


def test_the_docstring_of_a_model_describes_a_field_that_has_none() -> None:
    properties = structural(kind(Text))["properties"]
    assert properties["spec"]["description"] == "A part."


def test_metadata_is_left_to_the_api_server() -> None:
    assert structural(kind(Text))["properties"]["metadata"] == {"type": "object"}


@pytest.mark.parametrize(
    ("field", "message"),
    [
        pytest.param(str, "spec.it has no maxLength", id="a string without end"),
        pytest.param(tuple[Text, ...], "spec.it has no maxItems", id="a list without end"),
        pytest.param(dict[str, Text], "spec.it has no maxProperties", id="a map without end"),
        pytest.param(
            Annotated[tuple[str, ...], Field(max_length=3)],
            r"spec.it.\[\] has no maxLength",
            id="strings without end in a list",
        ),
        pytest.param(Annotated[dict[str, str], Field(max_length=3)], r"spec.it.\* has no maxLength", id="in a map"),
        pytest.param(dict[str, Any], "spec.it is an object of no known form", id="a map of anything"),
        pytest.param(tuple[Text, Text], "spec.it is a tuple of fixed length", id="a pair"),
        pytest.param(Text | int, "spec.it is a union", id="a union"),
        pytest.param(Part | WithDefault, "spec.it is a union", id="a union of models"),
        pytest.param(Any, "spec.it is of the type None", id="anything"),
        pytest.param(
            Annotated[tuple[WithDefault, ...], Field(max_length=3)],
            r"spec.it.\[\].size has a default within a list item",
            id="a default in a list item",
        ),
    ],
)
def test_what_a_structural_schema_cannot_say_is_an_error(field: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        structural(kind(field))


def test_a_field_without_a_description_is_an_error() -> None:
    silent = create_model("Silent", it=(Text, ...))
    with pytest.raises(SchemaError, match=r"spec.it has no description"):
        structural(create_model("Kind", spec=(silent, ...), status=(silent, ...)))
