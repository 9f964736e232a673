"""VMIMs as virt-controller counts and compares them (migration.go, pkg/util/migrations/migrations.go)."""

from virtsim.objects.resources import Key, Object

FINAL = frozenset({"Succeeded", "Failed"})
NOT_RUNNING = frozenset({"", "Pending", "WaitingForSync", "Synchronizing"}) | FINAL
HANDED_OFF = frozenset({"PreparingTarget", "TargetReady", "Running"}) | FINAL


def phase_of(vmim: Object) -> str:
    """The phase; "" before the first status."""
    phase: str = (vmim.get("status") or {}).get("phase", "")
    return phase


def is_final(vmim: Object) -> bool:
    return phase_of(vmim) in FINAL


def phase_class(vmim: Object) -> str:
    """ "running" counts against the limits, "pending" waits for them, "final" is over."""
    phase = phase_of(vmim)
    if phase in FINAL:
        return "final"
    return "pending" if phase in NOT_RUNNING else "running"


def is_being_deleted(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def is_migrating(vmi: Object) -> bool:
    """KubeVirt's IsMigrating: the source has begun, and nobody has ended it. Not so between hand-over and start."""
    state = (vmi.get("status") or {}).get("migrationState") or {}
    return bool(state.get("startTimestamp")) and not state.get("endTimestamp")


def vmi_key(vmim: Object) -> Key:
    """Namespace and name of the VMI it moves."""
    return vmim["metadata"]["namespace"], vmim["spec"].get("vmiName", "")


def generated(vmi: Object, prefix: str, priority: str, **metadata: dict[str, str]) -> Object:
    """A VMIM as virt-controller makes them by itself, not created yet: named by the API server, with a priority."""
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {"namespace": vmi["metadata"]["namespace"], "generateName": prefix, **metadata},
        "spec": {"vmiName": vmi["metadata"]["name"], "priority": priority},
    }


def owned_state(vmi: Object, vmim: Object) -> Object | None:
    """The VMI's migrationState if it is this migration's, else None."""
    state: Object | None = (vmi.get("status") or {}).get("migrationState")
    if state and state.get("migrationUid") == vmim["metadata"]["uid"]:
        return state
    return None
