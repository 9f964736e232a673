"""One copy of what many cached objects have in common.

Launcher pods of one fleet differ in a few names; decoded one by one, 10,000 of them take 300 MB. Cached objects are
never changed in place, so that equal parts may be one part.
"""

from typing import Any

from virtsim.objects.resources import Object

REMEMBERED_PARTS = 10_000
"""Then it starts anew: one copy for every hundred objects is as good as one for all, and unique names go again."""


class Sharing:
    """Replaces parts of objects by equal ones that were seen before. Answers are equal to what was given."""

    def __init__(self) -> None:
        self._scalars: dict[Any, Any] = {}
        self._parts: dict[tuple[int, ...], Any] = {}

    def renewed(self, obj: Object, before: Object | None) -> Object:
        """The object, made of the parts of its previous version and of parts of others."""
        if len(self._parts) + len(self._scalars) > REMEMBERED_PARTS:
            self._scalars.clear()
            self._parts.clear()
        renewed: Object = self._shared(obj) if before is None else self._renewed(obj, before)
        return renewed

    def _renewed(self, value: Any, before: Any) -> Any:
        if value == before:
            return before
        if isinstance(value, dict) and isinstance(before, dict):
            same = self._scalars.setdefault
            return {same(key, key): self._renewed(entry, before.get(key)) for key, entry in value.items()}
        return self._shared(value)

    def _shared(self, value: Any) -> Any:
        """Bottom up: what is made of the very same parts is the same. What is remembered keeps its parts' ids taken."""
        same, kind = self._scalars.setdefault, type(value)
        if kind is str or kind is int:
            return same(value, value)
        if kind is dict:
            mapping = {same(key, key): self._shared(entry) for key, entry in value.items()}
            return self._parts.setdefault((0, *map(id, mapping), *map(id, mapping.values())), mapping)
        if kind is list:
            entries = [self._shared(entry) for entry in value]
            return self._parts.setdefault((1, *map(id, entries)), entries)
        return value
