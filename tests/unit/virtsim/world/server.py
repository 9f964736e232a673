"""The API server: objects, versions, finalizers, subresources, and a log of every write."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from virtsim.cluster.client import ApiError
from virtsim.objects import keys
from virtsim.objects.pods import is_terminal
from virtsim.objects.resources import KUBEVIRTS, NAMESPACES, NODES, PODS, VMIMS, VMIS, Key, Object, Resource, key_of
from virtsim.objects.times import now

RESOURCES = (NODES, KUBEVIRTS, PODS, VMIS, VMIMS)
WITH_STATUS = frozenset({NODES, PODS, VMIMS, KUBEVIRTS})
"""VirtualMachineInstances have no status subresource: metadata, spec and status are written together."""


@dataclass(frozen=True, slots=True)
class Write:
    """One change of one object, by a component; `before` is None for a creation, `after` for an end."""

    writer: str
    resource: Resource
    before: Object | None
    after: Object | None

    @property
    def obj(self) -> Object:
        obj = self.after or self.before
        assert obj is not None
        return obj


class Server:
    """Every write is told to `watchers` before its answer; one that changes nothing is none."""

    def __init__(self) -> None:
        self.objects: dict[Resource, dict[Key, Object]] = {resource: {} for resource in (*RESOURCES, NAMESPACES)}
        self.watchers: list[Callable[[Write], None]] = []
        self.admit: Callable[[str, Resource, Object], Object] = lambda writer, resource, obj: obj
        self.version = 0

    def all(self, resource: Resource) -> list[Object]:
        return list(self.objects[resource].values())

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        return self.objects[resource].get((namespace, name))

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        obj = self.find(resource, namespace, name)
        if obj is None:
            raise ApiError(404, "NotFound", f'{resource.plural} "{name}" not found')
        return obj

    def create(self, writer: str, resource: Resource, obj: Object) -> Object:
        number = self._next()
        metadata = {**obj["metadata"]}
        metadata.setdefault("name", f"{metadata.get('generateName', '')}{number:05d}")
        if (metadata.get("namespace", ""), metadata["name"]) in self.objects[resource]:
            raise ApiError(409, "AlreadyExists", f'{resource.plural} "{metadata["name"]}" already exists')
        metadata |= {"uid": f"uid-{number:05d}", "creationTimestamp": now()}
        created = {**_copied(obj), "metadata": metadata}
        if resource is PODS:
            created["status"] = {"phase": "Pending"}
        return self._put(writer, resource, None, self.admit(writer, resource, created))

    def update(self, writer: str, resource: Resource, obj: Object, subresource: str = "") -> Object:
        """A PUT. Raises ApiError 404, 409."""
        metadata = obj["metadata"]
        before = self.get(resource, metadata.get("namespace", ""), metadata["name"])
        for field in ("uid", "resourceVersion"):
            if metadata.get(field, before["metadata"][field]) != before["metadata"][field]:
                raise ApiError(409, "Conflict", f"{resource.plural} {metadata['name']}: {field} is another")
        return self._put(writer, resource, before, _written(resource, before, _copied(obj), subresource))

    def change(
        self,
        writer: str,
        resource: Resource,
        key: Key,
        change: Callable[[Object], Object],
        subresource: str = "",
    ) -> Object:
        """A patch: a change of whatever is there now. Raises ApiError 404, 409 for another incarnation."""
        before = self.get(resource, *key)
        after = change(_copied(before))
        if after["metadata"]["uid"] != before["metadata"]["uid"]:
            raise ApiError(409, "Conflict", f"{resource.plural} {key[1]}: uid is another")
        return self._put(writer, resource, before, _written(resource, before, after, subresource))

    def delete(
        self, writer: str, resource: Resource, key: Key, uid: str = "", grace_seconds: int | None = None
    ) -> None:
        """Marks what a finalizer or a kubelet holds, ends the rest. A missing object is no error."""
        before = self.find(resource, *key)
        if before is None:
            return
        if uid and before["metadata"]["uid"] != uid:
            raise ApiError(409, "Conflict", f"{resource.plural} {key[1]}: uid is another")
        running = resource is PODS and before["spec"].get("nodeName") and not is_terminal(before)
        if before["metadata"].get("finalizers") or (running and grace_seconds != 0):
            if "deletionTimestamp" not in before["metadata"]:
                marked = {**before["metadata"], "deletionTimestamp": now()}
                self._put(writer, resource, before, {**before, "metadata": marked})
            return
        self._end(writer, resource, before)

    def _put(self, writer: str, resource: Resource, before: Object | None, after: Object) -> Object:
        if before is not None and after == before:
            return before
        after = _copied({**after, "metadata": {**after["metadata"], "resourceVersion": str(self._next())}})
        metadata = after["metadata"]
        if "deletionTimestamp" in metadata and not metadata.get("finalizers") and resource is not PODS:
            self._end(writer, resource, before or after)
            return after
        self.objects[resource][key_of(after)] = after
        self._tell(Write(writer, resource, before, after))
        return after

    def _next(self) -> int:
        self.version += 1
        return self.version

    def _end(self, writer: str, resource: Resource, obj: Object) -> None:
        del self.objects[resource][key_of(obj)]
        self._tell(Write(writer, resource, obj, None))

    def _tell(self, write: Write) -> None:
        for watcher in self.watchers:
            watcher(write)


def _written(resource: Resource, before: Object, after: Object, subresource: str) -> Object:
    """What of a request counts: a status endpoint takes the status only, the main one everything but the status."""
    if subresource == "status":
        return {**before, "status": after.get("status")}
    if resource in WITH_STATUS:
        kept = {"status": before["status"]} if "status" in before else {}
        after = {**{name: value for name, value in after.items() if name != "status"}, **kept}
    given = ("uid", "creationTimestamp", "deletionTimestamp", "resourceVersion")
    metadata = {name: value for name, value in after["metadata"].items() if name not in given}
    unchanged = {name: before["metadata"][name] for name in given if name in before["metadata"]}
    if not metadata.get("finalizers"):
        metadata.pop("finalizers", None)
    return {**after, "metadata": {**metadata, **unchanged}}


def _copied(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def launchers_of(server: Server, vmi: Object) -> Iterable[Object]:
    """The launcher pods of a VMI that have not come to their end."""
    uid = vmi["metadata"]["uid"]
    for pod in server.all(PODS):
        if pod["metadata"]["labels"].get(keys.CREATED_BY) == uid and not is_terminal(pod):
            yield pod
