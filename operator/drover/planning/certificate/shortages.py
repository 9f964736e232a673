"""Where room is short and of what: read from a best solution, and each count proven for itself."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drover.planning.certificate.bound import at_most, whole
from drover.planning.certificate.groups import Groups, names
from drover.planning.certificate.lacks import Lack, lacks
from drover.planning.certificate.question import Ints, Mask, Question
from drover.planning.certificate.relaxation import Relaxed

SOME = 1e-6
"""Less of a VM than this is the solver's noise."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """Of the `among` VMs that have no room but on these nodes, at least `vms` cannot be placed (proven). `lacks` is
    what would have to be there for them, as the best solution has it."""

    vms: int
    among: int
    nodes: tuple[str, ...]
    lacks: tuple[Lack, ...]


def shortages(question: Question, groups: Groups, relaxed: Relaxed) -> tuple[Shortage, ...]:
    """Regions of the fleet that their VMs cannot leave and do not fit in, the worst first. No VM is in two of them."""
    left = groups.count - relaxed.placed.sum(axis=1)
    stuck = (left > SOME * np.maximum(groups.count, 1)) & groups.allowed.any(axis=1)
    left = np.where(stuck, left, 0.0)
    price = whole(relaxed.price)
    found = []
    for kinds, reached in _regions(groups, relaxed, stuck):
        among = int(groups.count[kinds].sum())
        vms = among - at_most(groups, _only(price, reached), kinds)
        if vms > 0:
            said = lacks(question, groups, relaxed.price, left, kinds, reached)
            found.append(Shortage(vms, among, names(question, groups, reached), said))
    return tuple(sorted(found, key=lambda each: (-each.vms, each.nodes)))


def _only(price: NDArray[np.object_], reached: Ints) -> NDArray[np.object_]:
    """What is free elsewhere is worth nothing to those who cannot go there."""
    result = np.zeros_like(price)
    result[reached] = price[reached]
    return result


def _regions(groups: Groups, relaxed: Relaxed, stuck: Mask) -> Iterator[tuple[Ints, Ints]]:
    """Kinds and groups: all groups the kinds could be in, and all kinds that hold what the stuck among them need.

    Kinds that no single node has room for are taken by the groups they might use. The others are followed as in the
    search for a minimum cut: whoever holds a scarce thing in a group might make room by going to another.
    """
    open_ = groups.most > 0
    lost = stuck & ~open_.any(axis=1)
    for row in np.unique(groups.allowed[lost], axis=0):
        yield np.flatnonzero(lost & (groups.allowed == row).all(axis=1)), np.flatnonzero(row)
    pays = (groups.demand > 0).astype(np.int64) @ (relaxed.price > 0).T.astype(np.int64) > 0
    holding = (relaxed.placed > SOME) & pays
    kinds = _closure(stuck & ~lost, open_, holding)
    while kinds.any():
        seed = np.zeros_like(kinds)
        seed[np.argmax(kinds)] = True
        region = _closure(seed, open_, open_ & kinds[:, None])
        yield np.flatnonzero(region), np.flatnonzero(open_[region].any(axis=0))
        kinds &= ~region


def _closure(kinds: Mask, goes: Mask, holds: Mask) -> Mask:
    """The kinds, and all that hold something in a group one of them may go to, and so on."""
    while True:
        more = kinds | holds[:, goes[kinds].any(axis=0)].any(axis=1)
        if (more == kinds).all():
            return more
        kinds = more
