"""What is written past the API server is an object like others to it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from controlplane.cluster import Cluster
from virtsim.cluster.client import MERGE_PATCH, ApiError, Client, connect
from virtsim.cluster.etcd import Entry, Etcd, beside, connected
from virtsim.fleet.direct_path import DirectPath
from virtsim.fleet.started import Starter
from virtsim.fleet.stored import born
from virtsim.objects.resources import CONFIG_MAPS, QUOTAS, VMIS, Object, key_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def user(cluster: Cluster) -> AsyncIterator[Client]:
    async with connect(str(cluster.kubeconfig)) as client:
        yield client


@pytest.fixture
async def etcd(cluster: Cluster) -> AsyncIterator[Etcd]:
    url = beside(cluster.kubeconfig)
    if url is None:
        pytest.skip("this cluster's etcd is out of reach")
    async with connected(url) as etcd:
        yield etcd


def a_map(namespace: str, name: str) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return born({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"of": name}})


async def test_the_api_server_serves_changes_and_deletes_it(etcd: Etcd, user: Client, namespace: str) -> None:
    written = a_map(namespace, "direct")
    assert await etcd.create([Entry.of(CONFIG_MAPS, written)])
    read = await user.get(CONFIG_MAPS, namespace, "direct")
    assert (read["metadata"]["uid"], read["data"]) == (written["metadata"]["uid"], {"of": "direct"})
    changed = await user.patch(CONFIG_MAPS, namespace, "direct", {"data": {"more": "x"}}, MERGE_PATCH)
    assert changed["data"] == {"of": "direct", "more": "x"}
    assert (namespace, "direct") in await etcd.keys(CONFIG_MAPS)
    await user.delete(CONFIG_MAPS, namespace, "direct")
    assert (namespace, "direct") not in await etcd.keys(CONFIG_MAPS)


async def test_all_are_written_or_none(etcd: Etcd, user: Client, namespace: str) -> None:
    known = await user.create(CONFIG_MAPS, a_map(namespace, "known"))
    entries = [Entry.of(CONFIG_MAPS, a_map(namespace, name)) for name in ("new", "known")]
    assert not await etcd.create(entries)
    assert await user.get(CONFIG_MAPS, namespace, "known") == known
    with pytest.raises(ApiError, match='"new" not found'):
        await user.get(CONFIG_MAPS, namespace, "new")


async def test_admission_is_asked_where_it_would_judge(etcd: Etcd, user: Client, namespace: str) -> None:
    """A quota, tolerations; and a VMI that is there is nobody's business."""
    path = DirectPath(user, etcd, Starter("image", {}))
    ruled = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "quota", "namespace": namespace}}
    await user.create(QUOTAS, {**ruled, "spec": {"hard": {"pods": "1"}}})
    in_quota = _vmi(namespace, "in-quota")
    tolerant = _vmi("default", "tolerant", tolerations=[{"operator": "Exists"}])
    async with asyncio.timeout(10):
        assert await path.start([in_quota, tolerant], {key_of(vmi): "node" for vmi in (in_quota, tolerant)}) == [
            in_quota,
            tolerant,
        ]


def _vmi(namespace: str, name: str, **spec: object) -> Object:
    return {
        "apiVersion": f"{VMIS.group}/{VMIS.version}",
        "kind": "VirtualMachineInstance",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
