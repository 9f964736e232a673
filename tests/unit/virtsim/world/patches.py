"""The three kinds of patches, as the API server applies them."""

from collections.abc import Mapping, Sequence
from typing import Any

from virtsim.cluster.client import JSON_PATCH, STRATEGIC_PATCH, ApiError
from virtsim.objects.resources import Object

MERGE_KEYS = {"conditions": "type"}
"""Lists of a pod's or node's status that a strategic merge joins entry by entry; the others are replaced."""


def patched(obj: Object, body: Any, kind: str) -> Object:
    """The object after the patch. Raises ApiError 422 as a JSON patch does whose operations cannot be done."""
    if kind == JSON_PATCH:
        for operation in body:
            obj = _operated(obj, operation)
        return obj
    merged: Object = _merged(obj, body, strategic=kind == STRATEGIC_PATCH)
    return merged


def _operated(obj: Object, operation: Mapping[str, Any]) -> Object:
    path = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    after: Object = _at(obj, path, operation)
    return after


def _at(value: Any, path: Sequence[str], operation: Mapping[str, Any]) -> Any:
    """A copy of the value with the operation done at the path below it."""
    name, *rest = path
    if not isinstance(value, dict) or (name not in value and (rest or operation["op"] != "add")):
        raise ApiError(422, "Invalid", f"the path {operation['path']} does not exist")
    if rest:
        return {**value, name: _at(value[name], rest, operation)}
    if operation["op"] == "test":
        if value[name] != operation["value"]:
            raise ApiError(422, "Invalid", f"testing value {operation['path']} failed")
        return value
    left = {key: entry for key, entry in value.items() if key != name}
    return left if operation["op"] == "remove" else {**left, name: operation["value"]}


def _merged(below: Any, above: Any, strategic: bool, name: str = "") -> Any:
    if strategic and name in MERGE_KEYS and isinstance(above, list):
        return _joined(below or [], above, MERGE_KEYS[name])
    if not isinstance(above, dict):
        return above
    merged = dict(below) if isinstance(below, dict) else {}
    for key, value in above.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value, strategic, key)
    return merged


def _joined(below: list[Object], above: list[Object], key: str) -> list[Object]:
    entries = {entry[key]: entry for entry in below}
    for entry in above:
        entries[entry[key]] = _merged(entries.get(entry[key]), entry, strategic=True)
    return list(entries.values())
