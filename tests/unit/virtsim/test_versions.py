"""What each minor of KubeVirt has, and what the simulator leaves out for it."""

from functools import cache
from typing import Any

import pytest

from tests.unit.virtsim.objects import a_pod, a_vmi, a_vmim
from virtsim import versions
from virtsim.cluster.caches import Caches
from virtsim.crds.install import definitions
from virtsim.objects import gates
from virtsim.objects.resources import Object
from virtsim.versions import Feature, Version
from virtsim.virt_controller.evacuation_cap import has_spot
from virtsim.virt_controller.older import conditions_as_of, pod_as_of
from virtsim.virt_handler.older import terms_as_of
from virtsim.virt_handler.terms import terms_of

MINORS = [5, 6, 7, 8, 9]
HAS: dict[Feature, str] = {
    #                                5 6 7 8 9
    Feature.DISRUPTION_BUDGETS: "    x . . . .",
    Feature.ADDED_NODE_SELECTOR: "   . x x x x",
    Feature.DECENTRALIZED_MIGRATION: ". x x x x",
    Feature.MACHINE_TYPE_SELECTOR: " . x x x x",
    Feature.MIGRATION_REQUIRED: "    . x x x x",
    Feature.PRIORITY: "              . . x x x",
    Feature.EVICTION_REQUESTED: "    . . x x x",
    Feature.EVICTION_SOURCE: "       . . x x x",
    Feature.EVACUATE_CANCEL: "       . . x x x",
    Feature.HOTPLUG_EVICTION: "      . . x x x",
    Feature.VMI_ID_LABEL: "          . . x x x",
    Feature.UTILITY_VOLUMES: "       . . . x x",
    Feature.MEMORY_OVERHEAD_REPORT: ". . . x x",
    Feature.CPU_VENDOR_SELECTOR: "   . . . x x",
    Feature.MAX_DOWNTIME: "          . . . . x",
    Feature.BARE_LIBVIRT_ERRORS: "   . . . . x",
}


@pytest.mark.parametrize("feature", Feature)
def test_which_minor_has_what(feature: Feature) -> None:
    answers = ["x" if Version(minor).has(feature) else "." for minor in MINORS]
    assert answers == HAS[feature].split()


def test_versions_are_read_and_written() -> None:
    assert [str(versions.parse(f"1.{minor}")) for minor in MINORS] == ["1.5", "1.6", "1.7", "1.8", "1.9"]
    assert versions.parse("1.7").release == "v1.7.0"
    for unknown in ("1.4", "1.10", "v1.9", "2"):
        with pytest.raises(ValueError, match=r"it may be 1\.5, 1\.6, 1\.7, 1\.8, 1\.9"):
            versions.parse(unknown)


PRUNED: list[tuple[str, str, list[int]]] = [
    # definition, path through the schema's properties, the minors that have it
    ("virtualmachineinstancemigrations", "spec.addedNodeSelector", [6, 7, 8, 9]),
    ("virtualmachineinstancemigrations", "spec.sendTo", [6, 7, 8, 9]),
    ("virtualmachineinstancemigrations", "spec.receive", [6, 7, 8, 9]),
    ("virtualmachineinstancemigrations", "spec.priority", [7, 8, 9]),
    ("virtualmachineinstancemigrations", "spec.vmiName", MINORS),
    ("virtualmachineinstancemigrations", "status.synchronizationAddresses", [6, 7, 8, 9]),
    ("virtualmachineinstancemigrations", "status.migrationState.targetMemoryOverhead", [8, 9]),
    ("virtualmachineinstances", "status.migrationState.targetMemoryOverhead", [8, 9]),
    ("virtualmachineinstances", "status.migrationState.sourceState", [6, 7, 8, 9]),
    ("virtualmachineinstances", "status.migrationState.sourcePod", MINORS),
    ("virtualmachineinstances", "status.migrationState.migrationConfiguration.utilityVolumesTimeout", [8, 9]),
    ("virtualmachineinstances", "status.migrationState.migrationConfiguration.maxDowntimeMs", [9]),
    ("kubevirts", "spec.configuration.migrations.maxDowntimeMs", [9]),
    ("kubevirts", "spec.configuration.migrations.completionTimeoutPerGiB", MINORS),
]


