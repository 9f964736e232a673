"""Events as client-go's recorder writes them: asynchronously, and repeats counted on one object."""

import asyncio
import logging
import time
from dataclasses import replace

import aiohttp

from virtsim.cluster.client import MERGE_PATCH, ApiError, Client
from virtsim.cluster.correlation import Correlator, Told
from virtsim.objects.resources import EVENTS, Object
from virtsim.objects.times import now

logger = logging.getLogger(__name__)

REMEMBERED_EVENTS = 5_000
CLUSTER_SCOPED = "default"
"""The namespace of Events about objects that have none."""


class Recorder:
    """Writes Events for one component in the order they were told; failures are logged and forgotten."""

    def __init__(self, client: Client, component: str) -> None:
        self._client = client
        self._component = component
        self._told: asyncio.Queue[tuple[Told, str]] = asyncio.Queue()
        self._correlator = Correlator()
        self._written: dict[Told, tuple[str, int]] = {}

    def normal(self, obj: Object, reason: str, message: str) -> None:
        self.tell(obj, "Normal", reason, message)

    def warning(self, obj: Object, reason: str, message: str) -> None:
        self.tell(obj, "Warning", reason, message)

    def tell(self, obj: Object, kind: str, reason: str, message: str) -> None:
        """`kind` is Normal or Warning."""
        metadata = obj["metadata"]
        about = (obj["apiVersion"], obj["kind"], metadata.get("namespace", ""), metadata["name"], metadata["uid"])
        self._told.put_nowait((Told(about, kind, reason, message), now()))

    async def run(self) -> None:
        while True:
            told, at = await self._told.get()
            try:
                await self._write(told, at)
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                logger.debug("event %s: %s", told.reason, error)
            finally:
                self._told.task_done()

    async def _write(self, told: Told, at: str) -> None:
        key, message = self._correlator.correlated(told, time.monotonic())
        before = self._written.get(key)
        if before is None:
            if len(self._written) >= REMEMBERED_EVENTS:
                self._written.pop(next(iter(self._written)))
            event = await self._client.create(EVENTS, self._event(replace(told, message=message), at))
            self._written[key] = event["metadata"]["name"], 1
            return
        name, count = before
        body = {"count": count + 1, "lastTimestamp": at, "message": message}
        await self._client.patch(EVENTS, told.obj[2] or CLUSTER_SCOPED, name, body, MERGE_PATCH)
        self._written[key] = name, count + 1

    def _event(self, told: Told, at: str) -> Object:
        """Named as client-go names it, by the moment: two components tell of one object without meeting."""
        version, kind, namespace, name, uid = told.obj
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": namespace or CLUSTER_SCOPED, "name": f"{name}.{time.time_ns():x}"},
            "involvedObject": {
                "apiVersion": version,
                "kind": kind,
                "namespace": namespace,
                "name": name,
                "uid": uid,
            },
            "type": told.type,
            "reason": told.reason,
            "message": told.message,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }
