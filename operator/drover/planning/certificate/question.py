"""Which VMs ask for what, and what is free where: plain arrays, so that nothing here depends on how they were made."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Question:
    """How many of these VMs can be placed on these nodes?

    `demand` int64[classes, resources] is what one VM of the class asks for, `count` int64[classes] how many there are,
    `allowed` bool[classes, nodes] where it may go as far as it is known (what is not known counts as allowed), `free`
    int64[nodes, resources] what is left. Where a resource is overdrawn (negative) nothing fits that asks for it; what
    is not asked for may be overdrawn (kube-scheduler noderesources/fit.go). Node names are unique.
    """

    demand: Ints
    count: Ints
    allowed: Mask
    free: Ints
    resources: Sequence[str]
    nodes: Sequence[str]
