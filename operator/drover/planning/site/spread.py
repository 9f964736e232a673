"""Does a move keep the VM's topology spread? The end state is judged: every VM counts once, where it will be.

A migration is pinned to one node, so the scheduler sees one eligible node and checks no skew. What it leaves out is
asked here, by its own rules (kube-scheduler podtopologyspread/filtering.go) but for the VM's own pod, which is not
counted where it leaves. A skew that is too large already may stay as it is, but must not grow.
"""

from dataclasses import dataclass, field

import numpy as np

from drover.facts.node import Node
from drover.facts.selector import includes, untolerated
from drover.planning.demand.vmclass import Spread, VMClass
from drover.planning.site.nodeclass import NodeClasses
from drover.planning.site.population import Occupant, Population
from drover.planning.site.topology import Counts, Domains, Mask


@dataclass(slots=True, eq=False)
class Counted:
    """One constraint over all nodes. `looked_at` says which nodes the constraint looks at, `known` which domains have
    one of those, `pods` how many are in each domain. `members` are the numbers of all that it counts."""

    rule: Spread
    domains: Domains
    looked_at: Mask
    known: Mask
    pods: Counts
    members: list[int] = field(default_factory=list)

    def put(self, node: int | None, change: int) -> None:
        if node is not None and self.looked_at[node]:
            self.pods[self.domains.of[node]] += change

    def allowed(self, source: int | None) -> Mask:
        """bool[nodes]: where a VM may go that is counted on the node `source` now."""
        result: Mask = self.bearable(self.others(source), source)[self.domains.of]
        return result

    def bearable(self, others: Counts, source: int | None) -> Mask:
        """bool[domains]: where it may go with so many others in each. What was too much may stay as much, but only for
        a VM that was counted: one that was not, on a cordoned node with taints honored, is one more."""
        fine: Mask = others + self.rule.matches_itself - self.least(others) <= self.rule.max_skew
        of = self.domains.of
        if source is not None and self.looked_at[source]:
            fine |= others <= others[of[source]]
        fine[-1] = False
        return fine

    def unharmed(self, home: int | None) -> Mask:
        """bool[nodes]: where a VM that is counted on the node `home` may go so that the skew, whosever it is, stays as
        large as is allowed or as it is."""
        others = self._without(home)
        most, known = np.maximum(others[:-1].max(initial=0), others + 1), np.flatnonzero(self.known)
        least = np.full(len(others), self.least(others))
        if known.size >= max(1, self.rule.min_domains):
            lowest = known[others[known] == least[0]]
            if lowest.size == 1:
                rest = others[known[known != lowest[0]]]
                least[lowest[0]] = min(least[0] + 1, int(rest.min(initial=least[0] + 1)))
        skew = most - least
        skew[-1] = others[:-1].max(initial=0) - self.least(others)
        fine: Mask = skew <= max(self.rule.max_skew, self._skew(self.pods))
        return np.where(self.looked_at, fine[self.domains.of], fine[-1])

    def _skew(self, pods: Counts) -> int:
        return int(pods[:-1].max(initial=0)) - self.least(pods)

    def _without(self, home: int | None) -> Counts:
        """int[domains]: the pods without one that is counted."""
        others = self.pods.copy()
        if home is not None and self.looked_at[home]:
            others[self.domains.of[home]] -= 1
        return others

    def words(self, node: int, source: int | None) -> str:
        """Why not that node, in words that follow "the node"."""
        domain, rule = int(self.domains.of[node]), self.rule
        if domain < 0:
            return f"lacks the label {rule.key}, by which the VM is spread"
        others = self.others(source)
        skew = int(others[domain]) + rule.matches_itself - self.least(others)
        where = f"{rule.key}={self.domains.names[domain]}"
        return f"would break the VM's topology spread: a skew of {skew} in {where}, where {rule.max_skew} is allowed"

    def others(self, source: int | None) -> Counts:
        """int[domains]: the pods without the VM's own."""
        mine = self.rule.selector and self.rule.matches_itself
        return self._without(source if mine else None)

    def least(self, others: Counts) -> int:
        known = others[:-1][self.known]
        return int(known.min()) if known.size >= max(1, self.rule.min_domains) else 0


