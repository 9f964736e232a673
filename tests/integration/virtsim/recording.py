"""What is written to some objects, as a watch shows it: one entry a write, with what it set and what it took away."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from virtsim.cluster.client import Client
from virtsim.cluster.informer import lines_of
from virtsim.objects.resources import PODS, VMIMS, VMIS, Object, Resource

Facts = dict[str, Any]
WITHIN_SECONDS = 30.0

VMIM = "VirtualMachineInstanceMigration"
OWNER = "migrationState.migrationUid"
TIME = re.compile(r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(Z| \+0000 UTC)$")


@dataclass(frozen=True)
class Write:
    """One watch event of one object: its resource version and the paths whose values it changed.

    A new owner of migrationState replaces all of it: all its fields then count as set.
    """

    version: int
    obj: Object
    set: Facts
    unset: list[str]
    created: bool = False


@dataclass
class Recording:
    """All writes to the objects of a namespace, by (plural, name)."""

    writes: dict[tuple[str, str], list[Write]] = field(default_factory=dict)
    seen: dict[tuple[str, str], int] = field(default_factory=dict)
    gone: set[tuple[str, str]] = field(default_factory=set)

    def last(self, plural: str, name: str) -> Object:
        """The object as it was seen last; an empty one if it was not seen."""
        known = self.writes.get((plural, name))
        return known[-1].obj if known else {"metadata": {}, "status": {}}

    def has_caught_up(self, plural: str, stored: dict[str, int]) -> bool:
        """Whether everything that is stored (name: version), and the end of everything that is not, was seen."""
        missing = [name for kind, name in self.seen if kind == plural and name not in stored]
        return all((plural, name) in self.gone for name in missing) and all(
            self.seen.get((plural, name), 0) >= version for name, version in stored.items()
        )

    def take(self, plural: str, obj: Object, created: bool = False) -> None:
        self.seen[plural, obj["metadata"]["name"]] = int(obj["metadata"]["resourceVersion"])
        known = self.writes.setdefault((plural, obj["metadata"]["name"]), [])
        before = facts_of(known[-1].obj) if known else {}
        after = facts_of(obj)
        replaced = before.get(OWNER) != after.get(OWNER)
        changed = {
            path: value
            for path, value in after.items()
            if before.get(path, self) != value or (replaced and path.startswith("migrationState."))
        }
        gone = [path for path in before if path not in after]
        if changed or gone or not known:
            known.append(Write(int(obj["metadata"]["resourceVersion"]), obj, changed, gone, created))


def facts_of(obj: Object) -> Facts:
    """The paths that are compared: labels, annotations, finalizers, and the status without what only counts."""
    return dict(_facts(obj))


def _facts(obj: Object) -> Iterator[tuple[str, Any]]:
    metadata, status = obj["metadata"], obj.get("status") or {}
    for part in ("labels", "annotations"):
        for key, value in (metadata.get(part) or {}).items():
            yield f"{part}.{key}", value
    if metadata.get("finalizers"):
        yield "finalizers", metadata["finalizers"]
    if metadata.get("deletionTimestamp"):
        yield "deleted", metadata["deletionTimestamp"]
    if (obj.get("spec") or {}).get("priority") and obj["kind"] == VMIM:
        yield "spec.priority", obj["spec"]["priority"]
    for stamp in status.get("phaseTransitionTimestamps") or ():
        yield f"stamps[{stamp['phase']}]", stamp["phaseTransitionTimestamp"]
    for entry in status.get("conditions") or ():
        words = f"{entry['status']} {entry.get('reason', '')}: {entry.get('message', '')}"
        yield f"conditions[{entry['type']}]", words.removesuffix(" : ")
    for key, value in (status.get("migrationState") or {}).items():
        yield f"migrationState.{key}", value
    for key in ("phase", "nodeName", "evacuationNodeName", "launcherContainerImageVersion", "activePods"):
        if status.get(key):
            yield key, status[key]


@asynccontextmanager
async def recording(client: Client, namespace: str) -> AsyncIterator[Recording]:
    """Records the VMIMs, VMIs and pods of a namespace from now on, to the last write before the context ends."""
    taken = Recording()
    started = [asyncio.Event() for _ in range(3)]
    tasks = [
        asyncio.create_task(_record(client, resource, namespace, taken, event))
        for resource, event in zip((VMIMS, VMIS, PODS), started, strict=True)
    ]
    await asyncio.gather(*(event.wait() for event in started))
    try:
        yield taken
        for resource in (VMIMS, VMIS, PODS):
            await _catch_up(client, resource, namespace, taken)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _record(client: Client, resource: Resource, namespace: str, taken: Recording, started: asyncio.Event) -> None:
    listed = await client.list(resource, namespace)
    for obj in listed["items"]:
        taken.take(resource.plural, obj)
    query = {"watch": "true", "resourceVersion": listed["metadata"]["resourceVersion"]}
    async with client.stream(resource.path(namespace), query) as response:
        started.set()
        async for line in lines_of(response.content):
            event = msgspec.json.decode(line)
            if event["type"] in ("ADDED", "MODIFIED"):
                taken.take(resource.plural, event["object"], event["type"] == "ADDED")
            elif event["type"] == "DELETED":
                taken.gone.add((resource.plural, event["object"]["metadata"]["name"]))


async def _catch_up(client: Client, resource: Resource, namespace: str, taken: Recording) -> None:
    listed = await client.list(resource, namespace)
    stored = {obj["metadata"]["name"]: int(obj["metadata"]["resourceVersion"]) for obj in listed["items"]}
    async with asyncio.timeout(WITHIN_SECONDS):
        while not taken.has_caught_up(resource.plural, stored):  # noqa: ASYNC110 - the watch is another task's
            await asyncio.sleep(0.02)
