"""What a region lacks: the resources that have run out there, or room in one piece."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from drover.planning.certificate.groups import Groups, names
from drover.planning.certificate.question import Ints, Mask, Question
from drover.planning.certificate.relaxation import Floats


@dataclass(frozen=True, slots=True)
class Lack:
    """These nodes lack so much of the resource together. With `piece` set there may be enough of it in sum, but it
    is needed in pieces of that size up to `largest`, and the most that is free on one node is `most`."""

    nodes: tuple[str, ...]
    resource: str
    amount: int
    piece: int = 0
    largest: int = 0
    most: int = 0


def lacks(
    question: Question, groups: Groups, price: Floats, left: Floats, kinds: Ints, reached: Ints
) -> tuple[Lack, ...]:
    """What the VMs that are left over lack. `left` float[kinds], `kinds` and `reached` the region's own."""
    # What has run out and is not asked for by those who are left over is not why they are.
    asked = (groups.demand[kinds[left[kinds] > 0]] > 0).any(axis=0)
    tight = (price[reached] > 0) & asked
    runs_out = list(_run_out(question, groups, tight, left, kinds, reached))
    whole = reached[~tight.any(axis=1)]
    pieces = _pieces(question, groups, left, kinds, whole) if whole.size else ()
    return (*runs_out, *pieces)


def _run_out(
    question: Question, groups: Groups, tight: Mask, left: Floats, kinds: Ints, reached: Ints
) -> Iterator[Lack]:
    wanted = left[kinds] @ groups.demand[kinds].astype(np.float64)
    for resource in np.flatnonzero(tight.any(axis=0) & (wanted >= 0.5)).tolist():
        here = reached[tight[:, resource]]
        nodes = names(question, groups, here)
        alone = len(here) == len(reached) and int(tight.any(axis=0).sum()) == 1
        missing = _missing(groups, kinds, here, resource) if alone else 0
        yield Lack(nodes, question.resources[resource], missing if missing > 0 else round(wanted[resource]))


def _missing(groups: Groups, kinds: Ints, here: Ints, resource: int) -> int:
    """What is asked for less what is free, exactly."""
    asked = groups.demand[kinds, resource].astype(np.object_) * groups.count[kinds]
    return int(asked.sum()) - int(groups.free[here, resource].sum())


def _pieces(question: Question, groups: Groups, left: Floats, kinds: Ints, here: Ints) -> Iterator[Lack]:
    """By resource: what is left over for want of room in one piece."""
    free = question.free[np.concatenate([groups.members[group] for group in here.tolist()])]
    pieces: dict[int, list[tuple[float, int]]] = {}
    for kind in kinds[(left[kinds] > 0) & groups.allowed[np.ix_(kinds, here)].any(axis=1)].tolist():
        demand = groups.demand[kind]
        resource = _in_the_way(demand, free, int(groups.count[kind]))
        pieces.setdefault(resource, []).append((float(left[kind]), int(demand[resource])))
    for resource, wanted in sorted(pieces.items()):
        amount = sum(round(count * size) for count, size in wanted)
        sizes = [size for _, size in wanted]
        most = max(0, int(free[:, resource].max()))
        nodes = names(question, groups, here)
        yield Lack(nodes, question.resources[resource], amount, min(sizes), max(sizes), most)


def _in_the_way(demand: Ints, free: Ints, wanted: int) -> int:
    """The resource by which alone the nodes would hold the fewest of so many VMs."""
    asked = np.flatnonzero(demand > 0)
    slots = np.clip(free[:, asked] // demand[asked], 0, wanted)
    return int(asked[slots.sum(axis=0).argmin()])
