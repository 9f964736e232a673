"""How many VMs can be placed at most, in integers.

Weak duality: give every unit of every resource of every group a price, none negative. Whoever places VMs pays for what
they take, and no group can be paid for more than it has. So the number placed is at most the worth of all that is free,
plus what the VMs gain: one each, less what they pay where they are cheapest. This holds whatever the prices are; good
prices, which are the duals of the linear program, make it tight.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from drover.planning.certificate.groups import Groups
from drover.planning.certificate.question import Ints
from drover.planning.certificate.relaxation import Floats

ONE = 1 << 96
"""One VM in the units of prices: a price for a byte has to be told finely."""


def whole(price: Floats) -> NDArray[np.object_]:
    """The prices as whole numbers of 1/ONE, none negative. Which they are is all the same to the bound's truth."""
    cells = [int(each * ONE) for each in np.clip(np.nan_to_num(price), 0.0, 1e9).ravel().tolist()]
    result = np.empty(len(cells), dtype=np.object_)
    result[:] = cells
    return result.reshape(price.shape)


def at_most(groups: Groups, price: NDArray[np.object_], kinds: Ints | None = None) -> int:
    """How many VMs of these kinds (all if not told) can be placed at most, whatever becomes of the others."""
    which = np.arange(len(groups.count)) if kinds is None else kinds
    if not which.size or not groups.members:
        return 0
    worth = int((groups.free * price).sum())
    gains = ONE - groups.demand[which].astype(np.object_) @ price.T
    rows = zip(gains.tolist(), groups.most[which].tolist(), groups.count[which].tolist(), strict=True)
    return (worth + sum(_gain(zip(*row, strict=True), count) for *row, count in rows)) // ONE


def _gain(offers: Iterable[tuple[int, int]], count: int) -> int:
    """What `count` VMs gain at most: `offers` is what one gains in each group, and how many the group takes."""
    total = 0
    for gain, most in sorted((offer for offer in offers if offer[0] > 0 and offer[1] > 0), reverse=True):
        taken = min(count, most)
        total, count = total + gain * taken, count - taken
        if not count:
            break
    return total