@pytest.mark.parametrize(("plural", "path", "minors"), PRUNED)
def test_what_the_definitions_prune(plural: str, path: str, minors: list[int]) -> None:
    assert [minor for minor in MINORS if _is_defined(_definitions(minor), plural, path)] == minors


@cache
def _definitions(minor: int) -> list[Object]:
    return definitions(Version(minor))


def _is_defined(crds: list[Object], plural: str, path: str) -> bool:
    crd = next(crd for crd in crds if crd["spec"]["names"]["plural"] == plural)
    schema: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for step in path.split("."):
        schema = schema.get("properties", {}).get(step, {})
    return bool(schema)


def test_the_old_name_of_the_api_is_still_served() -> None:
    for crd in definitions():
        names = [served["name"] for served in crd["spec"]["versions"]]
        assert names == (["v1", "v1alpha3"] if crd["spec"]["group"] == "kubevirt.io" else ["v1alpha1"])
        assert [served["storage"] for served in crd["spec"]["versions"]].count(True) == 1


def test_what_older_launcher_pods_lack() -> None:
    pod = a_pod(
        labels={"vmi.kubevirt.io/id": "web", "kubevirt.io": "virt-launcher"},
        annotations={"kubevirt.io/memory-overhead-bytes": "1", "kubevirt.io/domain": "web"},
    )
    asked = "cpu-vendor.node.kubevirt.io/AMD"
    chosen = "machine-type.node.kubevirt.io/q35", "cpu-vendor.node.kubevirt.io/Intel", asked, "kubernetes.io/arch"
    pod["spec"]["nodeSelector"] = dict.fromkeys(chosen, "true")
    vmi = a_vmi()
    vmi["spec"]["nodeSelector"] = {asked: "true"}
    seen = {minor: _named(pod_as_of(Version(minor), pod, vmi)) for minor in MINORS}
    machine, vendor, identity, overhead = (
        chosen[0],
        chosen[1],
        "vmi.kubevirt.io/id",
        "kubevirt.io/memory-overhead-bytes",
    )
    assert {minor: seen[minor] & {machine, vendor, identity, overhead} for minor in MINORS} == {
        5: set(),
        6: {machine},
        7: {machine, identity},
        8: {machine, identity, overhead, vendor},
        9: {machine, identity, overhead, vendor},
    }
    assert all({asked, "kubernetes.io/arch", "kubevirt.io", "kubevirt.io/domain"} <= names for names in seen.values())
    assert pod_as_of(versions.NEWEST, pod, vmi) == pod


def _named(pod: Object) -> set[str]:
    metadata = pod["metadata"]
    return {*metadata["labels"], *metadata["annotations"], *pod["spec"]["nodeSelector"]}


def test_what_older_conditions_lack() -> None:
    conditions = [{"type": kind} for kind in ("Ready", "EvictionRequested", "MigrationRequired")]
    kept = {minor: [entry["type"] for entry in conditions_as_of(Version(minor), conditions)] for minor in MINORS}
    assert kept[5] == ["Ready"]
    assert kept[6] == ["Ready", "MigrationRequired"]
    assert kept[7] == kept[9] == ["Ready", "EvictionRequested", "MigrationRequired"]


@pytest.mark.parametrize("fault", ["Running", "TargetReady"])
def test_how_failures_are_worded(fault: str) -> None:
    vmi = a_vmi()
    vmi["metadata"]["annotations"]["virtsim.drover.dev/fail-at"] = fault
    vmi["status"]["migrationState"] = {"migrationUid": "vmim-uid"}
    reasons = {minor: terms_as_of(Version(minor), terms_of(vmi)).fault for minor in MINORS}
    now = reasons[9]
    assert now is not None
    prefix = "Live migration failed error encountered during MigrateToURI3 libvirt api call: "
    before = prefix if fault == "Running" else ""
    assert {minor: each.reason for minor, each in reasons.items() if each} == {
        **dict.fromkeys([5, 6, 7, 8], before + now.reason),
        9: now.reason,
    }


