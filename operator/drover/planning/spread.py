"""Does a move keep the VM's topology spread? The end state is judged: every VM counts once, where it will be.

A migration is pinned to one node, so the scheduler sees one eligible node and checks no skew. What it leaves out is
asked here, by its own rules (kube-scheduler podtopologyspread/filtering.go) but for the VM's own pod, which is not
counted where it leaves. A skew that is too large already may stay as it is, but must not grow.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drover.facts.node import Node
from drover.facts.selector import includes, untolerated
from drover.planning.vmclass import Spread, VMClass


@dataclass(frozen=True, slots=True)
class Occupant:
    """A VM or another pod: the labels that are counted, and the node it is on in the end."""

    labels: Mapping[str, str]
    node: str


Occupants = Mapping[str, Mapping[str, Occupant]]
"""By namespace, then by VMI UID, or pod UID where there is no VM."""


@dataclass(slots=True)
class _Domains:
    """One constraint over all nodes. `of` is the domain of each node, -1 without the label; `counted` says which nodes
    the constraint looks at, `known` which domains have one of those, `pods` how many are in each domain."""

    rule: Spread
    names: list[str]
    of: NDArray[np.int64]
    counted: NDArray[np.bool_]
    known: NDArray[np.bool_]
    pods: NDArray[np.int64]

    def put(self, occupant: Occupant, node: int | None, change: int) -> None:
        if node is not None and self.counted[node] and self.rule.counts(occupant.labels):
            self.pods[self.of[node]] += change

    def allowed(self, source: int | None) -> NDArray[np.bool_]:
        """bool[nodes]: where a VM may go that is on the node `source` now."""
        others = self.others(source)
        fine = others + self.rule.matches_itself - self.least(others) <= self.rule.max_skew
        if source is not None and self.of[source] >= 0:
            fine |= others <= others[self.of[source]]
        result: NDArray[np.bool_] = np.append(fine, False)[self.of]
        return result

    def refusals(self, source: int | None) -> list[str | None]:
        """Why not each of the nodes, in words, as `allowed` has it."""
        allowed, others = self.allowed(source), self.others(source)
        least = self.least(others)
        words = {domain: self.words(domain, others, least) for domain in np.unique(self.of[~allowed]).tolist()}
        return [None if fine else words[n] for fine, n in zip(allowed.tolist(), self.of.tolist(), strict=True)]

    def words(self, domain: int, others: NDArray[np.int64], least: int) -> str:
        rule = self.rule
        if domain < 0:
            return f"lacks the label {rule.key}, by which the VM is spread"
        skew = int(others[domain]) + rule.matches_itself - least
        where = f"{rule.key}={self.names[domain]}"
        return f"would break the VM's topology spread: a skew of {skew} in {where}, where {rule.max_skew} is allowed"

    def others(self, source: int | None) -> NDArray[np.int64]:
        """int[domains]: the pods without the VM's own."""
        others = self.pods.copy()
        if source is not None and self.rule.matches_itself and self.counted[source]:
            others[self.of[source]] -= 1
        return others

    def least(self, others: NDArray[np.int64]) -> int:
        known = others[self.known]
        return int(known.min()) if known.size >= max(1, self.rule.min_domains) else 0


