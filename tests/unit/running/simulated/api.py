"""An API server of the simulated world: objects by resource and key, and what time it is."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import msgspec
import pydantic

from drover.facts.wire import Key
from tests.builders import NOW

OTHERS = ("policies", "namespaces", "quotas", "budgets", "pvcs", "pvs", "csinodes", "attachments")
RESOURCES = ("nodes", "pods", "vmis", "vmims", "kubevirts", "crds", *OTHERS, "plans", "maintenances", "reports")


class Api:
    """Holds immutable objects; whoever changes one puts another in its place.

    `tombs` are deleted migrations as they were when they were deleted: what a watch delivers with its DELETED event.
    """

    def __init__(self) -> None:
        self.now: datetime = NOW
        self.objects: dict[str, dict[Key, Any]] = {resource: {} for resource in RESOURCES}
        self.tombs: dict[str, Any] = {}
        self._uids = count(1)

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def uid(self, name: str) -> str:
        """Never the same twice, as a name may be used again."""
        return f"{name}#{next(self._uids)}"

    def create(self, resource: str, thing: Any) -> Any:
        """From a builder."""
        return self.put(resource, thing.build())

    def put(self, resource: str, thing: Any) -> Any:
        self.objects[resource][self.key(resource, thing)] = thing
        return thing

    def change(self, resource: str, thing: Any, **fields: Any) -> Any:
        """Set fields by their path, "__" between the steps: `change("vmis", vmi, status__phase="Failed")`."""
        for path, value in fields.items():
            thing = evolve(thing, path.split("__"), value)
        return self.put(resource, thing)

    def remove(self, resource: str, thing: Any) -> None:
        last = self.objects[resource].pop(self.key(resource, thing))
        if resource == "vmims":
            self.tombs[last.uid] = last

    def all(self, resource: str) -> list[Any]:
        """In the order of their keys, so that an index means the same thing every time."""
        return [thing for _, thing in sorted(self.objects[resource].items())]

    def get(self, resource: str, key: Key) -> Any:
        """The object, or None."""
        return self.objects[resource].get(key)

    def pods_of(self, vmi: Any) -> list[Any]:
        return [pod for pod in self.all("pods") if pod.vmi_uid == vmi.uid]

    def in_flight(self) -> Iterator[Any]:
        return (vmim for vmim in self.all("vmims") if not vmim.final)

    @staticmethod
    def key(resource: str, thing: Any) -> Key:
        return getattr(thing.metadata, "namespace", ""), thing.metadata.name


def evolve(thing: Any, path: list[str], value: Any) -> Any:
    """The same object with one field of it changed, however deep."""
    first, *rest = path
    if rest:
        value = evolve(getattr(thing, first), rest, value)
    if isinstance(thing, pydantic.BaseModel):
        return thing.model_copy(update={first: value})
    return msgspec.structs.replace(thing, **{first: value})
