"""The client of this world: every request waits at the door until the test answers it, well or badly."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tests.unit.virtsim.world.patches import patched
from tests.unit.virtsim.world.server import Server
from virtsim.cluster.client import ApiError, Identity
from virtsim.objects.resources import Object, Resource


class Outcome(Enum):
    """What becomes of a request. LOST is done, but its sender never hears of it."""

    DONE = "done"
    CONFLICT = "conflict"
    ERROR = "error"
    TIMEOUT = "timeout"
    LOST = "lost"


REFUSALS: dict[Outcome, Exception] = {
    Outcome.CONFLICT: ApiError(409, "Conflict", "somebody else was faster"),
    Outcome.ERROR: ApiError(500, "InternalError", "etcdserver: leader changed"),
    Outcome.TIMEOUT: TimeoutError("no answer"),
}


@dataclass
class Request:
    """One that waits. `act` does it and answers what the server answers; `known` is what its sender went by."""

    process: str
    verb: str
    resource: Resource
    about: Object
    act: Callable[[], Any]
    answer: asyncio.Future[Any]
    known: Any


class Door:
    """All requests that wait, in the order they came. `current` is the one that is being done."""

    def __init__(self, server: Server, known: Callable[[], Any]) -> None:
        self.server = server
        self.current: Request | None = None
        self._known = known
        self.waiting: list[Request] = []
        self.lost: list[Request] = []

    async def passed(self, process: str, verb: str, resource: Resource, about: Object, act: Callable[[], Any]) -> Any:
        """The answer to a request, once the test has let it through."""
        answer = asyncio.get_running_loop().create_future()
        request = Request(process, verb, resource, about, act, answer, self._known())
        self.waiting.append(request)
        return await request.answer

    def answer(self, request: Request, outcome: Outcome = Outcome.DONE) -> None:
        """Does a request, or does not, and tells its sender what the outcome says."""
        self.waiting.remove(request)
        if request.answer.cancelled():
            return
        if outcome in REFUSALS:
            request.answer.set_exception(REFUSALS[outcome])
            return
        self.current = request
        try:
            answer = request.act()
        except ApiError as error:
            request.answer.set_exception(error)
            return
        finally:
            self.current = None
        if outcome is Outcome.LOST:
            self.lost.append(request)
            request.answer.set_exception(TimeoutError("the answer was lost"))
        else:
            request.answer.set_result(answer)

    def close(self, process: str) -> None:
        """The requests of a process that died are never done."""
        self.waiting = [request for request in self.waiting if request.process != process]


class WorldClient:
    """The methods of virtsim's Client, for one process and one identity."""

    def __init__(self, door: Door, process: str, identity: Identity) -> None:
        self.door = door
        self.process = process
        self.identity = identity

    @property
    def _server(self) -> Server:
        return self.door.server

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        about = {"metadata": {"namespace": namespace, "name": name}}
        return await self._passed("get", resource, about, lambda: self._server.get(resource, namespace, name))

    async def list(self, resource: Resource, namespace: str = "", **query: str) -> Object:
        def items() -> Object:
            listed = self._server.all(resource)
            return {"items": [obj for obj in listed if namespace in ("", obj["metadata"].get("namespace"))]}

        return await self._passed("list", resource, {"metadata": {}}, items)

    async def create(self, resource: Resource, obj: Object, subresource: str = "", **query: str) -> Object:
        manager = self.identity.manager
        return await self._passed("create", resource, obj, lambda: self._server.create(manager, resource, obj))

    async def update(self, resource: Resource, obj: Object, subresource: str = "") -> Object:
        manager = self.identity.manager
        return await self._passed(
            "update", resource, obj, lambda: self._server.update(manager, resource, obj, subresource)
        )

    async def patch(
        self, resource: Resource, namespace: str, name: str, body: Any, kind: str, subresource: str = ""
    ) -> Object:
        def change(obj: Object) -> Object:
            return patched(obj, body, kind)

        about = {"metadata": {"namespace": namespace, "name": name}}
        manager, key = self.identity.manager, (namespace, name)
        return await self._passed(
            "patch", resource, about, lambda: self._server.change(manager, resource, key, change, subresource)
        )

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str = "", grace_seconds: int | None = None
    ) -> None:
        about = {"metadata": {"namespace": namespace, "name": name}}
        manager, key = self.identity.manager, (namespace, name)
        await self._passed(
            "delete", resource, about, lambda: self._server.delete(manager, resource, key, uid, grace_seconds)
        )

    async def _passed(self, verb: str, resource: Resource, about: Object, act: Callable[[], Any]) -> Object:
        answer: Object = await self.door.passed(self.process, verb, resource, about, act)
        return answer
