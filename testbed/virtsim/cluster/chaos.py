"""What goes wrong between KubeVirt's components and the API server, by annotations of the KubeVirt CR.

They are read live, from a cache of the CR that is never late itself. Nothing here is chance: one generator with one
seed decides, so that the same requests meet the same fate.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from virtsim.cluster.actor import Actor
from virtsim.cluster.caches import Caches
from virtsim.cluster.client import MERGE_PATCH, ApiError, Client
from virtsim.cluster.late_store import LateStore
from virtsim.cluster.store import Sink, Store
from virtsim.objects import keys
from virtsim.objects.pods import annotations_of
from virtsim.objects.resources import KUBEVIRTS, VMIMS, VMIS, Object, Resource, key_of

SEED = 19
Components = Callable[[], list[Coroutine[Any, Any, None]]]


@dataclass(frozen=True, slots=True)
class Mischief:
    """What goes wrong now: shares between 0 and 1, seconds, and a text that means nothing but "once more"."""

    conflicts: float = 0.0
    late_seconds: float = 0.0
    duplicates: float = 0.0
    restart: str = ""


def mischief(annotations: Mapping[str, str]) -> Mischief:
    """What the annotations of a KubeVirt CR ask for; what is no number asks for nothing."""
    return Mischief(
        conflicts=_number(annotations.get(keys.CONFLICTS, "")),
        late_seconds=_number(annotations.get(keys.LATE_EVENTS, "")),
        duplicates=_number(annotations.get(keys.DUPLICATE_EVENTS, "")),
        restart=annotations.get(keys.RESTART, ""),
    )


def _number(text: str) -> float:
    return float(text) if text.isascii() and text.replace(".", "", 1).isdecimal() else 0.0


class Chaos:
    """Stands between informers and caches, and beside the actors of KubeVirt's components. `user` writes as nobody."""

    def __init__(self, caches: Caches, user: Client) -> None:
        self._caches = caches
        self._user = user
        self._random = Random(SEED)
        self._late: list[LateStore] = []
        self._touched = 0
        self.now = Mischief()
        caches.kubevirts.subscribe(self._on_kubevirt)

    def sink(self, resource: Resource, store: Store) -> Sink:
        """Where an informer puts what it hears."""
        if resource == KUBEVIRTS:
            return store
        self._late.append(LateStore(store, lambda: self.now.late_seconds, lambda: self._happens(self.now.duplicates)))
        return self._late[-1]

    async def touch(self, resource: Resource, obj: Object) -> None:
        """Somebody else writes an object first, now and then; whoever read it before loses."""
        if resource not in (VMIS, VMIMS) or not self._happens(self.now.conflicts):
            return
        self._touched += 1
        metadata = obj["metadata"]
        body = {"metadata": {"labels": {keys.TOUCHED: str(self._touched)}}}
        try:
            await self._user.patch(resource, metadata["namespace"], metadata["name"], body, MERGE_PATCH)
        except ApiError as error:
            if error.code != 404:
                raise

    async def restarting(self, components: Components) -> None:
        """Runs the components of one process, anew whenever the annotation changes. Raises what stops one of them.

        What they had in memory is lost: queues, timers, what they wait for. Their caches hold what a list would answer.
        """
        while True:
            asked = asyncio.ensure_future(self._asked_to_restart(self.now.restart))
            process = asyncio.ensure_future(_together(components))
            try:
                await asyncio.wait({process, asked}, return_when=asyncio.FIRST_COMPLETED)
                if process.done():
                    process.result()
            finally:
                process.cancel()
                asked.cancel()
                await asyncio.gather(process, asked, return_exceptions=True)
            for store in self._late:
                store.catch_up()

    async def _asked_to_restart(self, last: str) -> None:
        await self._caches.kubevirts.until(lambda: self.now.restart != last)

    def _happens(self, share: float) -> bool:
        return share > 0 and self._random.random() < share

    def _on_kubevirt(self, before: Object | None, after: Object | None) -> None:
        self.now = mischief(annotations_of(after)) if after is not None else Mischief()


async def _together(components: Components) -> None:
    async with asyncio.TaskGroup() as process:
        for component in components():
            process.create_task(component)


@dataclass(frozen=True)
class HarassedActor(Actor):
    """One of KubeVirt's components: its updates of VMIs and VMIMs lose races, and come back to it by the watch only."""

    chaos: Chaos = field(kw_only=True)

    async def update(self, resource: Resource, obj: Object, subresource: str = "") -> Object:
        await self.chaos.touch(resource, obj)
        return await super().update(resource, obj, subresource)

    async def _patch(self, resource: Resource, obj: Object, body: Any, kind: str, subresource: str) -> Object:
        await self.chaos.touch(resource, obj)
        return await super()._patch(resource, obj, body, kind, subresource)

    def _seen(self, resource: Resource, answer: Object) -> Object:
        """A creation is known at once, which stands for KubeVirt's expectations; a change only when its event comes."""
        store = {VMIS: self.caches.vmis, VMIMS: self.caches.vmims}.get(resource)
        if store is not None and store.get(*key_of(answer)) is not None and self.chaos.now.late_seconds:
            return answer
        return super()._seen(resource, answer)
