"""Everything that becomes of the objects of a scene: as it is now, and afterwards in the order in which it happened.

All resources live in one etcd, so that their resourceVersions are one sequence: what several watches saw can be put
into the order in which it happened, to ask whether something held at every moment.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
import msgspec

from virtsim.cluster.client import ApiError, Client
from virtsim.cluster.informer import lines_of
from virtsim.objects.resources import KUBEVIRTS, NODES, PODS, VMIMS, VMIS, Key, Object, Resource, key_of

PLANS = Resource("drover.dev", "v1alpha1", "migrationplans", namespaced=False)
MAINTENANCES = Resource("drover.dev", "v1alpha1", "nodemaintenances", namespaced=False)
REPORTS = Resource("drover.dev", "v1alpha1", "migrationreports", namespaced=False)
OURS = (MAINTENANCES, PLANS, REPORTS)
RECORDED = (NODES, KUBEVIRTS, PODS, VMIS, VMIMS, *OURS)
_AGAIN_AFTER_SECONDS = 0.2
_ASK_AGAIN_SECONDS = 1.0

T = TypeVar("T")
State = dict[Resource, dict[Key, Object]]


@dataclass(frozen=True, slots=True)
class Change:
    """One version of one object; `gone` is its last."""

    version: int
    resource: Resource
    object: Object
    gone: bool


class Recorder:
    """Watches from the moment it is entered. A kind that is not served yet is waited for."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._changes: list[Change] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._wakers: set[asyncio.Event] = set()
        self.state = _nothing()
        """The newest versions, by resource and key."""

    async def __aenter__(self) -> "Recorder":
        self._tasks = [asyncio.create_task(self._record(each)) for each in RECORDED]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until(self, so: Callable[[], T | None], within: float) -> T:
        """What `so` answers, as soon as that is neither None nor False. Raises TimeoutError.

        It is asked again after every change, and every second for what no watch tells.
        """
        waker = asyncio.Event()
        self._wakers.add(waker)
        try:
            async with asyncio.timeout(within):
                while (answer := so()) is None or answer is False:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(waker.wait(), _ASK_AGAIN_SECONDS)
                    waker.clear()
        finally:
            self._wakers.discard(waker)
        return answer

    def changes(self) -> list[Change]:
        """In the order in which they happened."""
        return sorted(self._changes, key=lambda change: change.version)

    def replay(self) -> Iterator[tuple[Change, State]]:
        """Each change with everything as it was right before it. The state is one object that goes along."""
        state = _nothing()
        for change in self.changes():
            yield change, state
            _apply(change, state)

    async def _record(self, resource: Resource) -> None:
        """Without a version a watch begins with everything that is there."""
        version = ""
        while True:
            try:
                async with self._client.stream(resource.path(), _query(version)) as response:
                    async for line in lines_of(response.content):
                        version = self._take(resource, line) or version
            except ApiError:
                # Not served, or not from this version on: once more from what there is.
                version = ""
                await asyncio.sleep(_AGAIN_AFTER_SECONDS)
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(_AGAIN_AFTER_SECONDS)

    def _take(self, resource: Resource, line: bytes) -> str:
        event = msgspec.json.decode(line)
        if event["type"] == "ERROR":
            raise ApiError(event["object"].get("code", 500), "Error", f"{resource.plural}: {event['object']}")
        version: str = event["object"]["metadata"]["resourceVersion"]
        change = Change(int(version), resource, event["object"], event["type"] == "DELETED")
        self._changes.append(change)
        _apply(change, self.state)
        for waker in self._wakers:
            waker.set()
        return version


def _query(version: str) -> dict[str, str]:
    return {"watch": "true", "resourceVersion": version} if version else {"watch": "true"}


def _nothing() -> State:
    return {resource: {} for resource in RECORDED}


def _apply(change: Change, state: State) -> None:
    key = key_of(change.object)
    if change.gone:
        state[change.resource].pop(key, None)
    else:
        state[change.resource][key] = change.object
