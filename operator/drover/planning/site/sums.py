"""What pods take on nodes, summed up by kinds: most pods of a fleet request the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from drover.planning.demand.vmclass import GUEST_MEMORY
from drover.planning.site.fleet import MOST, Amounts, table


@dataclass(slots=True)
class Sums:
    """Over `nodes` nodes and the resources `names`; what no node offers is nobody's loss."""

    nodes: int
    names: tuple[str, ...]
    _kinds: dict[int, int] = field(default_factory=dict)
    """By identity: pods that request the same mostly share it (`facts.requests.asked`)."""
    _requests: list[Mapping[str, int]] = field(default_factory=list)
    _entries: list[tuple[int, int, int]] = field(default_factory=list)

    def add(self, node: int, requests: Mapping[str, int], guest: int) -> None:
        """A pod on a node, and the bytes of GUEST_MEMORY it is counted with."""
        kind = self._kinds.setdefault(id(requests), len(self._requests))
        if kind == len(self._requests):
            self._requests.append(requests)
        self._entries.append((node, kind, max(-MOST, min(MOST, guest))))

    def table(self) -> Amounts:
        """int64[nodes, names]. Exact below 2^53, a thousand times what any node has; no more than MOST."""
        entries = np.array(self._entries, dtype=np.float64).reshape(len(self._entries), 3)
        node, kind = entries[:, 0].astype(np.int64), entries[:, 1].astype(np.int64)
        each = table(self._requests, self.names)[kind].astype(np.float64)
        if GUEST_MEMORY in self.names:
            each[:, self.names.index(GUEST_MEMORY)] = entries[:, 2]
        sums = [np.bincount(node, column, self.nodes) for column in each.T]
        whole = np.array(sums, dtype=np.float64).reshape(len(self.names), self.nodes).T
        return np.ascontiguousarray(np.clip(whole, -MOST, MOST).astype(np.int64))