def a_kubevirt(*open_gates: str, **migrations: Any) -> Object:
    developer = {"featureGates": list(open_gates)}
    return {
        "metadata": {"namespace": "kubevirt", "name": "kubevirt", "uid": "kubevirt-uid", "resourceVersion": "1"},
        "spec": {"configuration": {"developerConfiguration": developer, "migrations": migrations}},
    }


GATES: list[tuple[str, int, bool, bool]] = [
    # gate, minor, open if not named, open if named
    (gates.MIGRATION_PRIORITY_QUEUE, 7, False, True),
    (gates.MIGRATION_PRIORITY_QUEUE, 8, False, True),
    (gates.MIGRATION_PRIORITY_QUEUE, 9, True, True),
    (gates.DECENTRALIZED_LIVE_MIGRATION, 6, False, True),
    (gates.DECENTRALIZED_LIVE_MIGRATION, 9, False, True),
    (gates.MIGRATION_STALL_DETECTION, 9, False, True),
]


@pytest.mark.parametrize(("gate", "minor", "by_itself", "named"), GATES)
def test_gates(gate: str, minor: int, by_itself: bool, named: bool) -> None:
    version = Version(minor)
    assert gates.is_open(gate, [], version) is gates.is_open(gate, [a_kubevirt("Other")], version) is by_itself
    assert gates.is_open(gate, [a_kubevirt(gate)], version) is named


def test_there_are_no_priorities_before_they_came() -> None:
    for minor in MINORS:
        named = gates.has_priorities([a_kubevirt(gates.MIGRATION_PRIORITY_QUEUE)], Version(minor))
        assert named is (minor >= 7)


EVACUATION = {"annotations": {"kubevirt.io/evacuationMigration": "node-a"}}
SPOTS: list[tuple[list[tuple[str, str, dict[str, Any]]], bool]] = [
    # other migrations as (phase, node of their VM, metadata); whether there is a spot for one more from node-a, where
    # the limits are 3 in the cluster and 2 from a node
    ([], True),
    ([("Running", "node-a", {})], True),
    ([("Running", "node-a", {}), ("Scheduling", "node-a", {})], False),
    ([("Running", "node-a", {}), ("", "node-a", EVACUATION)], False),
    ([("Running", "node-a", {}), ("Pending", "node-a", EVACUATION)], False),
    ([("Running", "node-a", {}), ("Pending", "node-a", {})], True),
    ([("Running", "node-a", {}), ("Failed", "node-a", EVACUATION)], True),
    ([("Running", "node-b", {}), ("Running", "node-b", {})], True),
    ([("Running", "node-b", {}), ("Running", "node-b", {}), ("Running", "node-c", {})], False),
]


@pytest.mark.parametrize(("others", "free"), SPOTS)
def test_spots_for_evacuations(others: list[tuple[str, str, dict[str, Any]]], free: bool) -> None:
    caches = Caches()
    limits = {"parallelMigrationsPerCluster": 3, "parallelOutboundMigrationsPerNode": 2}
    caches.kubevirts.observe(a_kubevirt(**limits))
    for number, (phase, node, metadata) in enumerate(others):
        named = {"name": f"vm-{number}", "uid": f"vm-{number}", "resourceVersion": "1"}
        vmi = {**a_vmi(), "metadata": {"namespace": "shop", **named}, "status": {"nodeName": node}}
        vmim = {**a_vmim(phase), "metadata": {"namespace": "shop", **named, **metadata}}
        caches.vmis.observe(vmi)
        caches.vmims.observe({**vmim, "spec": {"vmiName": f"vm-{number}"}})
    vmi = a_vmi()
    for minor in (5, 8):
        assert has_spot(caches, Version(minor), vmi) is free
    assert has_spot(caches, versions.NEWEST, vmi)
