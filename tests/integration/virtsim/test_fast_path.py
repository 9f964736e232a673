"""A VM that the fast path wrote down is as one that was started, and lives on as one."""

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane.cluster import Cluster
from tests.integration.virtsim.scene import Scene
from virtsim.cluster.client import ApiError
from virtsim.cluster.etcd import beside
from virtsim.cluster.store import Store
from virtsim.fleet.spec import Fleet, parse
from virtsim.objects.conditions import condition
from virtsim.objects.resources import NODES, PODS, VMIMS, VMIS, Object, key_of
from virtsim.options import Options
from virtsim.simulator import running

NAMESPACE = "virtsim-fast"
DIRECTLY = "past the API server"
STUCK = {"reason": "DisksNotLiveMigratable", "message": "cannot migrate VMI: PVC data is not shared"}
QUICK = {"virtsim.drover.dev/migration-seconds": "0.2"}
BROKEN = {**QUICK, "virtsim.drover.dev/fail": "true"}
LIMITS = {"parallelMigrationsPerCluster": 2, "parallelOutboundMigrationsPerNode": 1}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ADDRESS = re.compile(r"10\.\d+\.\d+\.\d+")

pytestmark = pytest.mark.anyio


def a_fleet(stem: str, *, fast: bool) -> Fleet:
    """Names of equal length: all names in the objects can be compared after one replacement."""
    common = {"namespace": NAMESPACE, "memory": "256Mi", "annotations": QUICK}
    return parse(
        {
            "fastPath": fast,
            "kubevirt": {"configuration": {"migrations": LIMITS}},
            "nodes": [{"name": "node", "count": 3}],
            "virtualMachines": [
                {"name": f"{stem}-placed", "node": "node-1", **common},
                {"name": f"{stem}-unplaced", "nodeSelector": {"kubernetes.io/hostname": "node-2"}, **common},
                {"name": f"{stem}-stuck", "node": "node-1", "notMigratable": STUCK, **common},
                {"name": f"{stem}-broken", "node": "node-1", **common, "annotations": BROKEN},
                {"name": f"{stem}-tolerant", "spec": {"tolerations": [{"operator": "Exists"}]}, **common},
            ],
        }
    )


@pytest.fixture(scope="module", params=[DIRECTLY, "through the API server"])
async def both(cluster: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Scene, dict[str, Object]]]:
    """A fleet that was started fast, and the objects of the same fleet started in full on the same nodes before."""
    directly = request.param == DIRECTLY
    if directly and beside(cluster.kubeconfig) is None:
        pytest.skip("this cluster's etcd is out of reach")
    kubeconfig = cluster.kubeconfig if directly else _without_etcd(cluster)
    async with running(cluster.kubeconfig, a_fleet("full", fast=False), Options()) as simulator:
        full = await _objects(Scene(simulator), "full")
    async with running(kubeconfig, a_fleet("fast", fast=True), Options()) as simulator:
        yield Scene(simulator), full
        await simulator.clear()


def _without_etcd(cluster: Cluster) -> Path:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"].pop("extensions", None)
    path = cluster.directory / "without-etcd.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.mark.parametrize("vm", ["placed", "unplaced", "stuck"])
@pytest.mark.parametrize("kind", ["vmi", "pod"])
async def test_it_is_as_one_that_was_started(both: tuple[Scene, dict[str, Object]], kind: str, vm: str) -> None:
    scene, full = both
    fast = await _objects(scene, "fast")
    assert _comparable(fast[f"{kind} {vm}"], "fast") == _comparable(full[f"{kind} {vm}"], "full")


async def test_it_was_written_where_it_was_asked_to(
    both: tuple[Scene, dict[str, Object]], request: pytest.FixtureRequest
) -> None:
    """The API server's own VMI was Pending at first."""
    scene, _ = both
    vmi = (await _objects(scene, "fast"))["vmi unplaced"]
    directly = request.node.callspec.params["both"] == DIRECTLY
    assert vmi["metadata"]["generation"] == (1 if directly else 2)


async def test_what_only_the_scheduler_can_place_is_started_in_full(both: tuple[Scene, dict[str, Object]]) -> None:
    scene, _ = both
    pod = (await _objects(scene, "fast"))["pod tolerant"]
    events = await scene.events(pod, "Scheduled")
    assert "Scheduled" in [reason for _, reason, _ in events]


