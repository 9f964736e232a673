"""Does a node have the pods near that a VM requires, and none that it or they require to be apart?

kube-scheduler's InterPodAffinity (plugins/interpodaffinity/filtering.go), symmetry included: what the pods that are
there require of a newcomer counts as much as what it requires of them. The VM's own running pod is one of those that
are there.

As placement proceeds, a VM that was given a target repels and is repelled on both hosts, which is true in whatever
order the moves are made; near others it is on its target only, and who follows it has to wait until it has arrived.
Nobody is sent where one in flight still is, and would be alone in the end, but where it goes: he waits for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from drover.planning.demand.terms import Term
from drover.planning.site.population import Occupant, Population
from drover.planning.site.presence import Presence, Repelling
from drover.planning.site.topology import Mask, Topology

AFFINITY = "lacks, in its {key}, the pods that the VM requires near it"
ANTI_AFFINITY = "has pods in its {key} that the VM requires to be apart from"
SYMMETRY = "has pods in its {key} that require to be apart from the VM"
_NOBODY = Repelling()


@dataclass(slots=True)
class Neighbours:
    """Who is near whom, as placement proceeds. Nothing is counted before a VM that it concerns asks."""

    topology: Topology
    population: Population
    ahead: bool = False
    """Whether everybody counts as near where he will be: for targets, not for what the scheduler says now."""
    _target: dict[int, int] = field(default_factory=dict)
    _apart: dict[Term, Presence] = field(default_factory=dict)
    _near: dict[tuple[Term, ...], dict[str, Presence]] = field(default_factory=dict)
    _repelling: dict[str | None, Repelling] | None = None
    """What pods require to be apart from, by the namespaces they mean; None: all of them."""
    _repelled: dict[str, list[tuple[Term, Presence]]] = field(default_factory=dict)
    """What of it means a VM, by UID."""
    _found: dict[tuple[Term, ...], list[int]] = field(default_factory=dict)
    _concerned: dict[int, list[Presence]] = field(default_factory=dict)
    """What counts an occupant, by its number."""

    def allowed(self, vm: Occupant) -> Mask:
        """bool[nodes]: where the VM may go."""
        result = self._attracted(vm)
        for term in vm.bonds.apart:
            self._of_term(term).bar(result)
        for _, counted in self._repelled_by(vm):
            counted.bar(result)
        return result

    def refuses(self, vm: Occupant, node: int) -> str | None:
        """Why the VM may not go to the node, in words that follow "the node", in the scheduler's order."""
        if not self._attracted(vm)[node]:
            return AFFINITY.format(key=self._lacking(vm, node))
        for term in vm.bonds.apart:
            if self._of_term(term).at(node):
                return ANTI_AFFINITY.format(key=term.key)
        for term, counted in self._repelled_by(vm):
            if counted.at(node):
                return SYMMETRY.format(key=term.key)
        return None

    def content(self, vm: Occupant, node: int) -> bool:
        """Whether the VM has near it on the node, where it is expected, whom it requires."""
        return not vm.bonds.near or all(counted.at(node) for counted in self._of_all(vm.bonds.near).values())

    def forsaken(self) -> set[str]:
        """By UID: who has not near it where it is expected whom it requires, for they go elsewhere."""
        known = self.population.occupants
        return {known[n].uid for n, node in self._target.items() if not self.content(known[n], node)}

    def copy(self) -> "Neighbours":
        """The same, to go on independently."""
        return Neighbours(self.topology, self.population, self.ahead, dict(self._target), _found=self._found)

    def matters(self, vm: Occupant) -> bool:
        """Whether it, or anybody for its sake, requires anything of others."""
        return bool(vm.bonds.near or vm.bonds.apart or self._repelled_by(vm))

    def keys(self, vm: Occupant) -> tuple[str, ...]:
        """The node labels by which it, or others for its sake, are kept near or apart."""
        repelling = (term for term, _ in self._repelled_by(vm))
        return tuple(sorted({term.key for term in (*vm.bonds.near, *vm.bonds.apart, *repelling)}))

    def move(self, uid: str, target: int) -> None:
        """From now on the VM is on its way to the target, and to no other."""
        self._set(uid, target)

    def stay(self, uid: str) -> None:
        """From now on the VM is on its way to nowhere."""
        self._set(uid, None)

    def _set(self, uid: str, target: int | None) -> None:
        n = self.population.number.get(uid)
        if n is None or self._target.get(n) == target:
            return
        counted = self._concerned.get(n, ())
        for each in counted:
            each.put(self._places(n, each), -1)
        if target is None:
            del self._target[n]
        else:
            self._target[n] = target
        for each in counted:
            each.put(self._places(n, each), 1)

    def _places(self, n: int, counted: Presence) -> tuple[int, ...]:
        """Where it counts: what is to be apart from it looks at both hosts, who is to be near at the target alone."""
        occupant, target = self.population.occupants[n], self._target.get(n)
        if target is not None:
            return (*(place for place in occupant.places if place != target), target) if counted.whole else (target,)
        near = (occupant.home,) if self.ahead and occupant.home is not None else occupant.pods
        return occupant.places if counted.whole else near

    def meant(self, terms: tuple[Term, ...]) -> list[str]:
        """The UIDs of all that satisfy every one of these terms."""
        return [self.population.occupants[n].uid for n in self._meant(terms)]

    def _attracted(self, vm: Occupant) -> Mask:
        """Every domain must have a pod that satisfies all terms together; if there is none anywhere, a VM that
        satisfies them itself is the first of its kind and may go to any node with all the labels."""
        terms = vm.bonds.near
        result = np.ones(len(self.topology.nodes), dtype=np.bool_)
        if not terms:
            return result
        by_key = self._of_all(terms)
        for counted in by_key.values():
            result &= counted.domains.has
        if not any(counted.anywhere() for counted in by_key.values()) and self._first(terms, vm):
            return result
        for counted in by_key.values():
            result &= counted.present()
        return result

    def _first(self, terms: tuple[Term, ...], vm: Occupant) -> bool:
        """Whether the VM satisfies the terms itself, and nobody does who is in flight: he may count nowhere ahead."""
        mine = all(term.means(vm.namespace, vm.labels) for term in terms)
        return mine and not (self.ahead and any(self.population.occupants[n].in_flight for n in self._meant(terms)))

    def _lacking(self, vm: Occupant, node: int) -> str:
        by_key = self._of_all(vm.bonds.near)
        return next((key for key, counted in by_key.items() if not counted.at(node)), next(iter(by_key)))

    def _repelled_by(self, vm: Occupant) -> list[tuple[Term, Presence]]:
        if vm.uid not in self._repelled:
            if self._repelling is None:
                self._repelling = self._count_repelling()
            known = [*self._repelling.get(None, _NOBODY).of(vm.labels)]
            known += self._repelling.get(vm.namespace, _NOBODY).of(vm.labels)
            self._repelled[vm.uid] = [(term, c) for term, c in known if term.means(vm.namespace, vm.labels)]
        return self._repelled[vm.uid]

    def _count_repelling(self) -> dict[str | None, Repelling]:
        carriers: dict[Term, list[int]] = {}
        for n, occupant in enumerate(self.population.occupants):
            for term in occupant.bonds.apart:
                carriers.setdefault(term, []).append(n)
        result: dict[str | None, Repelling] = {}
        for term, who in carriers.items():
            counted = self._count(term.key, who, whole=True)
            for namespace in (None,) if term.namespaces is None else sorted(term.namespaces):
                result.setdefault(namespace, Repelling()).add(term, counted)
        return result

    def _of_term(self, term: Term) -> Presence:
        if term not in self._apart:
            self._apart[term] = self._count(term.key, self._meant((term,)), whole=True)
        return self._apart[term]

    def _of_all(self, terms: tuple[Term, ...]) -> dict[str, Presence]:
        """By topology key: the pods that satisfy every term."""
        if terms not in self._near:
            who = self._meant(terms)
            self._near[terms] = {key: self._count(key, who, whole=False) for key in sorted({t.key for t in terms})}
        return self._near[terms]

    def _meant(self, terms: tuple[Term, ...]) -> list[int]:
        if terms not in self._found:
            self._found[terms] = self._find(terms)
        return self._found[terms]

    def _find(self, terms: tuple[Term, ...]) -> list[int]:
        first, *rest = terms
        if first.none:
            return []
        found = self.population.matching(first.namespaces, first.selector)
        known = self.population.occupants
        return [n for n in found if all(term.means(known[n].namespace, known[n].labels) for term in rest)]

    def _count(self, key: str, who: Iterable[int], *, whole: bool) -> Presence:
        result = Presence(self.topology.domains(key), whole)
        for n in who:
            result.put(self._places(n, result), 1)
            self._concerned.setdefault(n, []).append(result)
        return result
