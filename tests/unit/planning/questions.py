"""Small questions about what fits where, and the answer by trying everything."""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from hypothesis import strategies as st

from drover.planning.certificate.question import Question

GI = 1 << 30


def a_question(
    *classes: tuple[int, Sequence[int], str],
    free: Mapping[str, Sequence[int]],
    resources: Sequence[str] = ("memory", "cpu"),
) -> Question:
    """Classes as (count, demand, the nodes they may go to: "a1 a2", or "*")."""
    nodes = list(free)
    width = len(next(iter(free.values())))
    allowed = [[where == "*" or node in where.split() for node in nodes] for _, _, where in classes]
    return Question(
        demand=np.array([demand for _, demand, _ in classes], dtype=np.int64).reshape(len(classes), width),
        count=np.array([count for count, _, _ in classes], dtype=np.int64),
        allowed=np.array(allowed, dtype=np.bool_).reshape(len(classes), len(nodes)),
        free=np.array(list(free.values()), dtype=np.int64),
        resources=resources[:width],
        nodes=nodes,
    )


@st.composite
def questions(draw: st.DrawFn, unit: bool = False) -> Question:
    """At most 6 VMs on at most 3 nodes; with `unit` every VM asks for one of one thing."""
    nodes, width = draw(st.integers(1, 3)), 1 if unit else draw(st.integers(1, 3))
    scale = draw(st.sampled_from([1, GI])) if not unit else 1
    classes = []
    for _ in range(draw(st.integers(1, 3))):
        demand = [1] if unit else [draw(st.integers(0, 4)) * scale for _ in range(width)]
        where = " ".join(f"n{n}" for n in range(nodes) if draw(st.booleans()))
        classes.append((draw(st.integers(0, 2)), demand, where))
    room = st.integers(-1, 5 if unit else 8)
    free = {f"n{n}": [draw(room) * scale for _ in range(width)] for n in range(nodes)}
    return a_question(*classes, free=free, resources=("memory", "cpu", "gpu"))


def placeable(question: Question, classes: Sequence[bool] | None = None) -> int:
    """How many of the VMs (of these classes) can be placed, by trying every way."""
    counts = question.count.tolist()
    vms = [c for c, count in enumerate(counts) for _ in range(count) if classes is None or classes[c]]
    demand, allowed = question.demand.tolist(), question.allowed.tolist()

    @cache
    def best(vm: int, free: tuple[tuple[int, ...], ...]) -> int:
        if vm == len(vms):
            return 0
        result, asked = best(vm + 1, free), demand[vms[vm]]
        for node, room in enumerate(free):
            if allowed[vms[vm]][node] and fits(asked, room):
                left = tuple(r - d for r, d in zip(room, asked, strict=True))
                result = max(result, 1 + best(vm + 1, (*free[:node], left, *free[node + 1 :])))
        return result

    return best(0, tuple(map(tuple, question.free.tolist())))


def fits(demand: Sequence[int], room: Sequence[int]) -> bool:
    return all(d == 0 or d <= r for d, r in zip(demand, room, strict=True))


def has_home(question: Question, nodes: set[str]) -> list[bool]:
    """By class: whether one VM alone would fit on a node outside these."""
    pairs = product(range(len(question.count)), range(len(question.nodes)))
    found = {
        c
        for c, n in pairs
        if question.nodes[n] not in nodes
        and question.allowed[c, n]
        and fits(question.demand[c].tolist(), question.free[n].tolist())
    }
    return [c in found for c in range(len(question.count))]


def reordered(question: Question, classes: Sequence[int], nodes: Sequence[int]) -> Question:
    """The same question told in another order."""
    here: Any = np.array(nodes, dtype=np.int64)
    return Question(
        question.demand[list(classes)],
        question.count[list(classes)],
        question.allowed[list(classes)][:, here],
        question.free[here],
        question.resources,
        [question.nodes[n] for n in nodes],
    )
