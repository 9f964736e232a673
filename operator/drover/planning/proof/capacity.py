"""The certificate and the reserve asked about a Fleet: the only place that knows both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from drover.facts.index import Index
from drover.facts.snapshot import Snapshot
from drover.planning.certificate.certify import Certificate, certify
from drover.planning.certificate.question import Question
from drover.planning.certificate.words import in_words
from drover.planning.checks import chain
from drover.planning.demand.vmclass import VMClass
from drover.planning.placing.mover import Mover
from drover.planning.proof.refit import Standing
from drover.planning.proof.reserve import Reserve, keeps
from drover.planning.site.fleet import IMPOSSIBLE, Amounts, Fleet
from drover.planning.site.survey import class_of
from drover.planning.site.topology import Mask

MOST_ROWS = 1000
"""If VMs differ in more ways than this, the nodes that only one of them may not go to are forgotten: where a VM is
tells as many groups of nodes apart as there are sources. It makes the claim weaker, not wrong."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """At least `vms` of `total` VMs cannot be placed for want of room, whatever is tried; where and what in `words`."""

    vms: int
    total: int
    words: str


@dataclass(frozen=True, slots=True)
class Spare:
    """Whether the fleet keeps its reserve after the plan, None if that is not known; the nodes whose loss is the worst,
    and what is short then."""

    kept: bool | None
    worst: tuple[str, ...] = ()
    words: str = ""


def shortfall(movers: Sequence[Mover], fleet: Fleet, free: Amounts, barred: Iterable[str]) -> Shortfall | None:
    """What the movers lack if `free` int64[nodes, resources] is all there is, or None if that is not proven.

    VMs that may go nowhere, whatever the room, are not among its `vms`.
    """
    found = certify(_question(movers, fleet, free, frozenset(barred)))
    return Shortfall(found.short, found.total, _words(found, fleet)) if found.short > 0 else None


@dataclass(slots=True)
class Proofs:
    """What VMs lack in the room that is free on a fleet, asked once of the same VMs and room."""

    barred: Mapping[str, str]
    _known: dict[tuple[frozenset[str], bytes], Shortfall | None] = field(default_factory=dict)

    def of(self, movers: Sequence[Mover], fleet: Fleet) -> Shortfall | None:
        key = frozenset(mover.uid for mover in movers), fleet.free.tobytes()
        if key not in self._known:
            self._known[key] = shortfall(movers, fleet, fleet.free, self.barred)
        return self._known[key]

    def least(self, movers: Sequence[Mover], fleet: Fleet) -> int:
        """How many of them cannot have a target, whatever is tried."""
        found = self.of(movers, fleet)
        return found.vms if found is not None else 0


def _words(certificate: Certificate, fleet: Fleet) -> str:
    return in_words(certificate, {node.name: node.labels for node in fleet.nodes})


def _question(movers: Sequence[Mover], fleet: Fleet, free: Amounts, barred: frozenset[str]) -> Question:
    open_nodes = ~fleet.among(barred)
    counts: dict[tuple[VMClass, frozenset[str]], int] = {}
    for mover in movers:
        key = mover.guest.vm_class, frozenset(mover.barred)
        counts[key] = counts.get(key, 0) + 1
    exact = len(counts) <= MOST_ROWS
    demand, offered = _demand([vm_class for vm_class, _ in counts], fleet)
    rows = [_column(vm_class, fleet) & open_nodes & ~fleet.among(bars if exact else ()) for vm_class, bars in counts]
    allowed = np.array(rows, dtype=np.bool_).reshape(len(rows), len(fleet.nodes)) & offered[:, None]
    return Question(demand, np.array(list(counts.values())), allowed, free, fleet.resources, _names(fleet))


def _demand(classes: Sequence[VMClass], fleet: Fleet) -> tuple[Amounts, Mask]:
    """int64[classes, resources], and which of them ask for nothing that no node offers."""
    rows = [fleet.demand(vm_class) for vm_class in classes]
    demand = np.array(rows, dtype=np.int64).reshape(len(rows), len(fleet.resources))
    offered = np.array([(row < IMPOSSIBLE).all() for row in demand], dtype=np.bool_)
    return np.where(offered[:, None], demand, 0), offered


def _column(vm_class: VMClass, fleet: Fleet) -> Mask:
    """bool[nodes]: where the node checks let the class go."""
    result: Mask = chain.static(vm_class, fleet.classes) <= chain.FITS
    return result


def _names(fleet: Fleet) -> tuple[str, ...]:
    return tuple(node.name for node in fleet.nodes)


def spare(
    reserve: Reserve,
    fleet: Fleet,
    snapshot: Snapshot,
    relations: Index,
    after: Mapping[str, str],
    barred: Iterable[str],
) -> Spare:
    """Whether the fleet keeps the reserve once VMs are where `after` (target by VMI UID) has them and the others where
    they are. `fleet` holds the room the moving ones take on both sides; `barred` are nodes that will take nobody."""
    counts: dict[VMClass, Amounts] = {}
    free = fleet.free.copy()
    for vmi in snapshot.vmis.values():
        vm_class = class_of(vmi, snapshot, relations) if not vmi.final else None
        if vm_class is None:
            continue
        now, then = fleet.position.get(vmi.node), fleet.position.get(after.get(vmi.uid, vmi.node))
        if then is not None:
            counts.setdefault(vm_class, np.zeros(len(fleet.nodes), dtype=np.int64))[then] += 1
        if now is not None and then != now:
            free[now] += fleet.demand(vm_class)
    return _kept(reserve, counts, fleet, free, barred)


def _kept(
    reserve: Reserve, counts: Mapping[VMClass, Amounts], fleet: Fleet, free: Amounts, barred: Iterable[str]
) -> Spare:
    open_nodes = ~fleet.among(barred)
    demand, offered = _demand(list(counts), fleet)
    shape = len(counts), len(fleet.nodes)
    on = np.array(list(counts.values()), dtype=np.int64).reshape(shape)
    rows = [_column(vm_class, fleet) & open_nodes for vm_class in counts]
    allowed = np.array(rows, dtype=np.bool_).reshape(shape)
    found = keeps(reserve, Standing(demand, on, allowed & offered[:, None], free, fleet.resources, _names(fleet)))
    return Spare(found.kept, found.worst, _words(found.certificate, fleet) if found.certificate else "")
