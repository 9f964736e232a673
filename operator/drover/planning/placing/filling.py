"""The fleet that VMs are placed on, as it fills: where each may go and fits, and what it takes when it goes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from drover.planning.checks import chain
from drover.planning.demand.vmclass import GUEST_MEMORY, VMClass
from drover.planning.placing import company
from drover.planning.placing.ground import NOWHERE
from drover.planning.placing.mover import Mover, Placed
from drover.planning.placing.problem import KUBEVIRTS_OWN, Problem
from drover.planning.site.fleet import IMPOSSIBLE, Amounts, Fleet
from drover.planning.site.topology import Mask
from drover.planning.timing.moves import Limits


@dataclass(slots=True)
class Site:
    """A fleet that fills; `open` is bool[nodes], the nodes that the goal does not bar."""

    fleet: Fleet
    open: Mask
    limits: Limits | None
    _rows: dict[tuple[VMClass, bool], Mask] = field(default_factory=dict)

    def codes(self, mover: Mover) -> chain.Codes:
        return chain.static(mover.guest.vm_class, self.fleet.classes)

    def allowed(self, mover: Mover, *, strict: bool = False) -> Mask:
        """bool[nodes]: where the VM may go as far as the goal and the node checks say; `strict`: as long as anything
        else is left. Not to be changed: VMs of a class share it."""
        row = self._without(self._row(mover, strict), mover.barred)
        return self._without(row, mover.shunned) if strict else row

    def _row(self, mover: Mover, strict: bool) -> Mask:
        key = mover.guest.vm_class, strict
        if key not in self._rows:
            codes = self.codes(mover)
            self._rows[key] = self.open & ((codes == chain.FITS) if strict else (codes <= chain.FITS))
        return self._rows[key]

    def _without(self, row: Mask, names: Iterable[str]) -> Mask:
        position = self.fleet.position
        closed = [n for n in (position.get(name) for name in names) if n is not None and row[n]]
        if not closed:
            return row
        result = row.copy()
        result[closed] = False
        return result

    def may(self, mover: Mover) -> bool:
        """Whether any node would take it if there were room."""
        return bool(self.allowed(mover).any()) and self.offered(mover)

    def fits_somewhere(self, mover: Mover) -> bool:
        """Whether any node would take it now."""
        return bool((self.allowed(mover) & self._lets(mover)).any())

    def demand(self, mover: Mover) -> Amounts:
        return self.fleet.demand(mover.guest.vm_class)

    def offered(self, mover: Mover) -> bool:
        """Whether any node has all that it asks for at all."""
        return bool(max(self.demand(mover).tolist()) < IMPOSSIBLE)

    def problem(self, movers: Sequence[Mover], masks: Sequence[Mask]) -> Problem:
        """Nodes that a VM may not go to are in its row already: the problem's `barred` is for others."""
        fleet = self.fleet
        demand = np.array([self.demand(mover) for mover in movers], dtype=np.int64)
        numbers, examples = _numbered(masks)
        memory, guests = fleet.resources.index(GUEST_MEMORY), [mover.guest for mover in movers]
        return Problem(
            demand=demand,
            free=fleet.free,
            whole=fleet.allocatable,
            allowed=np.array(examples, dtype=np.bool_),
            row=np.array(numbers, dtype=np.int64),
            at=np.array([self._source(mover) for mover in movers], dtype=np.int64),
            work=demand[:, memory].astype(np.float64),
            movers=range(len(movers)),
            anchors=company.anchors(guests, fleet),
            lanes=_lanes(self.limits),
            ordered=company.ordered(guests, fleet),
            bundles=company.bundles(guests, fleet),
        )

    def _source(self, mover: Mover) -> int:
        """The node it leaves."""
        pods = mover.guest.occupant.pods
        return pods[0] if pods else NOWHERE

    def fits_on(self, mover: Mover, target: int) -> bool:
        """Whether the VM may go there now, all counted that were settled before."""
        return bool(self.allowed(mover)[target] and self._lets(mover)[target])

    def _lets(self, mover: Mover) -> Mask:
        """bool[nodes]: where those who are there now let the VM go, and leave room for it."""
        return chain.moving(mover.guest, self.fleet) & chain.roomy(mover.guest, self.fleet)

    def settle(self, mover: Mover, target: int, count: int) -> Placed:
        """It goes there, one of so many nodes that may take it."""
        placed = self.placed(mover, target, count)
        self.fleet.move(mover.guest, target)
        return placed

    def placed(self, mover: Mover, target: int, count: int) -> Placed:
        guest, fleet = mover.guest, self.fleet
        what = "the only node that may take it" if count == 1 else f"one of {count} nodes that may take it"
        left = _left(self.demand(mover), fleet, target)
        doubt = chain.doubt(guest, fleet, target) if self.codes(mover)[target] < chain.FITS else ""
        why = f"{what}; {left:.0%} of its scarcest resource stays free"
        return Placed(fleet.nodes[target].name, why, doubt)


def _numbered(masks: Sequence[Mask]) -> tuple[list[int], list[Mask]]:
    """Equal masks with the same number, and one of each. Most are the same object, so that few are compared."""
    rows: dict[bytes, int] = {}
    objects = {id(mask): mask for mask in masks}
    number = {key: rows.setdefault(mask.tobytes(), len(rows)) for key, mask in objects.items()}
    examples = {number[key]: mask for key, mask in objects.items()}
    return [number[id(mask)] for mask in masks], [examples[n] for n in range(len(rows))]


def _lanes(limits: Limits | None) -> Limits:
    """Where nothing may start now, targets are chosen for when it may."""
    usable = limits is not None and min(limits.total, limits.per_source, limits.per_target) > 0
    return limits if limits is not None and usable else KUBEVIRTS_OWN


def _left(demand: Amounts, fleet: Fleet, node: int) -> float:
    """The fraction of its scarcest asked-for resource that the node would have left."""
    each = zip(demand.tolist(), fleet.free[node].tolist(), fleet.allocatable[node].tolist(), strict=True)
    return min([(free - asked) / max(has, 1) for asked, free, has in each if 0 < asked < IMPOSSIBLE], default=1.0)
