"""Nodes that agree in everything a check looks at are one class, and are asked once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drover.facts.kubevirt import HOSTNAME
from drover.facts.node import Node
from drover.planning.site.topology import Topology

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """The class of each node, and one node of each class."""

    of: Sequence[int]
    examples: Sequence[int]


@dataclass(slots=True)
class NodeClasses:
    """The classes of the nodes by conditions, taints and some of their labels."""

    topology: Topology
    answers: dict[object, NDArray[np.int8]] = field(default_factory=dict)
    """What the node checks said, by class and by what of it they look at: nodes of a fleet do not change."""
    _base: Ids | None = None
    _known: dict[tuple[frozenset[str], bool], Classes] = field(default_factory=dict)

    def divide(self, keys: frozenset[str], *, by_name: bool = False) -> Classes:
        """The classes for checks that look at these labels, or at names."""
        if (keys, by_name) not in self._known:
            self._known[keys, by_name] = self._divide(sorted(keys)) if not by_name else self._each()
        return self._known[keys, by_name]

    def _each(self) -> Classes:
        everybody = range(len(self.topology.nodes))
        return Classes(everybody, everybody)

    def _divide(self, keys: Iterable[str]) -> Classes:
        ids = self._conditions()
        for key in keys:
            domains = self.topology.domains(key)
            # Numbered anew each time, so that the product stays small whatever the number of labels.
            ids = _numbered(ids * (len(domains.names) + 1) + domains.of + 1)
        _, examples, of = np.unique(ids, return_index=True, return_inverse=True)
        return Classes(of.tolist(), examples.tolist())

    def _conditions(self) -> Ids:
        if self._base is None:
            numbers: dict[object, int] = {}
            seen = [numbers.setdefault(_condition(node), len(numbers)) for node in self.topology.nodes]
            self._base = np.array(seen, dtype=np.int64)
        return self._base


def _numbered(ids: Ids) -> Ids:
    _, result = np.unique(ids, return_inverse=True)
    return result.astype(np.int64)


def _condition(node: Node) -> object:
    """What the checks look at beside labels."""
    fit = node.usable_by_kubevirt, node.silent, node.networked, node.ready, node.cordoned, node.pressure()
    return *fit, node.spec.taints, HOSTNAME in node.labels, node.namesakes
