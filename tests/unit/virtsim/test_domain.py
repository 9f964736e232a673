"""What virt-handler says of a VM by its spec: could it migrate, and do disks go with it."""

from typing import Any

import pytest

from tests.unit.virtsim.objects import a_vmi
from virtsim.objects.conditions import condition
from virtsim.objects.resources import Object
from virtsim.virt_handler.domain import method_of, with_migratability

BRIDGE = {"networks": [{"name": "default", "pod": {}}]}
BRIDGED: dict[str, Any] = {"devices": {"interfaces": [{"name": "default", "bridge": {}}]}}
GPU: dict[str, Any] = {"devices": {"gpus": [{"name": "one", "deviceName": "nvidia.com/A100"}]}}

REASONS: list[tuple[dict[str, Any], dict[str, Any], list[str], str | None]] = [
    ({}, {}, [], None),
    (BRIDGED, BRIDGE, [], "InterfaceNotLiveMigratable"),
    (BRIDGED, {"networks": [{"name": "default", "multus": {}}]}, [], None),
    (GPU, {}, [], "HostDeviceNotLiveMigratable"),
    (GPU, {}, ["VGPULiveMigration"], None),
    ({"devices": {"hostDevices": [{"name": "nic"}]}}, {}, ["VGPULiveMigration"], "HostDeviceNotLiveMigratable"),
    ({"launchSecurity": {"sev": {}}}, {}, [], "SEVNotLiveMigratable"),
    ({"launchSecurity": {"tdx": {}}}, {}, [], "TDXNotLiveMigratable"),
    ({"features": {"hypervPassthrough": {"enabled": True}}}, {}, [], "HypervPassthroughNotLiveMigratable"),
    ({}, {"volumes": [{"name": "data", "hostDisk": {"path": "/data"}}]}, [], "DisksNotLiveMigratable"),
]


@pytest.mark.parametrize(("domain", "spec", "gates", "expected"), REASONS)
def test_why_it_cannot_migrate(
    domain: dict[str, Any], spec: dict[str, Any], gates: list[str], expected: str | None
) -> None:
    migratable, storage = _conditions(a_vm(domain, spec), gates)
    assert (migratable["status"], migratable.get("reason")) == ("False" if expected else "True", expected)
    with_disks = expected in (None, "DisksNotLiveMigratable")
    assert (storage["status"], storage.get("reason")) == (("True", None) if with_disks else ("False", "NotMigratable"))


def test_the_annotation_comes_first() -> None:
    vmi = a_vm(GPU, {})
    vmi["metadata"]["annotations"]["virtsim.drover.dev/not-migratable"] = "SEVNotLiveMigratable: VMI uses SEV"
    assert _conditions(vmi, [])[0]["reason"] == "SEVNotLiveMigratable"


def test_conditions_that_say_the_same_are_left_alone() -> None:
    vmi = with_migratability(a_vm(GPU, {}))
    assert with_migratability(vmi) is vmi


@pytest.mark.parametrize(
    ("volume", "expected"),
    [({"emptyDisk": {}}, "BlockMigration"), ({"persistentVolumeClaim": {}}, "LiveMigration")],
)
def test_disks_on_the_node_go_with_the_vm(volume: dict[str, Any], expected: str) -> None:
    assert method_of(a_vm({}, {"volumes": [{"name": "disk", **volume}]})) == expected


def a_vm(domain: dict[str, Any], spec: dict[str, Any]) -> Object:
    vmi = a_vmi(**domain)
    return {**vmi, "spec": vmi["spec"] | spec}


def _conditions(vmi: Object, gates: list[str]) -> tuple[Object, Object]:
    known = with_migratability(vmi, gates)
    found = condition(known, "LiveMigratable"), condition(known, "StorageLiveMigratable")
    assert found[0] is not None
    assert found[1] is not None
    return found[0], found[1]
