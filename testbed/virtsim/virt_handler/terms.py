"""A VMI's migration as the transfer model is given it: guest, frozen configuration, annotations.

pkg/virt-launcher/virtwrap/{live-migration-source,manager}.go
"""

from math import inf
from typing import Any

from virtsim.objects import keys, quantity
from virtsim.objects.conditions import is_true
from virtsim.objects.overhead import guest_memory
from virtsim.objects.resources import Object
from virtsim.objects.switches import amount
from virtsim.virt_handler.faults import source_fault
from virtsim.virt_handler.transfer.job import AtDeadline, Terms

BYTES_PER_STEP = 10**9
"""KubeVirt's "GiB" in completionTimeoutPerGiB is 10^9 bytes, begun ones counted whole."""

MIB = 2**20


def terms_of(vmi: Object) -> Terms:
    """The terms of the migration in the VMI's state. A paused guest writes nothing."""
    configuration: dict[str, Any] = vmi["status"]["migrationState"].get("migrationConfiguration") or {}
    memory = float(guest_memory(vmi["spec"]["domain"]))
    size = memory + disks_to_send(vmi)
    working_set = amount(vmi, keys.WORKING_SET)
    return Terms(
        size=size,
        memory=memory,
        dirty_rate=dirty_rate(vmi),
        working_set=memory if working_set is None else working_set,
        limit=bandwidth(configuration),
        deadline=deadline_seconds(size, int(configuration.get("completionTimeoutPerGiB") or 0)),
        progress_timeout=float(configuration.get("progressTimeout") or inf),
        at_deadline=_at_deadline(vmi, configuration),
        auto_converge=bool(configuration.get("allowAutoConverge")),
        seconds=amount(vmi, keys.MIGRATION_SECONDS),
        fault=source_fault(vmi),
    )


def dirty_rate(vmi: Object) -> float:
    """Bytes/s that the guest writes."""
    return 0.0 if is_true(vmi, "Paused") else amount(vmi, keys.DIRTY_RATE) or 0.0


def deadline_seconds(size: float, timeout_per_gib: int) -> float:
    """When virt-launcher acts: the timeout for every begun 10^9 bytes. A "2Gi" VM gets 3 x 150 s. 0 means never."""
    return float(timeout_per_gib * -(-size // BYTES_PER_STEP)) or inf


def bandwidth(configuration: dict[str, Any]) -> float:
    """Bytes/s that KubeVirt allows: whole MiB, at least one of them; 0 is no limit."""
    limit = quantity.size(configuration.get("bandwidthPerMigration") or "0")
    return float(max(1, limit // MIB) * MIB) if limit > 0 else inf


def disks_to_send(vmi: Object) -> float:
    """Bytes of disks that migrate with the guest: its ephemeral ones, and volumes that change their place."""
    status, volumes = vmi["status"], vmi["spec"].get("volumes") or ()
    moved = [entry.get("destinationPVCInfo") or {} for entry in status.get("migratedVolumes") or ()]
    sizes = [(info.get("requests") or info.get("capacity") or {}).get("storage", "0") for info in moved]
    if status.get("migrationMethod") == "BlockMigration":
        sizes += [volume["emptyDisk"].get("capacity", "0") for volume in volumes if volume.get("emptyDisk")]
    return float(sum(quantity.size(size) for size in sizes))


def _at_deadline(vmi: Object, configuration: dict[str, Any]) -> AtDeadline:
    post_copy = bool(configuration.get("allowPostCopy"))
    devices = vmi["spec"]["domain"].get("devices") or {}
    if not configuration.get("allowWorkloadDisruption", post_copy):
        return "abort"
    if devices.get("gpus") or devices.get("hostDevices"):
        return "stretch"
    return "post-copy" if post_copy else "pause"
