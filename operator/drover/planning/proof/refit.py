"""VMs of lost nodes put on the others, quickly: only ever a yes that holds, never a no."""

from dataclasses import dataclass

import numpy as np

from drover.planning.certificate.question import Ints, Mask


@dataclass(frozen=True, slots=True)
class Standing:
    """Who is where after the plan. `demand` int64[classes, resources], `on` int64[classes, nodes] how many VMs of the
    class are on the node, `allowed` bool[classes, nodes] where they may go, `free` int64[nodes, resources] what is left
    beside them."""

    demand: Ints
    on: Ints
    allowed: Mask
    free: Ints
    resources: tuple[str, ...]
    nodes: tuple[str, ...]

    def in_order(self) -> "Standing":
        """The same with the nodes by name and the classes by what they ask, however they were told."""
        nodes = np.argsort(np.array(self.nodes, dtype=np.str_), kind="stable")
        allowed = self.allowed[:, nodes]
        keys = np.column_stack([self.demand, np.packbits(allowed, axis=1)])
        classes = np.lexsort(keys.T[::-1])
        names = tuple(self.nodes[n] for n in nodes.tolist())
        on = self.on[classes][:, nodes]
        return Standing(self.demand[classes], on, allowed[classes], self.free[nodes], self.resources, names)


@dataclass(frozen=True, slots=True)
class Homes:
    """By class: how many nodes a VM of it may go to (`allowed`) and on how many it would fit (`count`). `order`: the
    classes by that, and of those the larger first; `running` int64[classes, nodes]: in that order, the VMs so far."""

    allowed: Ints
    count: Ints
    order: Ints
    running: Ints


def homes(standing: Standing) -> Homes:
    demand, free = standing.demand, standing.free
    fits = standing.allowed.copy()
    for resource in range(demand.shape[1]):
        asked = demand[:, resource]
        fits &= (asked <= 0)[:, None] | (free[:, resource] >= asked[:, None])
    count = fits.sum(axis=1)
    share = (demand / np.maximum(1, free.max(axis=0, initial=1))).max(axis=1, initial=0.0)
    order = np.lexsort((-share, count))
    return Homes(standing.allowed.sum(axis=1), count, order, np.cumsum(standing.on[order], axis=0))


def any_fits(standing: Standing, found: Homes, number: int) -> bool:
    """Whether the loss of any so many nodes fits for certain.

    If the VMs are taken by their number of homes and each has more homes than there are nodes lost and VMs before it,
    every one of them finds a node that none of the others needs (Hall 1935): nothing has to share.
    """
    worst = np.sort(found.running, axis=1)[:, -number:].sum(axis=1)
    present = standing.on[found.order].any(axis=1)
    return bool(np.all(worst[present] <= found.count[found.order][present] - number))


def crowded(standing: Standing, found: Homes, lost: Ints) -> Ints:
    """The classes, fewest homes first, whose VMs may have to share nodes. The others find each a node of their own
    whatever these take."""
    present: Mask = standing.on[np.ix_(found.order, lost)].sum(axis=1) > 0
    running = found.running[:, lost].sum(axis=1)
    tight = np.flatnonzero(present & (running > found.count[found.order] - len(lost)))
    upto = tight[-1] + 1 if tight.size else 0
    return found.order[:upto][present[:upto]]


def refits(standing: Standing, classes: Ints, count: Ints, lost: Ints) -> bool:
    """Whether these classes fit on the other nodes, one after the other, each where the least is left over."""
    free = standing.free.copy()
    allowed = standing.allowed[classes]
    allowed[:, lost] = False
    for number, each in enumerate(classes.tolist()):
        demand, left = standing.demand[each], int(count[each])
        there = np.flatnonzero(allowed[number])
        slots = _slots(demand, free[there], left)
        order = np.argsort(slots, kind="stable")
        taken = np.diff(np.minimum(np.cumsum(slots[order]), left), prepend=0)
        if int(taken.sum()) < left:
            return False
        used = taken > 0
        free[there[order[used]]] -= taken[used, None] * demand
    return True


def _slots(demand: Ints, free: Ints, most: int) -> Ints:
    """int64[nodes]: how many VMs fit on each, at most `most`."""
    asked = demand > 0
    result: Ints = np.clip((free[:, asked] // demand[asked]).min(axis=1, initial=most), 0, most)
    return result
