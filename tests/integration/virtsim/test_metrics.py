"""The endpoint says what KubeVirt's would, during a migration and after it."""

import socket
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.virtsim.scene import Scene
from virtsim.options import Options

NAMESPACE = "virtsim-metrics"


def a_free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


OPTIONS = Options(metrics_port=a_free_port(), link_speed=2**20)
GI = 2**30
FLEET: dict[str, Any] = {
    "nodes": [{"name": "metrics", "count": 3}],
    "virtualMachines": [
        {"name": "moves", "namespace": NAMESPACE, "node": "metrics-1", "memory": "1Gi", "dirtyRate": "20Mi",
         "count": 2},
        {"name": "quick", "namespace": NAMESPACE, "node": "metrics-2", "memory": "1Gi", "dirtyRate": "5Mi",
         "annotations": {"virtsim.drover.dev/migration-seconds": "0.1"}},
        {"name": "stuck", "namespace": NAMESPACE, "node": "metrics-2", "notMigratable": {}},
    ],
}  # fmt: skip
PREFIX = "kubevirt_vmi_migration_"

pytestmark = pytest.mark.anyio


async def test_during_migrations(scene: Scene) -> None:
    vmims = [await scene.migrate(NAMESPACE, f"moves-{number}") for number in (1, 2)]
    for vmim in vmims:
        await scene.vmim(vmim, "Running")
    told = await scrape()
    where = {"namespace": NAMESPACE, "name": "moves-1", "node": "metrics-1"}
    assert value(told, f"{PREFIX}data_bytes_total", where) == GI
    sent = value(told, f"{PREFIX}data_processed_bytes", where)
    assert sent + value(told, f"{PREFIX}data_remaining_bytes", where) == pytest.approx(GI)
    assert value(told, f"{PREFIX}dirty_memory_rate_bytes", where) == 20 * 2**20
    # two leave the same node, and share its NIC
    assert value(told, f"{PREFIX}memory_transfer_rate_bytes", where) == 2**19
    assert value(told, "kubevirt_vmi_migrations_in_running_phase") == 2
    assert {dict(labels)["name"] for labels in told["kubevirt_vmi_dirty_rate_bytes_per_second"]} == {"quick", "stuck"}
    assert value(await scrape(), f"{PREFIX}data_processed_bytes", where) >= sent


async def test_after_a_migration(scene: Scene) -> None:
    vmim = await scene.migrate(NAMESPACE, "quick")
    await scene.vmim(vmim, "Succeeded")
    node = (await scene.vmi(NAMESPACE, "quick", lambda vmi: bool(vmi["status"]["migrationState"].get("completed"))))[
        "status"
    ]["nodeName"]
    told = await scrape()
    place = {"namespace": NAMESPACE, "name": "quick", "node": node}
    assert place not in [dict(labels) for labels in told.get(f"{PREFIX}data_processed_bytes", {})]
    name = vmim["metadata"]["name"]
    assert value(told, f"{PREFIX}succeeded", {"vmi": "quick", "vmim": name, "namespace": NAMESPACE}) == 1
    start = value(told, f"{PREFIX}start_time_seconds", {**place, "migration_name": name})
    end = value(told, f"{PREFIX}end_time_seconds", {**place, "migration_name": name, "status": "succeeded"})
    assert 0 < start <= end
    assert value(told, f"{PREFIX}phase_transition_time_from_creation_seconds_count", {"phase": "Succeeded"}) == 1
    assert value(told, "kubevirt_vmi_dirty_rate_bytes_per_second", place) == 5 * 2**20


async def test_of_vms(scene: Scene) -> None:
    told = await scrape()
    place = {"namespace": NAMESPACE, "name": "stuck", "node": "metrics-2"}
    assert value(told, "kubevirt_vmi_non_evictable", place) == 1
    assert value(told, "kubevirt_vmi_number_of_outdated") == 0
    (info,) = [dict(labels) for labels in told["kubevirt_vmi_info"] if place.items() <= dict(labels).items()]
    assert (info["phase"], info["evictable"], info["outdated"]) == ("running", "false", "false")
    assert info["vmi_pod"].startswith("virt-launcher-stuck-")


Told = dict[str, dict[frozenset[tuple[str, str]], float]]


async def scrape() -> Told:
    """Every sample by its name and its labels."""
    url = f"http://127.0.0.1:{OPTIONS.metrics_port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        text = await answer.text()
    told: Told = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            told.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return told


def value(told: Told, name: str, labels: Mapping[str, str] | None = None) -> float:
    """The one sample that has all of these labels."""
    wanted = set((labels or {}).items())
    (found,) = [sample for has, sample in told[name].items() if wanted <= has]
    return found
