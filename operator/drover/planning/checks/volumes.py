"""Can the node use the VM's volumes? VolumeRestrictions, NodeVolumeLimits, VolumeBinding, VolumeZone."""

from collections.abc import Callable

from drover.facts.node import Node
from drover.planning.checks.check import FleetCheck, NodeCheck, Objection
from drover.planning.demand.guest import Guest
from drover.planning.demand.vmclass import VMClass
from drover.planning.demand.volumes import Filter, in_zone, reaches
from drover.planning.site.fleet import Fleet
from drover.planning.site.topology import Mask


def _unusable(asked: Filter) -> Callable[[VMClass, Node], Objection | None]:
    def says(vm_class: VMClass, _: Node) -> Objection | None:
        words = next((words for who, words in vm_class.volumes.unusable if who == asked), None)
        return Objection(words) if words is not None else None

    return says


def unreachable(vm_class: VMClass, node: Node) -> Objection | None:
    if reaches(vm_class.volumes, node):
        return None
    return Objection("does not match the node affinity of a volume of the VM")


def in_another_zone(vm_class: VMClass, node: Node) -> Objection | None:
    return None if in_zone(vm_class.volumes, node) else Objection("is not in the zone of a volume of the VM")


def attachable(guest: Guest, fleet: Fleet) -> Mask:
    return fleet.attaching.allowed(guest.handles)


def too_many(guest: Guest, fleet: Fleet, node: int) -> str | None:
    return fleet.attaching.refuses(guest.handles, node)


_SEE = "see the claim"
MISSING = NodeCheck("ClaimMissing", "VolumeRestrictions", _unusable("claims"), _SEE)
UNBOUND = NodeCheck("ClaimUnbound", "VolumeBinding", _unusable("binding"), _SEE)
GONE = NodeCheck("VolumeMissing", "VolumeZone", _unusable("volumes"), _SEE)
UNUSABLE = NodeCheck(
    "VolumeUnusable", "VolumeRestrictions", _unusable("access"), "a VM that migrates needs ReadWriteMany volumes"
)
LIMIT = FleetCheck(
    "VolumeLimit", "NodeVolumeLimits", attachable, too_many, "free attachments of that driver on a node", room=True
)
UNREACHABLE = NodeCheck(
    "VolumeUnreachable", "VolumeBinding", unreachable, "allow a node that the volume's storage serves"
)
ZONE = NodeCheck("VolumeZone", "VolumeZone", in_another_zone, "allow a node in the zone of the volume")
