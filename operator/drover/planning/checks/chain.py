"""All checks in their order, which is the scheduler's, and what they say of a VM and the nodes.

A claim that no pod can use is found before any node is looked at (PreFilter), and is the reason on all of them; and
where nodes are named, no other is looked at.
What kube-scheduler does not ask (readiness, pressure) stands where its own answer would be; what is ours alone to keep
(topology spread, which a pinned target switches off, a pin that means one node, and memory for the guest) after all of
its filters. What nobody can judge is asked last: an unknown never hides a no.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from drover.facts.node import Node
from drover.planning.checks import network, nodes, others, room, selection, volumes
from drover.planning.checks.check import YES, Answer, FleetCheck, NodeCheck, Objection, Verdict
from drover.planning.demand.guest import Guest
from drover.planning.demand.vmclass import VMClass
from drover.planning.site.fleet import Fleet
from drover.planning.site.nodeclass import NodeClasses
from drover.planning.site.topology import Mask

T = TypeVar("T")
Codes = NDArray[np.int8]
"""0: yes. n: no, says the n-th check. -n: it cannot judge."""
FITS = 0


def _beyond_us(vm_class: VMClass, _: Node) -> Objection | None:
    said = vm_class.beyond
    return Objection(f"may refuse a VM that {said[0]}", Answer.UNKNOWN) if said else None


CHECKS: tuple[NodeCheck | FleetCheck, ...] = (
    volumes.MISSING,
    volumes.UNBOUND,
    volumes.GONE,
    selection.NAMED,
    nodes.CORDONED,
    nodes.NOT_READY,
    nodes.PRESSURE,
    selection.TAINT,
    nodes.NOT_FOR_KUBEVIRT,
    nodes.SILENT,
    selection.NODE_SELECTOR,
    selection.NODE_AFFINITY,
    room.PORTS,
    room.REQUESTS,
    volumes.UNUSABLE,
    volumes.LIMIT,
    volumes.UNREACHABLE,
    volumes.ZONE,
    others.NEIGHBOURS,
    others.SPREAD,
    room.MEMORY,
    selection.FORMER_SELECTOR,
    network.MIGRATION_NETWORK,
    NodeCheck("Beyond", "", _beyond_us, "watch what the scheduler says when it moves"),
    nodes.UNPINNED,
)
NODE_CHECKS = tuple((n, each) for n, each in enumerate(CHECKS, start=1) if isinstance(each, NodeCheck))
FLEET_CHECKS = tuple((n, each) for n, each in enumerate(CHECKS, start=1) if isinstance(each, FleetCheck))
_MOVING = (others.NEIGHBOURS, others.SPREAD)


def asked(vm_class: VMClass) -> object:
    """What of a class the node checks look at: classes that agree in it get the same answers."""
    return (
        vm_class.node_selector,
        vm_class.affinity,
        vm_class.tolerations,
        vm_class.former,
        vm_class.volumes,
        vm_class.off_network,
        vm_class.beyond,
    )


def static(vm_class: VMClass, classes: NodeClasses) -> Codes:
    """int8[nodes]: what the node checks say. Not to be changed: whoever asks the same gets the same array."""
    known = classes.answers
    if vm_class not in known:
        key = asked(vm_class)
        if key not in known:
            known[key] = np.array(_by_node_class(_first, vm_class, classes), dtype=np.int8)
        known[vm_class] = known[key]
    return known[vm_class]


def moving(guest: Guest, fleet: Fleet) -> Mask:
    """bool[nodes]: where spread and neighbours, as they are by now, let the VM go."""
    result = np.ones(len(fleet.nodes), dtype=np.bool_)
    for check in _MOVING:
        result &= check.allows(guest, fleet)
    return result


def roomy(guest: Guest, fleet: Fleet) -> Mask:
    """bool[nodes]: where there is room of every kind."""
    result = room.has_room(fleet.demand(guest.vm_class), fleet)
    result &= room.PORTS.allows(guest, fleet)
    result &= volumes.LIMIT.allows(guest, fleet)
    return result


def column(guest: Guest, fleet: Fleet) -> Codes:
    """int8[nodes]: what all checks say, each node's first no, else its first unknown."""
    codes = static(guest.vm_class, fleet.classes).copy()
    for n, check in FLEET_CHECKS:
        refused = ~check.allows(guest, fleet)
        codes[refused & ((codes <= FITS) | (codes > n))] = n
    return codes


def verdict(guest: Guest, fleet: Fleet, node: int) -> Verdict:
    """What all checks say of one node, in words."""
    doubt: Verdict | None = None
    for check in CHECKS:
        objection = _objection(check, guest, fleet, node)
        if objection is None:
            continue
        said = Verdict(objection.answer, check.name, check.plugin, objection.words, check.suggestion)
        if objection.answer == Answer.NO:
            return said
        doubt = doubt or said
    return doubt or YES


def doubt(guest: Guest, fleet: Fleet, node: int) -> str:
    """What nobody can judge of the node, in words; the empty string if there is nothing."""
    for _, check in NODE_CHECKS:
        objection = check.asks(guest.vm_class, fleet.nodes[node])
        if objection is not None and objection.answer == Answer.UNKNOWN:
            return objection.words
    return ""


def _objection(check: NodeCheck | FleetCheck, guest: Guest, fleet: Fleet, node: int) -> Objection | None:
    if isinstance(check, NodeCheck):
        return check.asks(guest.vm_class, fleet.nodes[node])
    words = check.refuses(guest, fleet, node)
    return Objection(words) if words is not None else None


def _first(vm_class: VMClass, node: Node) -> int:
    doubt = FITS
    for n, check in NODE_CHECKS:
        objection = check.asks(vm_class, node)
        if objection is not None and objection.answer == Answer.NO:
            return n
        if objection is not None and not doubt:
            doubt = -n
    return doubt


def words(vm_class: VMClass, classes: NodeClasses) -> list[str | None]:
    """Why not each node, as far as the node checks go, in words that follow "the node"; None where they say yes."""
    return _by_node_class(_words, vm_class, classes)


def in_the_way(guest: Guest, fleet: Fleet) -> list[str | None]:
    """Why not each node, as far as spread and neighbours go; None where they let the VM go. Domain by domain."""
    result: list[str | None] = [None] * len(fleet.nodes)
    for check in _MOVING:
        refused = np.flatnonzero(~check.allows(guest, fleet)).tolist()
        known: dict[tuple[str | None, ...], str | None] = {}
        keys = (*fleet.neighbours.keys(guest.occupant), *(rule.key for rule in guest.vm_class.spread))
        for n in refused:
            labels = fleet.nodes[n].labels
            where = tuple(labels.get(key) for key in keys)
            if where not in known:
                known[where] = check.refuses(guest, fleet, n)
            result[n] = result[n] or known[where]
    return result


def _words(vm_class: VMClass, node: Node) -> str | None:
    code = _first(vm_class, node)
    if code <= FITS:
        return None
    check = CHECKS[code - 1]
    objection = check.asks(vm_class, node) if isinstance(check, NodeCheck) else None
    return objection.words if objection is not None else None


def _by_node_class(ask: Callable[[VMClass, Node], T], vm_class: VMClass, classes: NodeClasses) -> list[T]:
    """The answer for each node, asked once per class of nodes that agree in everything the checks look at."""
    nodes, divided = classes.topology.nodes, classes.divide(vm_class.label_keys, by_name=vm_class.fields)
    answers = [ask(vm_class, nodes[n]) for n in divided.examples]
    return [answers[n] for n in divided.of]