async def test_it_is_evicted_and_moved(both: tuple[Scene, dict[str, Object]]) -> None:
    scene, _ = both
    pod = (await _objects(scene, "fast"))["pod placed"]
    metadata = {"name": pod["metadata"]["name"], "namespace": NAMESPACE}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    with pytest.raises(ApiError, match="Eviction triggered evacuation"):
        await scene.user.create(PODS, body, "eviction")
    moved = await scene.vmi(NAMESPACE, "fast-placed", lambda vmi: vmi["status"].get("nodeName") != "node-1")
    assert moved["status"]["phase"] == "Running"
    assert (await scene.pod(pod, "Succeeded"))["metadata"]["uid"] == pod["metadata"]["uid"]


async def test_it_fails_and_is_refused_as_its_annotations_say(both: tuple[Scene, dict[str, Object]]) -> None:
    scene, _ = both
    vmim = await scene.vmim(await scene.migrate(NAMESPACE, "fast-broken"), "Failed")
    assert "virError" in vmim["status"].get("migrationState", {}).get("failureReason", "virError")
    with pytest.raises(ApiError, match="Reason: DisksNotLiveMigratable"):
        await scene.migrate(NAMESPACE, "fast-stuck")
    stuck = await scene.user.get(VMIS, NAMESPACE, "fast-stuck")
    assert (condition(stuck, "LiveMigratable") or {})["status"] == "False"


async def test_the_caches_hold_what_the_api_server_has(both: tuple[Scene, dict[str, Object]]) -> None:
    """Their objects share parts: whoever changed one in place would have changed others."""
    scene, _ = both
    for resource in (NODES, PODS, VMIS, VMIMS):
        store = scene.simulator.caches.of(resource)
        assert store is not None
        for stored in (await scene.user.list(resource))["items"]:
            stored["metadata"].pop("managedFields", None)
            cached = await _at_least(store, stored)
            if cached is not None and _version(cached) == _version(stored):
                assert {**cached, "apiVersion": "", "kind": ""} == {**stored, "apiVersion": "", "kind": ""}


async def _at_least(store: Store, stored: Object) -> Object | None:
    """The cached object, once it is this version or a later one, or gone."""
    key = key_of(stored)
    await store.until(lambda: _version(store.get(*key)) >= _version(stored))
    return store.get(*key)


def _version(obj: Object | None) -> int:
    """An object that is gone is newer than all."""
    return int(obj["metadata"]["resourceVersion"]) if obj is not None else sys.maxsize


async def _objects(scene: Scene, stem: str) -> dict[str, Object]:
    """ "vmi placed", "pod placed" and so on of one of the two fleets, as the API server has them."""
    vmis = [("vmi", vmi["metadata"]["name"], vmi) for vmi in (await scene.user.list(VMIS, NAMESPACE))["items"]]
    listed = (await scene.user.list(PODS, NAMESPACE))["items"]
    pods = [("pod", pod["metadata"]["annotations"]["kubevirt.io/domain"], pod) for pod in listed]
    return {f"{kind} {vm.partition('-')[2]}": obj for kind, vm, obj in (*vmis, *pods) if vm.startswith(f"{stem}-")}


def _comparable(obj: Object, stem: str) -> Any:
    """The object without what differs from VM to VM: names, UIDs, versions, times, addresses, the qemu time-out."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in ("resourceVersion", "generation")}
    own = {uid: f"uid-{number}" for number, uid in enumerate(_uids(obj))}

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {plain(key): plain(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return sorted((plain(entry) for entry in value), key=_kind)
        if not isinstance(value, str):
            return value
        for uid, name in own.items():
            value = value.replace(uid, name)
        value = re.sub(rf"{stem}-(\w+)-\w{{5}}\b", r"VM-\1-xxxxx", value).replace(f"{stem}-", "VM-")
        value = re.sub(r"^\d{3}s$", "TIMEOUT", value)
        return ADDRESS.sub("ADDRESS", TIME.sub("TIME", value))

    return plain({**obj, "metadata": {**metadata, "managedFields": None}})


def _kind(entry: Any) -> str:
    """Conditions are a map by type, in whatever order they were written; other lists stay as they are."""
    return str(entry.get("type", "")) if isinstance(entry, dict) else ""


def _uids(obj: Object) -> list[str]:
    """Its own, its owner's, its pods'."""
    owners = [owner["uid"] for owner in obj["metadata"].get("ownerReferences") or ()]
    return [obj["metadata"]["uid"], *owners, *(obj["status"].get("activePods") or ())]
