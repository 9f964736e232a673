"""Conditions of any object, read and replaced."""

from typing import Any

from virtsim.objects.resources import Object


def condition(obj: Object, kind: str) -> Object | None:
    """The condition of that type, or None."""
    for entry in obj.get("status", {}).get("conditions") or ():
        if entry["type"] == kind:
            found: Object = entry
            return found
    return None


def is_true(obj: Object, kind: str) -> bool:
    entry = condition(obj, kind)
    return entry is not None and entry["status"] == "True"


def is_false(obj: Object, kind: str) -> bool:
    entry = condition(obj, kind)
    return entry is not None and entry["status"] == "False"


def with_condition(conditions: list[Object] | None, entry: dict[str, Any]) -> list[Object]:
    """The list with this entry in the place of the one of the same type, or at the end."""
    kinds = [known["type"] for known in conditions or ()]
    if entry["type"] not in kinds:
        return [*(conditions or ()), entry]
    return [entry if known["type"] == entry["type"] else known for known in conditions or ()]


def without_condition(conditions: list[Object] | None, kind: str) -> list[Object]:
    return [known for known in conditions or () if known["type"] != kind]
