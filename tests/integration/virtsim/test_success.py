"""A successful migration is written as the real virt-controller was recorded to write it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.virtsim.recording import Recording, Write, facts_of, recording, with_roles
from tests.integration.virtsim.scene import Scene
from virtsim.objects.conditions import condition, is_true
from virtsim.objects.resources import VMIMS, VMIS, Object

RECORDED = yaml.safe_load((Path(__file__).parent / "success.yaml").read_text())
NAMESPACE = "virtsim-success"
FLEET: dict[str, Any] = {
    "kubevirt": {
        "configuration": {"migrations": {"parallelMigrationsPerCluster": 50, "parallelOutboundMigrationsPerNode": 10}}
    },
    "nodes": [{"name": "success", "count": 3}],
    "virtualMachines": [
        {
            "name": name,
            "namespace": NAMESPACE,
            "node": "success-1",
            "memory": "128Mi",
            "vcpus": 1,
            "cpuModel": "Skylake-Server",
            "labels": {"app": "a"},
            "annotations": {"virtsim.drover.dev/migration-seconds": "0.5"},
        }
        for name in ("vm", "pinned", "stubborn")
    ],
}

pytestmark = pytest.mark.anyio


async def test_writes_are_the_recorded_ones(scene: Scene) -> None:
    source = (await scene.vmi(NAMESPACE, "vm"))["status"]["activePods"]
    async with recording(scene.user, NAMESPACE) as taken:
        vmim = await scene.migrate(NAMESPACE, "vm", "m")
        await scene.vmim(vmim, "Succeeded")
        await scene.eventually(lambda: _is_over(taken))
        vmi = await scene.vmi(NAMESPACE, "vm")
        final = await scene.user.get(VMIMS, NAMESPACE, "m")
    state = final["status"]["migrationState"]
    roles = {
        final["metadata"]["uid"]: "<vmim>",
        vmi["metadata"]["uid"]: "<vmi>",
        state["sourcePod"]: "<source-pod>",
        state["targetPod"]: "<target-pod>",
        next(iter(source)): "<source-pod>",
        next(uid for uid in vmi["status"]["activePods"] if uid not in source): "<target-pod>",
        state["sourceNode"]: "<source-node>",
        state["targetNode"]: "<target-node>",
        NAMESPACE: "<namespace>",
    }
    target = taken.writes["pods", state["targetPod"]]

    assert [_line(write, roles) for write in taken.writes[VMIMS.plural, "m"]] == _expected("vmim")
    assert _of_virt_controller(taken.writes[VMIS.plural, "vm"], roles, "vmi") == _expected("vmi")
    assert _of_virt_controller(target, roles, "target-pod") == _expected("target-pod")
    rendered = _rendered(target[0].obj, roles)
    for part, recorded in RECORDED["target-pod-created"].items():
        assert rendered[part] == recorded
    assert _final(taken, state, vmi, roles) == RECORDED["final"]
    told = await scene.events(final, "SuccessfulMigration")
    # A lost race for the hand-over was recorded too; it is told and repeated, and need not happen.
    assert [with_roles(list(event), roles) for event in told if event[1] != "FailedHandOver"] == RECORDED[
        "events-of-vmim"
    ]
    moments = _moments(taken, state)
    late = [pair for pair in RECORDED["after"] if not moments[pair[0]] < moments[pair[1]]]
    assert late == []


async def test_a_pinned_migration_goes_where_it_was_pinned(scene: Scene) -> None:
    vmim = await scene.migrate(NAMESPACE, "pinned", addedNodeSelector={"kubernetes.io/hostname": "success-3"})
    await scene.vmim(vmim, "Succeeded")
    assert (await scene.vmi(NAMESPACE, "pinned"))["status"]["nodeName"] == "success-3"
    selector = (await scene.target_pod(vmim))["spec"]["nodeSelector"]
    assert selector["kubernetes.io/hostname"] == "success-3"


async def test_the_vms_own_selector_wins_over_the_added_one(scene: Scene) -> None:
    added = {"kubevirt.io/schedulable": "false", "kubernetes.io/hostname": "success-2"}
    vmim = await scene.migrate(NAMESPACE, "stubborn", addedNodeSelector=added)
    await scene.vmim(vmim, "Succeeded")
    assert (await scene.vmi(NAMESPACE, "stubborn"))["status"]["nodeName"] == "success-2"


def _is_over(taken: Recording) -> bool:
    """The last writes of all: the label, the image, the source's end, the target's readiness, the finalizer."""
    vmi, vmim = taken.last(VMIS.plural, "vm"), taken.last(VMIMS.plural, "m")
    state = vmi["status"].get("migrationState") or {}
    source, target = (taken.last("pods", state.get(name, "")) for name in ("sourcePod", "targetPod"))
    return (
        bool(state.get("completed"))
        and "kubevirt.io/migrationTargetNodeName" not in vmi["metadata"]["labels"]
        and "launcherContainerImageVersion" in vmi["status"]
        and is_true(vmi, "Ready")
        and source["status"].get("phase") == "Succeeded"
        and is_true(target, "Ready")
        and not vmim["metadata"].get("finalizers")
    )


def _expected(name: str) -> list[dict[str, Any]]:
    return [_resolved(line) for line in RECORDED[name]]


def _resolved(line: dict[str, Any]) -> dict[str, Any]:
    configuration = {"migrationState.migrationConfiguration": RECORDED["configuration"]}
    return {
        verb: paths | configuration
        if isinstance(paths, dict) and "migrationState.migrationConfiguration" in paths
        else paths
        for verb, paths in line.items()
    }


def _line(write: Write, roles: dict[str, str]) -> dict[str, Any]:
    """A write in the words of the recording."""
    stand_in = dict.fromkeys(
        ("migrationState.targetNodeAddress", "migrationState.targetDirectMigrationNodePorts"), "<handler>"
    )
    changed = with_roles(write.set, roles)
    changed |= {path: role for path, role in stand_in.items() if changed.get(path)}
    first = "finalizers" in write.set
    told = {"created" if first else "set": changed} if changed else {}
    return told | ({"unset": write.unset} if write.unset else {})


def _of_virt_controller(writes: list[Write], roles: dict[str, str], name: str) -> list[dict[str, Any]]:
    """The writes cut down to the paths that are virt-controller's alone; what was there before does not count."""
    paths = {path for line in RECORDED[name] for path in line["set"]}
    cut = [
        {path: value for path, value in with_roles(write.set, roles).items() if path in paths} for write in writes[1:]
    ]
    return [{"set": changed} for changed in cut if changed]


