"""The command: it refuses what is not its own, says when it is ready, and leaves nothing in the way when it stops."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from controlplane.cluster import Cluster
from virtsim.cluster.client import ApiError, Client, connect
from virtsim.crds.install import definitions
from virtsim.fleet.spec import read
from virtsim.objects.resources import (
    API_SERVICES,
    CRDS,
    MUTATING,
    NODES,
    SERVICES,
    VALIDATING,
    VMIMS,
    VMIS,
    Object,
)
from virtsim.simulator import running

FLEET = """
nodes: [{name: process}]
virtualMachines: [{name: vm, namespace: virtsim-process, node: process, memory: 128Mi}]
"""

REGISTERED = [
    "v1.subresources.kubevirt.io",
    "v1alpha3.subresources.kubevirt.io",
    "virt-api",
    "virt-api-mutator",
    "virt-api-validator",
]

STARTED_WITHIN_SECONDS = 60.0
STOPPED_WITHIN_SECONDS = 20.0

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    async with connect(str(cluster.kubeconfig)) as client:
        yield client


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEET)
    return path


@pytest.fixture
def unplaceable(tmp_path: Path) -> Path:
    """A fleet whose VM no node takes."""
    path = tmp_path / "unplaceable.yaml"
    path.write_text(FLEET.replace("node: process", "nodeSelector: {made: up}"))
    return path


async def test_foreign_definitions_are_refused(cluster: Cluster, client: Client, fleet: Path) -> None:
    foreign = await client.create(CRDS, _foreign())
    try:
        async with started(cluster, fleet) as process:
            output, _ = await asyncio.wait_for(process.communicate(), STARTED_WITHIN_SECONDS)
    finally:
        await client.delete(CRDS, "", foreign["metadata"]["name"])
    assert process.returncode == 2
    assert b"this cluster has kubevirt.io definitions that virtsim did not install" in output
    assert foreign["metadata"]["name"].encode() in output


async def test_it_runs_until_it_is_told_to_stop(cluster: Cluster, client: Client, fleet: Path) -> None:
    async with started(cluster, fleet, "--kubevirt-version=1.5") as process:
        ready = await asyncio.wait_for(_line(process, b"virtsim: ready"), STARTED_WITHIN_SECONDS)
        assert ready.startswith(b"virtsim: ready, 1 nodes, 1 VMs")
        assert await _registered(client) == REGISTERED
        schema = await client.get(CRDS, "", "virtualmachineinstancemigrations.kubevirt.io")
        assert "addedNodeSelector" not in _spec_of(schema)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), STOPPED_WITHIN_SECONDS) == 0
    assert await _registered(client) == []
    await _clean(client)


async def test_it_stops_before_it_is_ready(cluster: Cluster, client: Client, unplaceable: Path) -> None:
    async with started(cluster, unplaceable) as process:
        async with asyncio.timeout(STARTED_WITHIN_SECONDS):
            while not await _has_vms(client):  # noqa: ASYNC110 - another process makes them
                await asyncio.sleep(0.05)
        assert await _registered(client) == REGISTERED
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), STOPPED_WITHIN_SECONDS) == 0
    assert await _registered(client) == []
    await _clean(client)


async def test_what_a_killed_one_left_is_replaced_and_goes_with_the_next(
    cluster: Cluster, client: Client, fleet: Path
) -> None:
    async with started(cluster, fleet) as process:
        assert await asyncio.wait_for(_line(process, b"virtsim: ready"), STARTED_WITHIN_SECONDS)
        process.kill()
        await process.wait()
    assert await _registered(client) == REGISTERED
    async with started(cluster, fleet) as process:
        assert await asyncio.wait_for(_line(process, b"virtsim: ready"), STARTED_WITHIN_SECONDS)
        listed = await client.request("GET", "/apis/subresources.kubevirt.io/v1")
        assert listed["resources"], "somebody answers again"
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), STOPPED_WITHIN_SECONDS) == 0
    assert await _registered(client) == []
    await _clean(client)


async def test_nothing_is_left_registered_by_one_that_breaks(cluster: Cluster, client: Client, fleet: Path) -> None:
    async def breaks() -> None:
        raise RuntimeError("a component breaks")

    async def simulated() -> None:
        async with running(cluster.kubeconfig, read(fleet)) as simulator:
            assert await _registered(client) == REGISTERED
            simulator._run("broken", breaks())
            await simulator.crashed()

    with pytest.raises(RuntimeError, match="a component breaks"):
        await simulated()
    assert await _registered(client) == []
    await _clean(client)


@asynccontextmanager
async def started(cluster: Cluster, fleet: Path, *more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command, killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "virtsim", "--kubeconfig", str(cluster.kubeconfig), "--fleet", str(fleet), *more),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _line(process: asyncio.subprocess.Process, beginning: bytes) -> bytes:
    """The first line that begins so; empty if the process ended before."""
    assert process.stdout is not None
    async for line in process.stdout:
        if line.startswith(beginning):
            return line
    return b""


def _foreign() -> Object:
    """A definition as a real KubeVirt has one: the same group, not our label."""
    crd = definitions()[0]
    crd["metadata"] = {"name": "foreigners.kubevirt.io"}
    crd["spec"]["names"] = {"kind": "Foreigner", "plural": "foreigners"}
    return crd


def _spec_of(crd: Object) -> Object:
    properties: Object = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    return properties


async def _registered(client: Client) -> list[str]:
    """What would make the API server call a virt-api, by name."""
    listed = [await client.list(resource) for resource in (MUTATING, VALIDATING, API_SERVICES)]
    listed.append(await client.list(SERVICES, "kubevirt"))
    names = [item["metadata"]["name"] for page in listed for item in page["items"]]
    return sorted(name for name in names if name.startswith("virt-api") or "subresources" in name)


async def _clean(client: Client) -> None:
    """Nobody removes finalizers any more, so that this is done by hand."""
    for resource in (VMIMS, VMIS):
        for obj in (await client.list(resource, "virtsim-process"))["items"]:
            metadata = obj["metadata"]
            await client.delete(resource, metadata["namespace"], metadata["name"])
            stored = await client.get(resource, metadata["namespace"], metadata["name"])
            stored["metadata"]["finalizers"] = []
            await client.update(resource, stored)
    await client.delete(NODES, "", "process")


async def _has_vms(client: Client) -> bool:
    """Also asked while the definitions are being replaced, which the API server answers with 429."""
    try:
        return bool((await client.list(VMIS, "virtsim-process"))["items"])
    except ApiError as error:
        if error.code != 429:
            raise
        return False
