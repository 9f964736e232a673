"""Where others go first, so that a VM that must move fits where they were: those in flight already, then VMs that
nobody asked to move.

Only what no target of the plan's own VMs achieves is asked of others, with as few of them as the repair needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from drover.planning.checks import chain
from drover.planning.checks.room import fits
from drover.planning.placing import portfolio
from drover.planning.placing.filling import Site
from drover.planning.placing.mover import Answers, Mover, Placed
from drover.planning.placing.placement import place, waiting
from drover.planning.placing.relations import FleetRelations
from drover.planning.site.fleet import Amounts, Fleet
from drover.planning.site.topology import Mask
from drover.planning.timing.moves import Limits

NEAREST = 16
"""On how many nodes others are asked to leave for VMs of one kind: those that lack least."""


@dataclass(frozen=True, slots=True)
class Room:
    """By VMI UID: targets of VMs that had none, each after those of the `extra` moves it needs; and of those. `movers`
    are all of them in an order in which each is legal when all before it have been made."""

    placed: Mapping[str, Placed] = field(default_factory=dict)
    extra: Mapping[str, Placed] = field(default_factory=dict)
    movers: tuple[Mover, ...] = ()

    def beside(self, other: "Room") -> "Room":
        """Both, the other made after this one."""
        placed, extra = {**self.placed, **other.placed}, {**self.extra, **other.extra}
        return Room(placed, extra, (*self.movers, *other.movers))

    @property
    def moves(self) -> dict[str, Placed]:
        """Of all, in the order of the movers."""
        whole = {**self.placed, **self.extra}
        return {mover.uid: whole[mover.uid] for mover in self.movers}


def nearly(movers: Sequence[Mover], fleet: Fleet, barred: Mapping[str, str]) -> tuple[str, ...]:
    """The nodes on which least is missing for one of the VMs, by name."""
    site = Site(fleet, ~fleet.among(barred), None)
    found: set[int] = set()
    for row, demand in {(r.tobytes(), d.tobytes()): (r, d) for r, d in _asked(site, movers)}.values():
        found.update(_nearest(row, demand, fleet))
    return tuple(fleet.nodes[n].name for n in sorted(found))


def _asked(site: Site, movers: Sequence[Mover]) -> list[tuple[Mask, Amounts]]:
    """Where each of them may go, and what it asks for, of those that any node can take at all."""
    return [(_open(site, each), site.demand(each)) for each in movers if site.offered(each)]


def _open(site: Site, mover: Mover) -> Mask:
    """bool[nodes]: where those that stay let it go; if that is nowhere, where it may go for all that labels say."""
    row = site.allowed(mover)
    let = row & chain.moving(mover.guest, site.fleet)
    return let if let.any() else row


def _nearest(row: Mask, demand: Amounts, fleet: Fleet) -> list[int]:
    """Those of the nodes that lack the smallest share of what they have, and have it at all."""
    asked = demand > 0
    nodes = np.flatnonzero(row & (fleet.allocatable[:, asked] >= demand[asked]).all(axis=1))
    lacking = np.maximum(demand - fleet.free[nodes], 0)[:, asked] / np.maximum(fleet.allocatable[nodes][:, asked], 1)
    nearest: list[int] = nodes[np.argsort(lacking.max(axis=1, initial=0.0), kind="stable")][:NEAREST].tolist()
    return nearest


def as_others_leave(
    movers: Sequence[Mover],
    leaving: Sequence[tuple[str, int, str, Amounts]],
    fleet: Fleet,
    barred: Mapping[str, str],
    limits: Limits | None = None,
) -> dict[str, Placed]:
    """Targets for those of the movers that fit once VMs in flight have arrived, each after those that leave its target;
    takes the room from `fleet`. `leaving`: who (by UID), the node it leaves, the name of the one it goes to, and int64
    [resources], what it leaves behind."""
    emptier = fleet.copy()
    for _, node, _, amounts in leaving:
        emptier.free[node] += amounts
    placed: dict[str, Placed] = {}
    guests = {mover.uid: mover.guest for mover in movers}
    for uid, answer in place(movers, emptier, barred, limits).items():
        if isinstance(answer, Placed):
            target = fleet.position[answer.target]
            first = [(who, goes) for who, node, goes, _ in leaving if node == target]
            fleet.move(guests[uid], target)
            placed[uid] = replace(answer, after=tuple(sorted({*answer.after, *first})))
    return placed


def make_room(
    movers: Sequence[Mover],
    others: Sequence[Mover],
    fleet: Fleet,
    barred: Mapping[str, str],
    limits: Limits | None = None,
) -> Room:
    """Targets for as many of the movers as possible, if some of the others move as well; takes the room from `fleet`,
    where the others still hold what they leave."""
    site = Site(fleet, ~fleet.among(barred), limits)
    asking = [mover for mover in movers if site.may(mover)]
    if not asking or not others:
        return Room()
    everybody = [*sorted(asking, key=lambda mover: mover.uid), *sorted(others, key=lambda mover: mover.uid)]
    residents = range(len(asking), len(everybody))
    rows = [site.allowed(mover, strict=n in residents) for n, mover in enumerate(everybody)]
    relations = FleetRelations([mover.guest for mover in everybody], fleet)
    problem = replace(site.problem(everybody, rows), movers=range(len(asking)), residents=residents)
    # Everything was tried already without the others.
    found = portfolio.place(problem, relations.fresh, exhaustive=False)
    return _settled(found, everybody, relations.fresh(), site)


def _settled(found: portfolio.Placement, everybody: Sequence[Mover], relations: FleetRelations, site: Site) -> Room:
    """One by one, in the order in which they are legal. Who waits for one that cannot go after all cannot either."""
    gone: dict[int, Placed] = {}
    for vm, target in found.targets.items():
        mover, awaited = everybody[vm], found.after.get(vm, ())
        if not all(other in gone for other in awaited) or not relations.allows(vm, target):
            continue
        if not awaited and not fits(site.demand(mover), site.fleet, target):
            continue
        gone[vm] = site.settle(mover, target, int(site.allowed(mover).sum()))
    extra = {everybody[vm].uid for vm in found.extra}
    first = {vm: tuple((everybody[other].uid, gone[other].target) for other in found.after.get(vm, ())) for vm in gone}
    answers: Answers = {everybody[vm].uid: replace(placed, after=first[vm]) for vm, placed in gone.items()}
    movers = [everybody[vm] for vm in gone]
    told = {uid: each for uid, each in waiting(answers, movers, site.fleet).items() if isinstance(each, Placed)}
    needed = _needed(told, extra)
    for mover in movers:
        if mover.uid not in needed:
            site.fleet.take_back(mover.guest, site.fleet.position[told[mover.uid].target])
    placed = {uid: each for uid, each in told.items() if uid not in extra}
    moved = {uid: each for uid, each in told.items() if uid in extra & needed}
    return Room(placed, moved, tuple(mover for mover in movers if mover.uid in needed))


def _needed(gone: Mapping[str, Placed], extra: set[str]) -> set[str]:
    """All but the extra moves that nobody waits for after all."""
    rest = [uid for uid in gone if uid not in extra]
    needed = set(rest)
    while rest:
        awaited = {uid for uid, _ in gone[rest.pop()].after if uid in gone} - needed
        needed |= awaited
        rest += awaited
    return needed
