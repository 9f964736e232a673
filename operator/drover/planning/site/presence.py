"""Where pods that are meant by a term of affinity are, kept as VMs come and go."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from drover.planning.demand.terms import Term
from drover.planning.site.topology import Domains, Mask

FEW = 16
"""So many domains are taken out of an array one by one; more at once."""


@dataclass(slots=True, eq=False)
class Presence:
    """How many places of the pods that are meant are in each domain where any are: few, of thousands. `whole`: both
    hosts of a moving VM count."""

    domains: Domains
    whole: bool
    counts: dict[int, int] = field(default_factory=dict)
    _where: set[int] = field(default_factory=set)
    """The domains with one, kept as it changes: a large group may be in every one of them."""
    _some: Mask | None = None
    """bool[domains]: the same, once somebody asks for it."""

    def put(self, places: Iterable[int], change: int) -> None:
        for place in places:
            domain = self.domains.numbers[place]
            before = self.counts.get(domain, 0)
            self.counts[domain] = before + change
            if domain >= 0 and (before > 0) != (before + change > 0):
                self._mark(domain, there=before + change > 0)

    def _mark(self, domain: int, *, there: bool) -> None:
        self._where.symmetric_difference_update((domain,))
        if self._some is not None:
            self._some[domain] = there

    def anywhere(self) -> bool:
        """Whether one is in any domain."""
        return bool(self._where)

    def at(self, node: int) -> bool:
        """Whether one is in the node's domain."""
        return self.domains.numbers[node] in self._where

    def present(self) -> Mask:
        """bool[nodes]: whether one is in the node's domain."""
        if self._some is None:
            self._some = np.zeros(len(self.domains.names) + 1, dtype=np.bool_)
            self._some[list(self._where)] = True
        result: Mask = self._some[self.domains.of]
        return result

    def bar(self, nodes: Mask) -> None:
        """Take the nodes out in whose domain one is."""
        if len(self._where) > FEW:
            nodes &= ~self.present()
            return
        for domain in self._where:
            nodes[self.domains.nodes(domain)] = False


@dataclass(slots=True, eq=False)
class Repelling:
    """Terms found by a label that those they mean must have; the others have to be looked at one by one."""

    labelled: dict[tuple[str, str], list[tuple[Term, Presence]]] = field(default_factory=dict)
    others: list[tuple[Term, Presence]] = field(default_factory=list)

    def add(self, term: Term, counted: Presence) -> None:
        exact = next((each for each in term.selector if each.operator == "In"), None)
        if exact is None:
            self.others.append((term, counted))
            return
        for value in dict.fromkeys(exact.values):
            self.labelled.setdefault((exact.key, value), []).append((term, counted))

    def of(self, labels: Mapping[str, str]) -> Iterator[tuple[Term, Presence]]:
        """Those that may mean who has these labels."""
        for item in labels.items():
            yield from self.labelled.get(item, ())
        yield from self.others
