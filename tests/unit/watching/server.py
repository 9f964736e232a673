"""An API server that can be told to misbehave: any resource, in memory, with the faults that a test scripts."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]


def status(code: int, reason: str, message: str = "", **details: Any) -> dict[str, Any]:
    """A metav1.Status."""
    return {
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": details,
    }


def refuses(code: int, reason: str, message: str = "", headers: dict[str, str] | None = None) -> Fault:
    """A fault: an HTTP error with a Status."""

    async def fault(_: web.Request) -> web.StreamResponse:
        return web.json_response(status(code, reason, message), status=code, headers=headers)

    return fault


def says(*lines: object) -> Fault:
    """A fault: a watch that sends these lines (text as it is, anything else as JSON) and ends."""

    async def fault(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in lines:
            text = line if isinstance(line, str) else json.dumps(line)
            await response.write(text.encode() + b"\n")
        return response

    return fault


def errs(code: int, reason: str) -> Fault:
    """A fault: an ERROR event."""
    return says({"type": "ERROR", "object": status(code, reason)})


class Server:
    """Serves lists (paged) and watches of what `put` and `delete` made; `faults` are used up first, in order."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.version = 100
        self.compacted = 0
        self.list_faults: deque[Fault] = deque()
        self.watch_faults: deque[Fault] = deque()
        self.requests: list[web.Request] = []
        self.watching = 0
        self._events: list[tuple[int, str, dict[str, Any]]] = []
        self._news = asyncio.Condition()

    @property
    def lists(self) -> list[web.Request]:
        return [request for request in self.requests if "watch" not in request.query]

    @property
    def watches(self) -> list[web.Request]:
        return [request for request in self.requests if "watch" in request.query]

    async def put(self, body: dict[str, Any]) -> dict[str, Any]:
        """Create or change an object; it gets the next resourceVersion."""
        key = (body["metadata"].get("namespace", ""), body["metadata"]["name"])
        change = "MODIFIED" if key in self.objects else "ADDED"
        self.objects[key] = await self._record(change, body)
        return self.objects[key]

    async def delete(self, name: str, namespace: str = "") -> None:
        await self._record("DELETED", self.objects.pop((namespace, name)))

    def restore(self, *objects: dict[str, Any], version: int) -> None:
        """As etcd from a backup: older objects and an older version, and what happened since has not happened."""
        self.objects = {(each["metadata"].get("namespace", ""), each["metadata"]["name"]): each for each in objects}
        self.version = version
        self._events.clear()

    async def bookmark(self) -> None:
        await self._record("BOOKMARK", {"metadata": {}})

    def hang_up(self) -> None:
        """Cut the watches that are open."""
        for request in self.watches:
            if request.transport is not None:
                request.transport.abort()

    def compact(self) -> None:
        """Forget what was before: a watch from there is told 410, as after etcd's compaction."""
        self._events.clear()
        self.compacted = self.version

    async def _record(self, change: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self._news:
            self.version += 1
            body = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
            self._events.append((self.version, change, body))
            self._news.notify_all()
        return body

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        faults = self.watch_faults if "watch" in request.query else self.list_faults
        if faults:
            return await faults.popleft()(request)
        return await (self.answer_watch(request) if "watch" in request.query else self.answer_list(request))

    async def answer_list(self, request: web.Request) -> web.StreamResponse:
        start = int(request.query.get("continue", "0"))
        limit = int(request.query.get("limit", "500"))
        everything = list(self.objects.values())
        following = str(start + limit) if start + limit < len(everything) else ""
        metadata = {"resourceVersion": str(self.version), "continue": following}
        return web.json_response({"metadata": metadata, "items": everything[start : start + limit]})

    async def answer_watch(self, request: web.Request) -> web.StreamResponse:
        seen = int(request.query["resourceVersion"])
        if seen < self.compacted:
            return await errs(410, "Expired")(request)
        response = web.StreamResponse()
        await response.prepare(request)
        self.watching += 1
        try:
            while True:
                for version, change, body in [event for event in self._events if event[0] > seen]:
                    await response.write(json.dumps({"type": change, "object": body}).encode() + b"\n")
                    seen = version
                async with self._news:
                    if self.version <= seen:
                        await self._news.wait()
        finally:
            self.watching -= 1


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Answers any request on loopback with this handler; yields the URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    server = TestServer(app)
    await server.start_server()
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


def a_kubeconfig(directory: Path, url: str, **user: Any) -> str:
    """The path of a kubeconfig for this URL. YAML is a superset of JSON."""
    content = {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": url}}],
        "users": [{"name": "test", "user": user}],
    }
    path = directory / "kubeconfig"
    path.write_text(json.dumps(content))
    return str(path)


async def eventually(holds: Callable[[], bool], within: float = 30.0) -> None:
    """Wait for something to become true.

    Raises:
        TimeoutError: it did not.
    """
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - what is waited for is state of other tasks, which has no event
            await asyncio.sleep(0.002)
