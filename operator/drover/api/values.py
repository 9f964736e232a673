"""The values our kinds are made of: names, labels, durations, texts; their bounds, and what to say of a wrong one."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_LABEL = f"^{_LABEL}$"
DNS_NAME = rf"^{_LABEL}(\.{_LABEL})*$"
LABEL_VALUE = r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"
LABEL_KEY = rf"^({_LABEL}(\.{_LABEL})*/)?([A-Za-z0-9][-A-Za-z0-9_.]{{0,61}})?[A-Za-z0-9]$"
DURATION = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"


def rule(expression: str, message: str, field: str | None = None) -> dict[str, str]:
    """A CEL rule for `x-kubernetes-validations`; the message says what to do, and is about `field` (`.nodeName`)."""
    return {"rule": expression, "message": message} | ({"fieldPath": field} if field else {})


def rules(*each: dict[str, str]) -> dict[str, Any]:
    """Schema extras of a model or a field: its CEL rules."""
    return {"x-kubernetes-validations": list(each)}


def in_words(pattern: str, message: str, *further: str) -> Callable[[dict[str, Any]], None]:
    """Schema extras of a string: its pattern, and further conditions, as one CEL rule.

    The API server answers what breaks a `pattern` with the regular expression, and what breaks a rule with its message.
    """
    condition = " && ".join((f"self.matches(r'{pattern}')", *further))

    def replace(schema: dict[str, Any]) -> None:
        schema.pop("pattern", None)
        schema.update(rules(rule(condition, message)))

    return replace


_NAME = in_words(DNS_NAME, "use a name such as worker-1.rack-b: lower-case letters, digits, '-' and '.'")
_NAMESPACE = in_words(DNS_LABEL, "use the name of a namespace: lower-case letters, digits and '-'")
_LABEL_VALUE = in_words(LABEL_VALUE, "use a label value: letters, digits, '-', '_' and '.'")
_LABEL_KEY = in_words(LABEL_KEY, "use a label key such as rack or example.com/rack")


def _a_duration(most: str, examples: str) -> Callable[[dict[str, Any]], None]:
    return in_words(
        DURATION,
        f"use a duration above 0s and of at most {most}, such as {examples}",
        "duration(self) > duration('0s')",
        f"duration(self) <= duration('{most}')",
    )


_DURATION = _a_duration("24h", "20s, 2m or 1h30m")
_SHORT_DURATION = _a_duration("10m", "500ms, 20s or 2m")

Name = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_NAME, json_schema_extra=_NAME)]
Namespace = Annotated[str, Field(min_length=1, max_length=63, pattern=DNS_LABEL, json_schema_extra=_NAMESPACE)]
LabelValue = Annotated[str, Field(max_length=63, pattern=LABEL_VALUE, json_schema_extra=_LABEL_VALUE)]
LabelKey = Annotated[str, Field(min_length=1, max_length=317, pattern=LABEL_KEY, json_schema_extra=_LABEL_KEY)]
Duration = Annotated[str, Field(min_length=2, max_length=32, pattern=DURATION, json_schema_extra=_DURATION)]
ShortDuration = Annotated[str, Field(min_length=2, max_length=32, pattern=DURATION, json_schema_extra=_SHORT_DURATION)]
Text = Annotated[str, Field(max_length=1024)]

# A status is written by us alone: its strings are bounded, so that the API server can bound its work, and no more.
Word = Annotated[str, Field(max_length=128)]
ObjectName = Annotated[str, Field(max_length=253)]
Reference = Annotated[str, Field(max_length=512)]
Uid = Annotated[str, Field(max_length=64)]
Generation = Annotated[int, Field(ge=0)]
Percent = Annotated[int, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
