"""What the objects of a scenario are called in this run, and whether a value is what a table says.

Roles are those of the recordings: vmim-<name>, vmi-<name>, source-pod-<vm> (there from the start), target-pod-<vm>, the
next one target-pod-<vm>#2. `kubevirt-evacuation-*` is a generated name, the second one has #2. In a text `<role>` is a
pod's name or the UID of anything else; `<uid of role>`, `<name of role>`, `<node of role>` say it expressly; `<time>`
and `<any>` are a time and anything.
"""

import re
from collections.abc import Iterator
from typing import Any

from tests.integration.virtsim.recording import TIME, Recording
from virtsim.objects import keys
from virtsim.objects.pods import annotations_of, labels_of
from virtsim.objects.resources import PODS, VMIMS, Object

ROLE = re.compile(r"<([^<>]+)>")
ANYTHING = {"time": TIME.pattern.strip("^$"), "any": ".*"}


def roles_of(taken: Recording) -> dict[str, tuple[str, str]]:
    """The recorded objects by their roles, as (plural, name)."""
    found: dict[str, tuple[str, str]] = {}
    for (plural, name), writes in taken.writes.items():
        role = _role(plural, name, writes[0].obj)
        number = 1 + sum(known.partition("#")[0] == role for known in found)
        found[role if number == 1 else f"{role}#{number}"] = plural, name
    return found


def _role(plural: str, name: str, obj: Object) -> str:
    if plural == PODS.plural:
        side = "target" if keys.MIGRATION_JOB_UID in labels_of(obj) else "source"
        return f"{side}-pod-{annotations_of(obj).get(keys.DOMAIN, name)}"
    generated: str = obj["metadata"].get("generateName", "")
    return f"{'vmim' if plural == VMIMS.plural else 'vmi'}-{f'{generated}*' if generated else name}"


class Names:
    """The names of one run at one moment."""

    def __init__(self, taken: Recording, namespace: str) -> None:
        self.roles = roles_of(taken)
        self._taken = taken
        self._namespace = namespace

    def last(self, role: str) -> Object | None:
        """The object as it was seen last; it may be gone."""
        known = self.roles.get(role)
        return None if known is None else self._taken.last(*known)

    def filled(self, value: Any) -> Any:
        """The value with roles replaced by what they are here; unknown roles stay."""
        if isinstance(value, dict):
            return {self.filled(key): self.filled(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self.filled(entry) for entry in value]
        return ROLE.sub(lambda found: self._called(found[1]) or found[0], value) if isinstance(value, str) else value

    def _called(self, words: str) -> str | None:
        if words == "namespace":
            return self._namespace
        what, _, role = words.rpartition(" of ")
        obj = self.last(role)
        if obj is None:
            return None
        is_pod = self.roles[role][0] == PODS.plural
        field = what or ("name" if is_pod else "uid")
        place: str = obj["spec"].get("nodeName", "") if field == "node" else obj["metadata"][field]
        return place

    def of(self, kind: str) -> Iterator[str]:
        """The roles of one resource."""
        return (role for role, (plural, _) in self.roles.items() if plural == kind)


def matches(expected: Any, actual: Any) -> bool:
    """Whether a value is the expected one, where a text may hold <time> and <any>."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(matches(expected[key], actual[key]) for key in expected)
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(matches, expected, actual))
    if expected == "<any>":
        return actual is not None
    if not isinstance(expected, str) or not isinstance(actual, str):
        return bool(expected == actual)
    parts = ROLE.split(expected)
    pattern = "".join(
        ANYTHING.get(part, re.escape(f"<{part}>")) if number % 2 else re.escape(part)
        for number, part in enumerate(parts)
    )
    return re.fullmatch(pattern, actual, re.DOTALL) is not None
