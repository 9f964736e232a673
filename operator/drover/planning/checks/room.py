"""Is there room? NodeResourcesFit, NodePorts, and memory for the guest whatever was requested."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from drover.planning.checks.check import FleetCheck
from drover.planning.demand.guest import Guest
from drover.planning.demand.vmclass import GUEST_MEMORY
from drover.planning.explain import NOT_OFFERED, Reason, Short, words
from drover.planning.site.fleet import IMPOSSIBLE, Amounts, Fleet
from drover.planning.site.topology import Mask


def has_room(demand: Amounts, fleet: Fleet) -> Mask:
    """bool[nodes]: where all that is asked for is free. What is not asked for may be overdrawn (fit.go)."""
    asked = demand > 0
    result: Mask = np.all(fleet.free[:, asked] >= demand[asked], axis=1)
    return result


def fits(demand: Amounts, fleet: Fleet, node: int) -> bool:
    """Whether all that is asked for is free on this node."""
    each = zip(demand.tolist(), fleet.free[node].tolist(), strict=True)
    return all(free >= asked for asked, free in each if asked > 0)


def shortages(demand: Amounts, fleet: Fleet) -> list[Reason | None]:
    """What is short on each node and by how much, the worst first; None where nothing is."""
    if not fleet.nodes or (demand == IMPOSSIBLE).any():
        return [NOT_OFFERED] * len(fleet.nodes)
    lacking = np.where(demand > 0, demand - fleet.free, 0)
    worst = (lacking / np.maximum(fleet.allocatable, 1)).argmax(axis=1)
    amounts = lacking[np.arange(len(worst)), worst]
    each = zip(worst.tolist(), amounts.tolist(), strict=True)
    return [Short(fleet.resources[n], amount) if amount > 0 else None for n, amount in each]


def _of(wanted: Callable[[str], bool]) -> Callable[[Guest, Fleet], Amounts]:
    """The demand for some of the resources."""

    def demand(guest: Guest, fleet: Fleet) -> Amounts:
        whole = fleet.demand(guest.vm_class)
        mine = np.fromiter((wanted(name) for name in fleet.resources), dtype=np.bool_, count=len(fleet.resources))
        return np.where(mine, whole, 0)

    return demand


def _check(name: str, plugin: str, wanted: Callable[[str], bool]) -> FleetCheck:
    demand = _of(wanted)

    def allows(guest: Guest, fleet: Fleet) -> Mask:
        return has_room(demand(guest, fleet), fleet)

    def refuses(guest: Guest, fleet: Fleet, node: int) -> str | None:
        asked = demand(guest, fleet)
        if not (fleet.free[node] < np.where(asked > 0, asked, -IMPOSSIBLE)).any():
            return None
        short = shortages(asked, fleet)[node]
        return words(short) if short is not None else None

    fix = "free room on a node that can take it, or add a node"
    return FleetCheck(name, plugin, allows, refuses, fix, room=True)


def _ports_free(guest: Guest, fleet: Fleet) -> NDArray[np.bool_]:
    return fleet.ports.allowed(guest.vm_class.ports)


def _port_taken(guest: Guest, fleet: Fleet, node: int) -> str | None:
    return fleet.ports.refuses(guest.vm_class.ports, node)


REQUESTS = _check("Room", "NodeResourcesFit", lambda name: name != GUEST_MEMORY)
MEMORY = _check("GuestMemory", "", lambda name: name == GUEST_MEMORY)
PORTS = FleetCheck("Port", "NodePorts", _ports_free, _port_taken, "free the port on a node", room=True)
