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
from drover.planning.placing.placement import Mover
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


@dataclass(slots=True)
class _Columns:
    """Where each class may go, asked once for classes that the checks cannot tell apart."""

    fleet: Fleet
    open: Mask
    known: dict[object, Mask] = field(default_factory=dict)

    def of(self, vm_class: VMClass) -> Mask:
        key = chain.asked(vm_class)
        if key not in self.known:
            self.known[key] = (chain.static(vm_class, self.fleet.classes) <= chain.FITS) & self.open
        return self.known[key]


def shortfall(movers: Sequence[Mover], fleet: Fleet, free: Amounts, barred: Iterable[str]) -> Shortfall | None:
    """What the movers lack if `free` int64[nodes, resources] is all there is, or None if that is not proven.

    VMs that may go nowhere, whatever the room, are not among its `vms`.
    """
    found = certify(_question(movers, fleet, free, frozenset(barred)))
    return Shortfall(found.short, found.total, _words(found, fleet)) if found.short > 0 else None


def _words(certificate: Certificate, fleet: Fleet) -> str:
    return in_words(certificate, {node.name: node.labels for node in fleet.nodes})


def _question(movers: Sequence[Mover], fleet: Fleet, free: Amounts, barred: frozenset[str]) -> Question:
    columns = _Columns(fleet, ~_mask(barred, fleet))
    counts: dict[tuple[VMClass, frozenset[str]], int] = {}
    for mover in movers:
        key = mover.guest.vm_class, frozenset(mover.barred)
        counts[key] = counts.get(key, 0) + 1
    exact = len(counts) <= MOST_ROWS
    demand, offered = _demand([vm_class for vm_class, _ in counts], fleet)
    rows = [columns.of(vm_class) & ~_mask(bars if exact else (), fleet) for vm_class, bars in counts]
    allowed = np.array(rows, dtype=np.bool_).reshape(len(rows), len(fleet.nodes)) & offered[:, None]
    return Question(demand, np.array(list(counts.values())), allowed, free, fleet.resources, _names(fleet))


def _demand(classes: Sequence[VMClass], fleet: Fleet) -> tuple[Amounts, Mask]:
    """int64[classes, resources], and which of them ask for nothing that no node offers."""
    rows = [fleet.demand(vm_class) for vm_class in classes]
    demand = np.array(rows, dtype=np.int64).reshape(len(rows), len(fleet.resources))
    offered = np.array([(row < IMPOSSIBLE).all() for row in demand], dtype=np.bool_)
    return np.where(offered[:, None], demand, 0), offered


def _mask(names: Iterable[str], fleet: Fleet) -> Mask:
    result = np.zeros(len(fleet.nodes), dtype=np.bool_)
    result[[fleet.position[name] for name in names if name in fleet.position]] = True
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
    columns = _Columns(fleet, ~_mask(barred, fleet))
    demand, offered = _demand(list(counts), fleet)
    shape = len(counts), len(fleet.nodes)
    on = np.array(list(counts.values()), dtype=np.int64).reshape(shape)
    allowed = np.array([columns.of(vm_class) for vm_class in counts], dtype=np.bool_).reshape(shape)
    found = keeps(reserve, Standing(demand, on, allowed & offered[:, None], free, fleet.resources, _names(fleet)))
    return Spare(found.kept, found.worst, _words(found.certificate, fleet) if found.certificate else "")