@dataclass(slots=True)
class Spreading:
    """Who is where in the end, as placement proceeds. Nothing is counted before a VM with a constraint asks."""

    classes: NodeClasses
    population: Population
    _homes: dict[int, int] = field(default_factory=dict)
    """Where VMs are counted that were given a target."""
    _asked: dict[object, list[Counted]] = field(default_factory=dict)
    _concerned: dict[int, list[Counted]] = field(default_factory=dict)

    def copy(self) -> "Spreading":
        """The same, to go on independently."""
        return Spreading(self.classes, self.population, dict(self._homes))

    def move(self, uid: str, target: int) -> None:
        """From now on the VM counts on the target."""
        self._set(uid, target)

    def stay(self, uid: str) -> None:
        """From now on the VM counts where it is."""
        self._set(uid, None)

    def _set(self, uid: str, target: int | None) -> None:
        n = self.population.number.get(uid)
        if n is None:
            return
        before = self._home(n)
        if target is None:
            self._homes.pop(n, None)
        else:
            self._homes[n] = target
        after = self._home(n)
        for counted in self._concerned.get(n, ()):
            counted.put(before, -1)
            counted.put(after, 1)

    def allowed(self, vm: Occupant, vm_class: VMClass) -> Mask:
        """bool[nodes]: where the VM may go without breaking a constraint of its own."""
        result = np.ones(len(self.classes.topology.nodes), dtype=np.bool_)
        for counted in self.constraints(vm_class):
            result &= counted.allowed(self.counted_on(vm))
        return result

    def refuses(self, vm: Occupant, vm_class: VMClass, node: int) -> str | None:
        """Why the VM may not go to this node, in words that follow "the node": the first constraint that forbids it."""
        for counted in self.constraints(vm_class):
            source = self.counted_on(vm)
            if not counted.allowed(source)[node]:
                return counted.words(node, source)
        return None

    def unharmed(self, vm: Occupant) -> Mask | None:
        """bool[nodes]: where the VM breaks no constraint that counts it, of those asked about so far: other VMs' as
        well, whom the scheduler does not ask. None: anywhere."""
        n = self.population.number.get(vm.uid)
        concerned = self._concerned.get(n, ()) if n is not None else ()
        if n is None or not concerned:
            return None
        result = np.ones(len(self.classes.topology.nodes), dtype=np.bool_)
        for counted in concerned:
            result &= counted.unharmed(self._home(n))
        return result

    def counted_on(self, vm: Occupant) -> int | None:
        """The node where the VM itself is counted: VMs of a class that agree in it get the same answers."""
        n = self.population.number.get(vm.uid)
        return self._home(n) if n is not None else None

    def target(self, uid: str) -> int | None:
        """The node it was given."""
        n = self.population.number.get(uid)
        return self._homes.get(n) if n is not None else None

    def _home(self, n: int) -> int | None:
        return self._homes.get(n, self.population.occupants[n].home)

    def constraints(self, vm_class: VMClass) -> list[Counted]:
        """The constraints of a class, counted when it is asked about for the first time."""
        if not vm_class.spread:
            return []
        key = (vm_class.spread, vm_class.node_selector, vm_class.affinity, vm_class.tolerations)
        if key not in self._asked:
            self._asked[key] = [self._count(rule, vm_class) for rule in vm_class.spread]
        return self._asked[key]

    def _count(self, rule: Spread, vm_class: VMClass) -> Counted:
        domains = self.classes.topology.domains(rule.key)
        looked_at = self._looked_at(rule, vm_class)
        known = np.zeros(len(domains.names), dtype=np.bool_)
        known[domains.of[looked_at]] = True
        result = Counted(rule, domains, looked_at, known, domains.zeros())
        namespace = frozenset({rule.namespace})
        for n in self.population.matching(namespace, rule.selector) if rule.selector else ():
            result.put(self._home(n), 1)
            result.members.append(n)
            self._concerned.setdefault(n, []).append(result)
        return result

    def _looked_at(self, rule: Spread, vm_class: VMClass) -> Mask:
        """bool[nodes], asked once per class of nodes."""
        keys = vm_class.label_keys | {each.key for each in vm_class.spread}
        divided = self.classes.divide(keys, by_name=vm_class.fields)
        nodes = self.classes.topology.nodes
        said = np.array([_looks_at(rule, vm_class, nodes[n]) for n in divided.examples], dtype=np.bool_)
        result: Mask = said[divided.of]
        return result


def _looks_at(rule: Spread, vm_class: VMClass, node: Node) -> bool:
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
