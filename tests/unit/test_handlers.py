"""kopf's thread against an API server that misbehaves: it goes on, it writes nothing, it stops quickly."""

import asyncio
import json
import signal
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port
from kopf._cogs.aiokits import aiotasks

from drover import handlers
from drover.api.shared import FINALIZER
from drover.handlers import Handlers
from tests.unit.watching.objects import an_object
from tests.unit.watching.server import Server, a_kubeconfig, errs, eventually, refuses, serving

pytestmark = pytest.mark.anyio
GROUP = "/apis/drover.dev/v1alpha1"
WITHIN = 15.0


class Cluster:
    """Discovery, and a server for each of our two kinds; they can be taken away."""

    def __init__(self) -> None:
        self.kinds = {"migrationplans": Server(), "nodemaintenances": Server()}
        self.served = set(self.kinds)
        self.requests: list[web.Request] = []
        self.token = ""
        self.told: list[tuple[str, str, str]] = []
        self.threads: set[int] = set()

    @property
    def plans(self) -> Server:
        return self.kinds["migrationplans"]

    def deliver(self, resource: str, change: str, body: dict[str, Any]) -> None:
        self.threads.add(threading.get_ident())
        json.dumps(body)
        self.told.append((resource, change, body["metadata"]["name"]))

    async def hears(self, *told: tuple[str, str, str]) -> None:
        await eventually(lambda: self.told == list(told), WITHIN)

    async def watches(self) -> None:
        await eventually(lambda: all(server.watching for server in self.kinds.values()), WITHIN)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return await refuses(401, "Unauthorized")(request)
        if not request.path.startswith(GROUP):
            return web.json_response(discovery(request.path))
        plural = request.path.removeprefix(GROUP).strip("/")
        if plural in self.served:
            return await self.kinds[plural].handle(request)
        if plural or not self.served:
            return await refuses(404, "NotFound")(request)
        return web.json_response({"resources": [resource(kind) for kind in sorted(self.served)]})


def discovery(path: str) -> dict[str, Any]:
    """What kopf wants to know of the API server beside our kinds."""
    ours = {"groupVersion": "drover.dev/v1alpha1", "version": "v1alpha1"}
    crds = {"groupVersion": "apiextensions.k8s.io/v1", "version": "v1"}
    match path:
        case "/api":
            return {"versions": ["v1"]}
        case "/apis":
            groups = {"drover.dev": ours, "apiextensions.k8s.io": crds}
            return {"groups": [{"name": name, "versions": [v], "preferredVersion": v} for name, v in groups.items()]}
        case "/api/v1":
            return {"resources": [resource("namespaces"), resource("events")]}
    return {"resources": [resource("customresourcedefinitions")]}


def resource(plural: str) -> dict[str, Any]:
    return {
        "name": plural,
        "singularName": plural.removesuffix("s"),
        "kind": plural.capitalize(),
        "namespaced": False,
        "verbs": ["get", "list", "watch", "create", "patch", "delete"],
    }


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(handlers, "FIRST_BACKOFF", 0.05)
    monkeypatch.setattr(handlers, "ABSENT_SECONDS", 0.05)
    return Cluster()


@asynccontextmanager
async def handling(cluster: Cluster, directory: Path, **user: Any) -> AsyncIterator[Handlers]:
    async with serving(cluster.handle) as url:
        running = Handlers(cluster.deliver, kubeconfig=a_kubeconfig(directory, url, **user))
        running.start()
        try:
            yield running
        finally:
            began = time.monotonic()
            await running.stop()
            assert time.monotonic() - began < 2.0
            assert "kopf" not in {thread.name for thread in threading.enumerate()}


