"""One component's hand on the cluster: requests under its name, whose answers go into the shared caches at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from virtsim.cluster.caches import Caches
from virtsim.cluster.client import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Client
from virtsim.cluster.events import Recorder
from virtsim.objects.resources import Object, Resource
from virtsim.versions import NEWEST, Version


@dataclass(frozen=True)
class Actor:
    """Reads from `caches`, writes through `client` (read your writes), tells through `events`; is of a `version`."""

    client: Client
    caches: Caches
    events: Recorder
    version: Version = NEWEST

    async def create(self, resource: Resource, obj: Object, subresource: str = "") -> Object:
        return self._seen(resource, await self.client.create(resource, obj, subresource))

    async def update(self, resource: Resource, obj: Object, subresource: str = "") -> Object:
        return self._seen(resource, await self.client.update(resource, obj, subresource))

    async def patch_json(self, resource: Resource, obj: Object, operations: Sequence[Mapping[str, Any]]) -> Object:
        """A JSON patch; a failing `test` is refused with 422."""
        return await self._patch(resource, obj, operations, JSON_PATCH, "")

    async def patch_merge(self, resource: Resource, obj: Object, body: Object, subresource: str = "") -> Object:
        return await self._patch(resource, obj, body, MERGE_PATCH, subresource)

    async def patch_status(self, resource: Resource, obj: Object, status: Object) -> Object:
        """A strategic merge of the status subresource, only of this incarnation of the object."""
        body = {"metadata": {"uid": obj["metadata"]["uid"]}, "status": status}
        return await self._patch(resource, obj, body, STRATEGIC_PATCH, "status")

    async def delete(self, resource: Resource, obj: Object, grace_seconds: int | None = None) -> None:
        """Asks for the deletion of this incarnation; the watch tells when it is gone."""
        metadata = obj["metadata"]
        namespace = metadata.get("namespace", "")
        await self.client.delete(
            resource, namespace, metadata["name"], uid=metadata["uid"], grace_seconds=grace_seconds
        )

    async def _patch(self, resource: Resource, obj: Object, body: Any, kind: str, subresource: str) -> Object:
        metadata = obj["metadata"]
        namespace = metadata.get("namespace", "")
        answer = await self.client.patch(resource, namespace, metadata["name"], body, kind, subresource)
        return self._seen(resource, answer)

    def _seen(self, resource: Resource, answer: Object) -> Object:
        store = self.caches.of(resource)
        if store is not None and answer["metadata"].get("uid"):
            store.written(answer)
        return answer
