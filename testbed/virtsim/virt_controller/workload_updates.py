"""Which VMs a workload update moves or shuts down now (watch/workload-updater/workload-updater.go). Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from virtsim.objects import keys
from virtsim.objects.conditions import condition, is_true
from virtsim.objects.migrations import generated, is_being_deleted, is_final, is_migrating
from virtsim.objects.pods import annotations_of
from virtsim.objects.resources import Key, Object, key_of
from virtsim.virt_controller.vmi_status import FINAL

BATCH_SIZE = 10
BATCH_SECONDS = 60.0
LONGEST_LABEL = 63
ABORTION = "kubevirt.io/testWorkloadUpdateMigrationAbortion"

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True, slots=True)
class Strategy:
    """spec.workloadUpdateStrategy of the KubeVirt CR; both methods False is off."""

    migrates: bool
    evicts: bool
    batch_size: int
    batch_seconds: float


@dataclass(slots=True)
class Candidates:
    """VMIs by what is to be done with them: `outdated` counts all that are not as they should be."""

    outdated: int = 0
    migrate: list[Object] = field(default_factory=list)
    evict: list[Object] = field(default_factory=list)
    abort: list[Object] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.migrate or self.evict or self.abort)


def strategy_of(kubevirt: Object) -> Strategy:
    given = kubevirt["spec"].get("workloadUpdateStrategy") or {}
    methods = given.get("workloadUpdateMethods") or ()
    size = given.get("batchEvictionSize")
    seconds = duration(given.get("batchEvictionInterval") or "")
    return Strategy(
        "LiveMigrate" in methods,
        "Evict" in methods,
        BATCH_SIZE if size is None else int(size),
        BATCH_SECONDS if seconds is None else seconds,
    )


def duration(text: str) -> float | None:
    """Seconds of a Go duration such as 1m30s; None if it is none."""
    if re.fullmatch(r"(\d+(\.\d+)?(h|ms|m|s))+", text) is None:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|s)", text))


def is_deployed(kubevirt: Object) -> bool:
    """Whether KubeVirt itself is not being updated."""
    status = kubevirt.get("status") or {}
    same = status.get("observedDeploymentID", "") == status.get("targetDeploymentID", "")
    return status.get("phase") == "Deployed" and same


def is_outdated(vmi: Object, image: str) -> bool:
    """Whether its launcher is of another KubeVirt; unknown while a migration or its start has not yet shown which."""
    known = (vmi.get("status") or {}).get("launcherContainerImageVersion")
    return bool(known) and known != image


def changes_hardware(vmi: Object) -> bool:
    """A CPU or memory hotplug, or another change, that only a migration completes."""
    waits = is_true(vmi, "HotMemoryChange") or is_true(vmi, "MigrationRequired")
    return waits or condition(vmi, "HotVCPUChange") is not None


def changes_volumes(vmi: Object) -> bool:
    return is_true(vmi, "VolumesChange")


def candidates(vmis: Iterable[Object], vmims: Iterable[Object], image: str, strategy: Strategy) -> Candidates:
    """All running VMIs that need an update, without those that somebody migrates already."""
    by_vmi: dict[Key, list[Object]] = {}
    for vmim in vmims:
        if not is_final(vmim):
            key = vmim["metadata"]["namespace"], vmim["spec"].get("vmiName", "")
            by_vmi.setdefault(key, []).append(vmim)
    found = Candidates()
    for vmi in vmis:
        if (vmi.get("status") or {}).get("phase") == "Running" and not is_being_deleted(vmi):
            _sort_in(found, vmi, by_vmi.get(key_of(vmi), []), image, strategy)
    return found


def _sort_in(found: Candidates, vmi: Object, unfinished: list[Object], image: str, strategy: Strategy) -> None:
    outdated = is_outdated(vmi, image)
    if not outdated and _is_to_be_aborted(vmi, unfinished):
        found.abort.append(vmi)
    elif outdated or _requires_migration(vmi):
        found.outdated += 1
        if is_migrating(vmi) or unfinished:
            return
        if strategy.migrates and (is_true(vmi, "LiveMigratable") or vmi["status"].get("migratedVolumes")):
            found.migrate.append(vmi)
        elif strategy.evicts:
            found.evict.append(vmi)


def _requires_migration(vmi: Object) -> bool:
    over = vmi["status"]["phase"] in FINAL or is_migrating(vmi) or ABORTION in annotations_of(vmi)
    return not over and (changes_hardware(vmi) or changes_volumes(vmi))


def _is_to_be_aborted(vmi: Object, unfinished: list[Object]) -> bool:
    """Its change was taken back while a migration of ours is under way, and has not yet arrived."""
    if not any(is_ours(vmim) for vmim in unfinished):
        return False
    if ABORTION in annotations_of(vmi):
        return True
    arrived = (vmi["status"].get("migrationState") or {}).get("targetNodeDomainReadyTimestamp")
    return not (changes_hardware(vmi) or changes_volumes(vmi) or arrived)


def is_ours(vmim: Object) -> bool:
    return keys.WORKLOAD_UPDATE in annotations_of(vmim)


def migration_of(vmi: Object) -> dict[str, Any]:
    """The VMIM of an update: urgent for an upgrade, less so for what a user changed."""
    changed = changes_hardware(vmi) or changes_volumes(vmi)
    name, uid = vmi["metadata"]["name"], vmi["metadata"]["uid"]
    labels = {keys.VOLUME_UPDATE: name if len(name) <= LONGEST_LABEL else uid} if changes_volumes(vmi) else {}
    more = {"annotations": {keys.WORKLOAD_UPDATE: ""}, **({"labels": labels} if labels else {})}
    return generated(vmi, "kubevirt-workload-update-", "user-triggered" if changed else "system-critical", **more)
