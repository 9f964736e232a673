"""Who else is there? PodTopologySpread and InterPodAffinity."""

from drover.planning.checks.check import FleetCheck
from drover.planning.demand.guest import Guest
from drover.planning.site.fleet import Fleet
from drover.planning.site.topology import Mask


def keeps_spread(guest: Guest, fleet: Fleet) -> Mask:
    return fleet.spreading.allowed(guest.occupant, guest.vm_class)


def breaks_spread(guest: Guest, fleet: Fleet, node: int) -> str | None:
    return fleet.spreading.refuses(guest.occupant, guest.vm_class, node)


def good_neighbours(guest: Guest, fleet: Fleet) -> Mask:
    return fleet.neighbours.allowed(guest.occupant)


def bad_neighbours(guest: Guest, fleet: Fleet, node: int) -> str | None:
    return fleet.neighbours.refuses(guest.occupant, node)


SPREAD = FleetCheck(
    "Spread",
    "PodTopologySpread",
    keeps_spread,
    breaks_spread,
    "relax the VM's topologySpreadConstraints, or allow a node in another domain",
)
NEIGHBOURS = FleetCheck(
    "Neighbours",
    "InterPodAffinity",
    good_neighbours,
    bad_neighbours,
    "relax the required affinity between the pods, or allow a node in another domain",
)