async def test_tells_what_there_is_and_what_becomes_of_it(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.plans.put(an_object("p", 0))
    await cluster.kinds["nodemaintenances"].put(an_object("n1", 0))
    async with handling(cluster, tmp_path):
        await eventually(lambda: len(cluster.told) == 2, WITHIN)
        assert set(cluster.told) == {("plans", "ADDED", "p"), ("maintenances", "ADDED", "n1")}
        cluster.told.clear()
        await cluster.watches()
        await cluster.plans.put(an_object("p", 0, labels={"a": "b"}))
        await cluster.hears(("plans", "MODIFIED", "p"))
        await cluster.plans.delete("p")
        await cluster.hears(("plans", "MODIFIED", "p"), ("plans", "DELETED", "p"))
    assert cluster.threads == {threading.get_ident()}, "it is told on the loop that started it"


async def test_writes_nothing_and_looks_at_our_kinds_only(cluster: Cluster, tmp_path: Path) -> None:
    body = an_object("p", 0)
    body["metadata"]["finalizers"] = [FINALIZER]
    await cluster.plans.put(body)
    async with handling(cluster, tmp_path):
        await cluster.watches()
        await cluster.plans.put({**body, "metadata": {**body["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}})
        await eventually(lambda: len(cluster.told) == 2, WITHIN)
    assert {request.method for request in cluster.requests} == {"GET"}
    listed = {request.path for request in cluster.requests if request.path.count("/") > 3}
    assert listed == {f"{GROUP}/migrationplans", f"{GROUP}/nodemaintenances"}


def test_the_finalizer_of_kopf_is_not_ours() -> None:
    assert handlers._settings().persistence.finalizer != FINALIZER


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """When one of its tasks has failed, kopf gives others five seconds to end before it cancels them: not in a test."""
    wait = aiotasks.wait

    async def waiting(tasks: Any, *, timeout: float | None = None, **how: Any) -> Any:
        return await wait(tasks, timeout=timeout and min(timeout, 0.1), **how)

    monkeypatch.setattr(aiotasks, "wait", waiting)


@pytest.mark.usefixtures("impatient")
async def test_begins_again_when_an_error_in_a_watch_has_ended_it(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.plans.put(an_object("p", 0))
    cluster.plans.watch_faults.append(errs(500, "InternalError"))
    async with handling(cluster, tmp_path):
        await cluster.hears(*[("plans", "ADDED", "p")] * 2)
        await cluster.watches()
        await cluster.plans.delete("p")
        await eventually(lambda: cluster.told[-1] == ("plans", "DELETED", "p"), WITHIN)


@pytest.mark.parametrize("served", [set(), {"migrationplans"}], ids=["neither", "one of them"])
async def test_waits_for_our_kinds_and_says_so(
    cluster: Cluster, tmp_path: Path, served: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    cluster.served = served
    async with handling(cluster, tmp_path):
        await eventually(lambda: "waiting for the API server to serve" in caplog.text, WITHIN)
        cluster.served = set(cluster.kinds)
        await cluster.plans.put(an_object("p", 0))
        await cluster.hears(("plans", "ADDED", "p"))
    assert "nodemaintenances" in caplog.text


def change_token(directory: Path, old: str, new: str) -> None:
    path = directory / "kubeconfig"
    path.write_text(path.read_text().replace(f'"{old}"', f'"{new}"'))


async def test_logs_in_with_the_kubeconfig_and_reads_it_again_when_refused(cluster: Cluster, tmp_path: Path) -> None:
    cluster.token = "old"
    async with handling(cluster, tmp_path, token="old"):
        await cluster.watches()
        change_token(tmp_path, "old", "new")
        cluster.token = "new"
        cluster.plans.hang_up()
        await eventually(lambda: cluster.plans.watches[-1].headers["Authorization"] == "Bearer new", WITHIN)
        await cluster.watches()
        await cluster.plans.put(an_object("p", 0))
        await cluster.hears(("plans", "ADDED", "p"))


async def test_stops_quickly_when_there_is_no_server(cluster: Cluster, tmp_path: Path) -> None:
    running = Handlers(cluster.deliver, kubeconfig=a_kubeconfig(tmp_path, f"http://127.0.0.1:{unused_port()}"))
    running.start()
    began = time.monotonic()
    await running.stop()
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize("path", ["/apis/drover.dev/v1alpha1", "/apis", f"{GROUP}/migrationplans"])
async def test_stops_quickly_when_the_server_does_not_answer(
    cluster: Cluster, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = asyncio.Event(), cluster.handle

    async def silent(request: web.Request) -> web.StreamResponse:
        if request.path == path:
            asked.set()
            await asyncio.Event().wait()
        return await answer(request)

    monkeypatch.setattr(cluster, "handle", silent)
    async with handling(cluster, tmp_path):
        await asyncio.wait_for(asked.wait(), WITHIN)


async def test_takes_no_signals(cluster: Cluster, tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with handling(cluster, tmp_path):
        await cluster.watches()
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
