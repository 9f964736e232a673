"""A drawn fleet as the arrays that placement works on, everybody on it free to move if that makes room; who minds whom
is told by the drawing itself."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.planning.objects import a_goal
from benchmarks.planning.world import HOSTNAME, Group, World
from drover.facts.index import index
from drover.facts.snapshot import Snapshot
from drover.planning.checks import chain
from drover.planning.demand.vmclass import VMClass
from drover.planning.placing.problem import Mask, Problem
from drover.planning.site import survey
from drover.planning.site.fleet import Fleet
from drover.planning.timing.moves import Limits


def a_problem(world: World, snapshot: Snapshot, lanes: Limits | None = None) -> Problem:
    """To empty the hosts of the wave; VMs and nodes are numbered as the guests and hosts are. Everybody else may move,
    too, if that makes room."""
    relations = index(snapshot)
    ground = survey.build(snapshot, relations, {})
    assert [node.name for node in ground.nodes] == [host.name for host in world.hosts]
    movers = {vmi.uid for vmi in a_goal(world, snapshot).vmis}
    demand, row, masks = [], [], _Masks(world, ground)
    for guest in world.guests:
        vm_class = survey.class_of(snapshot.vmis[guest.namespace, guest.name], snapshot, relations)
        assert vm_class is not None
        demand.append(ground.demand(vm_class))
        row.append(masks.row(vm_class))
    return Problem(
        demand=np.array(demand),
        free=ground.free,
        whole=ground.allocatable,
        allowed=np.array(masks.rows),
        row=np.array(row),
        at=np.array([guest.at for guest in world.guests]),
        work=np.array([guest.memory for guest in world.guests], dtype=np.float64),
        movers=[n for n, guest in enumerate(world.guests) if guest.name in movers],
        residents=[n for n, guest in enumerate(world.guests) if guest.name not in movers],
        lanes=lanes or Limits(50, 2, 2),
    )


@dataclass(slots=True)
class _Masks:
    """Where VMs may be: a row for each thing that is asked for."""

    world: World
    ground: Fleet
    rows: list[Mask] = field(default_factory=list)
    known: dict[object, int] = field(default_factory=dict)

    def row(self, vm_class: VMClass) -> int:
        key = chain.asked(vm_class)
        if key not in self.known:
            self.known[key] = len(self.rows)
            self.rows.append((chain.static(vm_class, self.ground.classes) == chain.FITS) & ~self.world.emptied)
        return self.known[key]


class Grouped:
    """Relations as the groups of the drawing have them, counted anew each time somebody asks: groups are small."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.place: NDArray[np.int64] = np.array([guest.at for guest in world.guests])
        self.members: dict[Group, list[int]] = {}
        for n, guest in enumerate(world.guests):
            if guest.group is not None:
                self.members.setdefault(guest.group, []).append(n)
        self.log: list[tuple[int, int]] = []

    def mask(self, vm: int) -> Mask | None:
        group = self.world.guests[vm].group
        if group is None:
            return None
        others = self.place[[other for other in self.members[group] if other != vm]]
        if group.key == HOSTNAME:
            mask = np.ones(len(self.world.hosts), dtype=np.bool_)
            mask[others] = False
            return mask
        counts = np.bincount(self.world.zone[others], minlength=int(self.world.zone.max()) + 1)
        good = {"apart": counts == 0, "together": counts > 0, "spread": counts + 1 - counts.min() <= 1}[group.rule]
        return np.asarray(good[self.world.zone])

    def move(self, vm: int, node: int) -> None:
        self.log.append((vm, int(self.place[vm])))
        self.place[vm] = node

    def undo(self) -> None:
        vm, node = self.log.pop()
        self.place[vm] = node

    def content(self, vm: int) -> bool:
        return True

    def kind(self, vm: int) -> Mask | None:
        return None
