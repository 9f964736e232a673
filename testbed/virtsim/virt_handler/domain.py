"""What virt-handler reports of a VM that it runs: its first status, and whether it could migrate (vm.go)."""

from collections.abc import Collection
from typing import Any

from virtsim.objects import keys, quantity
from virtsim.objects.conditions import condition, with_condition
from virtsim.objects.overhead import guest_memory, overhead_of
from virtsim.objects.phases import in_phase, with_status
from virtsim.objects.pods import annotations_of
from virtsim.objects.resources import Object
from virtsim.virt_handler.hotplug import topology
from virtsim.virt_handler.migratable import refusal

LOCAL_DISKS = ("containerDisk", "emptyDisk", "ephemeral")
MACHINE_ALIASES = {"q35": "pc-q35-rhel9.6.0"}


def started(vmi: Object, pod: Object, gates: Collection[str] = ()) -> Object:
    """The VMI once its domain runs; `gates` are the enabled feature gates."""
    return with_migratability(in_phase(vmi, "Running", **_facts(vmi, pod)), gates)


def with_migratability(vmi: Object, gates: Collection[str] = ()) -> Object:
    """The VMI with LiveMigratable and StorageLiveMigratable as they are now; the same VMI if they already are so.

    The simulator's own annotation comes before what the spec says.
    """
    before = conditions = vmi["status"].get("conditions")
    said = annotations_of(vmi).get(keys.NOT_MIGRATABLE) or ": ".join(refusal(vmi, gates) or ())
    for kind in ("LiveMigratable", "StorageLiveMigratable"):
        entry = _migratable(kind, said)
        if _differs(condition(vmi, kind), entry):
            conditions = with_condition(conditions, entry)
    return vmi if conditions is before else with_status(vmi, conditions=conditions)


def method_of(vmi: Object) -> str:
    """BlockMigration if a writable disk of the VM is on its node: that one is sent too."""
    volumes = vmi["spec"].get("volumes") or ()
    local = any(kind in volume for volume in volumes for kind in LOCAL_DISKS)
    return "BlockMigration" if local or vmi["status"].get("migratedVolumes") else "LiveMigration"


def _facts(vmi: Object, pod: Object) -> dict[str, Any]:
    domain = vmi["spec"]["domain"]
    machine = (domain.get("machine") or {}).get("type", "q35")
    memory = quantity.binary(guest_memory(domain))
    address = (pod.get("status") or {}).get("podIP", "")
    return {
        "currentCPUTopology": topology(vmi),
        "memory": {
            "guestAtBoot": memory,
            "guestCurrent": memory,
            "guestRequested": memory,
            "memoryOverhead": quantity.binary(overhead_of(vmi)),
        },
        "machine": {"type": MACHINE_ALIASES.get(machine, machine)},
        "migrationMethod": method_of(vmi),
        "migrationTransport": "Unix",
        "selinuxContext": "none",
        "qosClass": (pod.get("status") or {}).get("qosClass", "Burstable"),
        "guestOSInfo": {},
        "interfaces": [
            {
                "name": "default",
                "ipAddress": address,
                "ipAddresses": [address],
                "infoSource": "domain",
                "podInterfaceName": "eth0",
                "queueCount": 1,
            }
        ],
    }


def _migratable(kind: str, said: str) -> Object:
    entry: Object = {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": None}
    reason, _, message = said.partition(": ")
    if not reason or (kind == "StorageLiveMigratable" and reason == "DisksNotLiveMigratable"):
        return entry
    if kind == "StorageLiveMigratable":
        return {**entry, "status": "False", "reason": "NotMigratable", "message": said}
    return {**entry, "status": "False", "reason": reason, "message": message}


def _differs(known: Object | None, wanted: Object) -> bool:
    return known is None or any(known.get(field) != wanted.get(field) for field in ("status", "reason", "message"))
