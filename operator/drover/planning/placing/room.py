"""Which moves must have ended before another may start, so that no node is overfilled, whatever else runs meanwhile.

A VM that moves is held by both hosts: its target reserves when it starts, its source is free again when it has ended.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Amounts = NDArray[np.int64]


def waits(source: Sequence[int], target: Sequence[int], demand: Amounts, free: Amounts) -> list[tuple[int, ...]]:
    """For moves in an order in which each has room once all before it have ended: the indices of those it waits for.

    `demand` is int64[moves, resources], `free` int64[nodes, resources] before the first move. Every move is given room
    of its own: what is free now, else what certain earlier moves leave behind. So any schedule in which each starts
    after those it waits for is legal.

    Raises:
        ValueError: a move has no room although all before it have ended.
    """
    accounts: dict[int, _Account] = {}
    result = []
    for move, (leaves, comes, amounts) in enumerate(zip(source, target, demand, strict=True)):
        account = accounts.setdefault(comes, _Account(free[comes].copy()))
        result.append(tuple(sorted(account.draw(amounts))))
        accounts.setdefault(leaves, _Account(free[leaves].copy())).left.append((move, amounts.copy()))
    return result


@dataclass(slots=True)
class _Account:
    """Of one node: what is free and promised to nobody, and what moves that leave it will add."""

    spare: Amounts
    left: list[tuple[int, Amounts]] = field(default_factory=list)

    def draw(self, amounts: Amounts) -> Iterable[int]:
        """Give room to one more; who leaves it behind."""
        asked = amounts > 0
        lack = np.where(asked, np.maximum(amounts - self.spare, 0), 0)
        self.spare = np.where(asked, np.maximum(self.spare - amounts, 0), self.spare)
        if not lack.any():
            return []
        enough = [entry for entry in self.left if (entry[1] >= lack).all()]
        givers = []
        for move, rest in enough[:1] or self.left:
            given = np.minimum(lack, rest)
            if given.any():
                givers.append(move)
                lack -= given
                rest -= given
        if lack.any():
            raise ValueError("the moves are in no legal order: one has no room although all before it have ended")
        return givers