@dataclass(slots=True)
class Spreading:
    """Who is where, as placement proceeds. Nothing is counted before a VM with a constraint asks."""

    nodes: tuple[Node, ...]
    occupants: Callable[[], Occupants]
    _moved: dict[str, str] = field(default_factory=dict)
    _asked: dict[object, list[_Domains]] = field(default_factory=dict)
    _found: Occupants | None = None
    _position: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._position = {node.name: n for n, node in enumerate(self.nodes)}

    def copy(self) -> "Spreading":
        """The same, to be filled independently."""
        return Spreading(self.nodes, self.occupants, dict(self._moved), {}, self._found)

    def move(self, uid: str, target: str) -> None:
        """From now on the VM counts on the target."""
        if self._asked:
            for namespace, members in self._known().items():
                if uid in members:
                    self._recount(namespace, uid, members[uid], target)
        self._moved[uid] = target

    def allowed(self, uid: str, vm_class: VMClass) -> NDArray[np.bool_]:
        """bool[nodes]: where the VM may go without breaking a constraint of its own."""
        result = np.ones(len(self.nodes), dtype=np.bool_)
        for domains in self._domains(vm_class):
            result &= domains.allowed(self._node(domains.rule.namespace, uid))
        return result

    def refuses(self, uid: str, vm_class: VMClass, node: str) -> str | None:
        """Why the VM may not go to this node, in words that follow "the node", or None if its spread allows it."""
        target = self._position[node]
        for domains in self._domains(vm_class):
            source = self._node(domains.rule.namespace, uid)
            if not domains.allowed(source)[target]:
                return domains.refusals(source)[target]
        return None

    def refusals(self, uid: str, vm_class: VMClass) -> list[str | None]:
        """What `refuses` says of each node: the words of the first constraint that forbids it."""
        result: list[str | None] = [None] * len(self.nodes)
        for domains in self._domains(vm_class):
            words = domains.refusals(self._node(domains.rule.namespace, uid))
            result = [one or other for one, other in zip(result, words, strict=True)]
        return result

    def counted_on(self, uid: str, vm_class: VMClass) -> tuple[int | None, ...]:
        """The node where each constraint counts the VM itself: VMs of a class that agree in it get the same answers."""
        return tuple(self._node(domains.rule.namespace, uid) for domains in self._domains(vm_class))

    def _known(self) -> Occupants:
        if self._found is None:
            self._found = self.occupants()
        return self._found

    def _where(self, uid: str, occupant: Occupant) -> int | None:
        return self._position.get(self._moved.get(uid, occupant.node))

    def _node(self, namespace: str, uid: str) -> int | None:
        occupant = self._known().get(namespace, {}).get(uid)
        return self._where(uid, occupant) if occupant is not None else None

    def _recount(self, namespace: str, uid: str, occupant: Occupant, target: str) -> None:
        for each in self._asked.values():
            for domains in each:
                if domains.rule.namespace == namespace:
                    domains.put(occupant, self._where(uid, occupant), -1)
                    domains.put(occupant, self._position.get(target), 1)

    def _domains(self, vm_class: VMClass) -> list[_Domains]:
        """The constraints of a class, counted when it is asked about for the first time."""
        if not vm_class.spread:
            return []
        key = (vm_class.spread, vm_class.node_selector, vm_class.affinity, vm_class.tolerations)
        if key not in self._asked:
            known = self._known()
            self._asked[key] = [self._count(rule, vm_class, known) for rule in vm_class.spread]
        return self._asked[key]

    def _count(self, rule: Spread, vm_class: VMClass, known: Occupants) -> _Domains:
        domains = _divide(rule, vm_class, self.nodes)
        for uid, occupant in known.get(rule.namespace, {}).items():
            domains.put(occupant, self._where(uid, occupant), 1)
        return domains


def _divide(rule: Spread, vm_class: VMClass, nodes: tuple[Node, ...]) -> _Domains:
    values = [node.labels.get(rule.key) for node in nodes]
    names = sorted({value for value in values if value is not None})
    numbers = {name: n for n, name in enumerate(names)}
    of = np.array([-1 if value is None else numbers[value] for value in values], dtype=np.int64)
    counted = np.array([_is_counted(rule, vm_class, node) for node in nodes], dtype=np.bool_)
    known = np.zeros(len(names), dtype=np.bool_)
    known[of[counted]] = True
    return _Domains(rule, names, of, counted, known, np.zeros(len(names), dtype=np.int64))


def _is_counted(rule: Spread, vm_class: VMClass, node: Node) -> bool:
    """Whether the constraint looks at the node: it has every topology key of the VM, and the policies let it in."""
    if any(each.key not in node.labels for each in vm_class.spread):
        return False
    if rule.honors_affinity and not _selected(vm_class, node):
        return False
    return not rule.honors_taints or untolerated(node.spec.taints, vm_class.tolerations) is None


def _selected(vm_class: VMClass, node: Node) -> bool:
    terms = vm_class.affinity
    wanted = includes(node.labels, dict(vm_class.node_selector))
    return wanted and (not terms or any(term.matches(node.name, node.labels) for term in terms))
