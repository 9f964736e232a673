"""The nodes divided into domains by a label: zones, racks, hosts."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drover.facts.node import Node

Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Domains:
    """int[nodes]: the domain of each node, and the names of the domains in their order.

    Nodes without the label are in the domain -1. An array over the domains has one place more, at the end, which is
    theirs: so -1 finds it.
    """

    key: str
    of: NDArray[np.int64]
    names: tuple[str, ...]
    numbers: Sequence[int]
    """The same as `of`, for whoever asks of one node."""

    _order: NDArray[np.int64]
    _starts: Sequence[int]
    """The nodes sorted by domain, and where each domain begins among them."""

    def nodes(self, domain: int) -> NDArray[np.int64]:
        """The nodes of a domain."""
        return self._order[self._starts[domain] : self._starts[domain + 1]]

    def zeros(self) -> Counts:
        return np.zeros(len(self.names) + 1, dtype=np.int64)

    @property
    def has(self) -> Mask:
        """bool[nodes]: which have the label."""
        result: Mask = self.of >= 0
        return result


@dataclass(slots=True)
class Topology:
    """The domains of every label that somebody asked about."""

    nodes: Sequence[Node]
    _known: dict[str, Domains] = field(default_factory=dict)

    def domains(self, key: str) -> Domains:
        if key not in self._known:
            values = [node.labels.get(key) for node in self.nodes]
            names = tuple(sorted({value for value in values if value is not None}))
            numbers = {name: n for n, name in enumerate(names)}
            self._known[key] = _domains(key, names, [-1 if value is None else numbers[value] for value in values])
        return self._known[key]


def _domains(key: str, names: tuple[str, ...], numbers: Sequence[int]) -> Domains:
    of = np.array(numbers, dtype=np.int64)
    order = np.argsort(of, kind="stable")
    starts = np.searchsorted(of[order], np.arange(len(names) + 1))
    return Domains(key, of, names, numbers, order, starts.tolist())