def _rendered(pod: Object, roles: dict[str, str]) -> dict[str, Any]:
    """The created target pod, as far as the recording says something of it."""
    spec = with_roles(pod["spec"], roles)
    recorded = RECORDED["target-pod-created"]["spec"]
    kept = {key: spec.get(key) for key in recorded}
    kept["volumes"] = [volume["name"] for volume in spec["volumes"]]
    for kind in ("containers", "initContainers"):
        kept[kind] = [{key: entry[key] for key in recorded[kind][0]} for entry in spec[kind]]
    return {
        "labels": with_roles(pod["metadata"]["labels"], roles),
        "annotations": with_roles(pod["metadata"]["annotations"], roles),
        "spec": kept,
    }


def _final(taken: Recording, state: Object, vmi: Object, roles: dict[str, str]) -> dict[str, Any]:
    def pod(name: str) -> dict[str, Any]:
        last = taken.writes["pods", state[name]][-1].obj
        conditions = {kind: (condition(last, kind) or {})["status"] for kind in ("Ready", "ContainersReady")}
        return {"phase": last["status"]["phase"], **conditions}

    facts = {key: vmi["status"][key] for key in ("phase", "nodeName", "activePods")}
    ready = (condition(vmi, "Ready") or {})["status"]
    return {
        "vmi": with_roles({"labels": vmi["metadata"]["labels"], **facts, "Ready": ready}, roles),
        "source-pod": pod("sourcePod"),
        "target-pod": pod("targetPod"),
    }


def _moments(taken: Recording, state: Object) -> dict[str, int]:
    """When each write that others depend on was stored."""
    moments = {"target-pod created": taken.writes["pods", state["targetPod"]][0].version}
    for write in taken.writes[VMIMS.plural, "m"]:
        if "phase" in write.set:
            moments[f"vmim phase {write.set['phase']}"] = write.version
    for write in taken.writes[VMIS.plural, "vm"]:
        for path in write.set:
            if path.startswith("migrationState."):
                moments.setdefault(f"vmi {path.removeprefix('migrationState.')}", write.version)
        if "labels.kubevirt.io/migrationTargetNodeName" in write.set:
            moments["vmi hand-over"] = write.version
        if "labels.kubevirt.io/migrationTargetNodeName" in write.unset:
            moments["vmi target label removed"] = write.version
        if write.set.get("nodeName") == state["targetNode"] and "nodeName" in facts_of(write.obj):
            moments["vmi flip"] = write.version
    return moments
