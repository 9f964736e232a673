"""Small placement problems in arrays, and who minds whom in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from drover.planning.placing.problem import Mask, Problem
from drover.planning.timing.moves import Limits


@dataclass(frozen=True)
class Scene:
    """A problem, and groups of VMs of which no two may be on one node."""

    problem: Problem
    apart: Sequence[frozenset[int]] = ()

    def relations(self) -> "Apart":
        return Apart(self)

    def with_movers(self, movers: Sequence[int]) -> "Scene":
        old = self.problem
        values = {name: getattr(old, name) for name in old.__dataclass_fields__}
        return Scene(Problem(**{**values, "movers": movers}), self.apart)


@dataclass
class Apart:
    """Anti-affinity by node, by looking at everybody."""

    scene: Scene
    log: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.where = self.scene.problem.at.tolist()

    def mask(self, vm: int) -> Mask | None:
        mates = [other for group in self.scene.apart if vm in group for other in group - {vm}]
        if not mates:
            return None
        result = np.ones(len(self.scene.problem.free), dtype=np.bool_)
        result[[self.where[mate] for mate in mates]] = False
        return result

    def move(self, vm: int, node: int) -> None:
        self.log.append((vm, self.where[vm]))
        self.where[vm] = node

    def undo(self) -> None:
        vm, node = self.log.pop()
        self.where[vm] = node

    def content(self, vm: int) -> bool:
        return True

    def kind(self, vm: int) -> Mask | None:
        return None


def a_scene(
    demand: Sequence[Sequence[int]],
    at: Sequence[int],
    whole: Sequence[Sequence[int]],
    movers: Sequence[int],
    residents: Sequence[int] = (),
    *,
    never: frozenset[tuple[int, int]] = frozenset(),
    barred: Mapping[int, Sequence[int]] | None = None,
    apart: Sequence[frozenset[int]] = (),
) -> Scene:
    """`never`: (VM, node) by the classes' masks. What is free is what those who are there leave."""
    asked, capacity = np.array(demand, dtype=np.int64), np.array(whole, dtype=np.int64)
    free = capacity.copy()
    np.subtract.at(free, list(at), asked)
    allowed = np.array([[(vm, node) not in never for node in range(len(whole))] for vm in range(len(demand))])
    rows, row = np.unique(allowed, axis=0, return_inverse=True)
    problem = Problem(
        demand=asked,
        free=free,
        whole=capacity,
        allowed=rows,
        row=row.reshape(-1).astype(np.int64),
        at=np.array(at, dtype=np.int64),
        work=asked[:, 0].astype(np.float64) + 1,
        movers=movers,
        residents=residents,
        barred=barred or {},
        lanes=Limits(4, 2, 1),
    )
    return Scene(problem, apart)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Node 0 is to be emptied; the others have residents and little room."""
    nodes, vms = draw(st.integers(2, 5)), draw(st.integers(1, 10))
    demand = [[draw(st.integers(0, 5)), draw(st.integers(0, 2)), 1] for _ in range(vms)]
    at = [draw(st.integers(0, nodes - 1)) for _ in range(vms)]
    held = np.zeros((nodes, 3), dtype=np.int64)
    np.add.at(held, at, np.array(demand))
    whole = [[int(amount) + draw(st.integers(0, 5)) for amount in row] for row in held]
    pairs = st.tuples(st.integers(0, vms - 1), st.integers(0, nodes - 1))
    never = draw(st.frozensets(pairs, max_size=8)) | {(vm, 0) for vm in range(vms)}
    leave = [vm for vm in range(vms) if at[vm] == 0]
    stay = [vm for vm in range(vms) if at[vm] != 0 and draw(st.integers(0, 4))]
    group = draw(st.frozensets(st.integers(0, vms - 1), max_size=4))
    barred = {vm: [node] for vm, node in draw(st.frozensets(pairs, max_size=2))}
    return a_scene(demand, at, whole, leave, stay, never=never, barred=barred, apart=[group])


class Unrelated:
    """Nobody minds who is where."""

    def mask(self, vm: int) -> Mask | None:
        return None

    def move(self, vm: int, node: int) -> None:
        pass

    def undo(self) -> None:
        pass

    def content(self, vm: int) -> bool:
        return True

    def kind(self, vm: int) -> Mask | None:
        return None
