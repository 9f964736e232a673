"""How many migrations may run at once (migration.go, pkg/util/migrations). Pure counting."""

from collections.abc import Iterable
from dataclasses import dataclass

from virtsim.objects.resources import Object

REQUEUE_SECONDS = {"system-critical": 1.0, "user-triggered": 3.0}
DEFAULT_REQUEUE_SECONDS = 5.0

QUEUE_PRIORITIES = {"system-critical": 100, "user-triggered": 50, "system-maintenance": 20}
ACTIVE_PRIORITY = 1000


@dataclass(frozen=True, slots=True)
class Counted:
    """A VMIM that holds a slot, by the two places virt-controller looks at on its VMI.

    `node` is where the VMI runs, `last_source` the source of its migrationState, which before the hand-off is still the
    one of the VMI's *previous* migration: such a VMIM counts for two nodes.
    """

    node: str
    last_source: str


def counted(vmi: Object | None) -> Counted:
    """What a VMIM of this VMI counts for."""
    status = (vmi or {}).get("status") or {}
    return Counted(status.get("nodeName", ""), (status.get("migrationState") or {}).get("sourceNode", ""))


def outbound(node: str, active: Iterable[Counted]) -> int:
    """How many of them count for this source node."""
    return sum(node in (migration.node, migration.last_source) for migration in active)


def has_room(node: str, active: list[Counted], per_cluster: int, per_node: int) -> bool:
    """Whether one more migration may start on this source node."""
    return len(active) < per_cluster and outbound(node, active) < per_node


def requeue_seconds(vmim: Object) -> float:
    """When a migration that found no room looks again."""
    return REQUEUE_SECONDS.get(vmim["spec"].get("priority", ""), DEFAULT_REQUEUE_SECONDS)


def queue_priority(vmim: Object) -> int:
    """What goes first in virt-controller's queue; whoever set no priority comes last."""
    if (vmim.get("status") or {}).get("phase") == "Running":
        return ACTIVE_PRIORITY
    return QUEUE_PRIORITIES.get(vmim["spec"].get("priority", ""), 0)
