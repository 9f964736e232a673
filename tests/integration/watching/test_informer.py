"""The informer and a real API server: the semantics that a fake one would have to guess."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from controlplane.cluster import Cluster
from drover.facts.kubevirt import VMIM
from drover.facts.snapshot import Snapshot
from drover.facts.wire import same_facts
from drover.watching import listing
from drover.watching.client import ApiError, Client
from drover.watching.informer import Informer
from drover.watching.resources import NODES, PODS, Resource
from drover.watching.store import Store, utc_now
from tests.unit.watching.server import eventually

pytestmark = pytest.mark.anyio
WITHIN = 20.0

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.watching.test"},
    "spec": {
        "group": "watching.test",
        "scope": "Namespaced",
        "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                },
            }
        ],
    },
}
THINGS: Resource[VMIM] = Resource(
    "vmims",
    "/apis/watching.test/v1",
    "things",
    "Thing",
    read=msgspec.json.Decoder(VMIM).decode,
    same=same_facts,
    namespaced=True,
)
"""Read like migrations, but of a kind that this test may take away."""


class World:
    def __init__(self) -> None:
        self.store = Store()

    @property
    def seen(self) -> Snapshot:
        return self.store.snapshot(datetime.now(UTC))

    def pods(self, namespace: str) -> dict[str, str]:
        return {key[1]: pod.status.phase for key, pod in self.seen.pods.items() if key[0] == namespace}

    def things(self, namespace: str) -> set[str]:
        return {key[1] for key in self.seen.vmims if key[0] == namespace}


@pytest.fixture
def world() -> World:
    return World()


async def soon(seconds: float) -> None:
    """Back-offs of a tenth of what they are: the test has no hours."""
    await asyncio.sleep(seconds / 10)


@asynccontextmanager
async def informing(client: Client, resource: Resource[Any], world: World) -> AsyncIterator[None]:
    task = asyncio.create_task(Informer(client, resource, world.store, clock=utc_now, sleep=soon).run())
    try:
        yield
        assert not task.done(), "the informer ended"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def a_node(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}


def a_pod(name: str) -> dict[str, Any]:
    container = {"name": "main", "image": "registry.invalid/none"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container]}}


async def test_nodes_are_followed(client: Client, node: str, world: World) -> None:
    key, path = ("", node), NODES.item(("", node))
    async with informing(client, NODES, world):
        await client.create(NODES.collection(), a_node(node))
        await eventually(lambda: key in world.seen.nodes, WITHIN)
        assert not world.seen.nodes[key].cordoned
        await client.merge_patch(path, {"spec": {"unschedulable": True}}, "drover")
        await eventually(lambda: world.seen.nodes[key].cordoned, WITHIN)
        await client.delete(path)
        await eventually(lambda: key not in world.seen.nodes, WITHIN)
    assert "nodes" in world.seen.heard


async def test_our_own_write_is_known_before_the_watch_tells_it_and_once(
    client: Client, node: str, world: World
) -> None:
    key, path = ("", node), NODES.item(("", node))
    async with informing(client, NODES, world):
        await eventually(lambda: "nodes" not in world.seen.stale, WITHIN)
        world.store.put(NODES, NODES.decode(await client.create(NODES.collection(), a_node(node))))
        assert key in world.seen.nodes
        world.store.put(
            NODES, NODES.decode(await client.merge_patch(path, {"spec": {"unschedulable": True}}, "drover"))
        )
        assert world.seen.nodes[key].cordoned
        await client.delete(path)
        await eventually(lambda: key not in world.seen.nodes, WITHIN)


async def test_pods_are_followed_until_they_have_ended(
    client: Client, namespace: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)
    for name in "abcde":
        await client.create(PODS.collection(namespace), a_pod(name))
    async with informing(client, PODS, world):
        await eventually(lambda: world.pods(namespace) == dict.fromkeys("abcde", "Pending"), WITHIN)
        ended = {"status": {"phase": "Succeeded"}}
        answer = await client.merge_patch(PODS.item((namespace, "a")) + "/status", ended, "kubelet")
        await eventually(lambda: set(world.pods(namespace)) == set("bcde"), WITHIN)
        world.store.put(PODS, PODS.decode(answer))
        assert set(world.pods(namespace)) == set("bcde"), "it was read by name after it had left"
        await client.delete(PODS.item((namespace, "b")), uid=None)
        await eventually(lambda: set(world.pods(namespace)) == set("cde"), WITHIN)


class LongAsleep(Client):
    """Asks its first watch to begin before all that the API server remembers; something is deleted meanwhile."""

    def __init__(self, doomed: str) -> None:
        super().__init__()
        self.doomed = doomed
        self.watches = 0

    async def stream(
        self, path: str, params: Mapping[str, str], idle_timeout: float, opened: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[bytes, None]:
        self.watches += 1
        if self.watches == 1:
            await self.delete(self.doomed)
            params = {**params, "resourceVersion": "1"}
        async for line in super().stream(path, params, idle_timeout, opened):
            yield line


class Kind:
    """The kind of `THINGS`, to be made and taken away."""

    def __init__(self, cluster: Cluster, client: Client) -> None:
        self.cluster = cluster
        self.client = client

    def define(self) -> None:
        self.cluster.kubectl("apply", "-f", "-", input=json.dumps(CRD))
        self.cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd/things.watching.test")

    def remove(self) -> None:
        self.cluster.kubectl("delete", "--ignore-not-found", "crd/things.watching.test")

    async def make(self, namespace: str, name: str) -> None:
        body = {"apiVersion": "watching.test/v1", "kind": "Thing", "metadata": {"name": name}}
        async with asyncio.timeout(WITHIN):
            while True:
                try:
                    await self.client.create(THINGS.collection(namespace), body)
                    return
                except ApiError as error:
                    # The storage of a kind just made "is (re)initializing" for a moment.
                    if error.status not in (404, 429):
                        raise
                    await asyncio.sleep(0.1)


@pytest.fixture
def kind(cluster: Cluster, client: Client) -> Iterator[Kind]:
    kind = Kind(cluster, client)
    kind.remove()
    yield kind
    kind.remove()


async def test_what_was_deleted_while_its_version_expired_is_found_to_be_gone(
    kind: Kind, namespace: str, world: World
) -> None:
    await asyncio.to_thread(kind.define)
    await kind.make(namespace, "one")
    await kind.make(namespace, "two")
    asleep = LongAsleep(THINGS.item((namespace, "one")))
    await asleep.open(str(kind.cluster.kubeconfig))
    async with informing(asleep, THINGS, world):
        await eventually(lambda: world.things(namespace) == {"one", "two"}, WITHIN)
        await eventually(lambda: world.things(namespace) == {"two"}, WITHIN)
        await eventually(lambda: asleep.watches == 2, WITHIN)
    await asleep.close()


async def test_a_kind_that_comes_goes_and_comes_again(kind: Kind, client: Client, namespace: str, world: World) -> None:
    async with informing(client, THINGS, world):
        await eventually(lambda: world.seen.absent == {"vmims"}, WITHIN)
        await asyncio.to_thread(kind.define)
        await eventually(lambda: not world.seen.absent and "vmims" not in world.seen.stale, WITHIN)
        await kind.make(namespace, "one")
        await eventually(lambda: world.things(namespace) == {"one"}, WITHIN)
        await asyncio.to_thread(kind.remove)
        await eventually(lambda: world.seen.absent == {"vmims"} and not world.things(namespace), WITHIN)
        await asyncio.to_thread(kind.define)
        await kind.make(namespace, "two")
        await eventually(lambda: world.things(namespace) == {"two"}, WITHIN)
