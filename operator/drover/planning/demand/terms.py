"""Required affinity and anti-affinity between pods, resolved: which pods a term means, and over which domains.

Rules: kube-scheduler framework/types.go (newAffinityTerm, getNamespacesFromPodAffinityTerm) and
plugins/interpodaffinity.
"""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from drover.facts.kubevirt import HOSTNAME
from drover.facts.namespace import Namespace
from drover.facts.pod import CREATED_BY
from drover.facts.podspec import Affinity, PodAffinity, PodAffinityTerm
from drover.facts.selector import LabelSelector, Requirement
from drover.facts.wire import Key

Labels = Mapping[str, str]


class Term(msgspec.Struct, frozen=True, cache_hash=True):
    """Pods in these namespaces (None: in all) that satisfy every requirement; together or apart by a node label.

    `none` is the selector that matches nothing: what an absent label selector means.
    """

    key: str
    namespaces: frozenset[str] | None
    selector: tuple[Requirement, ...]
    none: bool = False

    def means(self, namespace: str, labels: Labels) -> bool:
        """Whether a pod is one of those."""
        if self.none or (self.namespaces is not None and namespace not in self.namespaces):
            return False
        return all(requirement.matches(labels) for requirement in self.selector)


class Bonds(msgspec.Struct, frozen=True):
    """What a pod requires of other pods: to have them near, and not to have them near."""

    near: tuple[Term, ...] = ()
    apart: tuple[Term, ...] = ()


ALONE = Bonds()


def bonds(
    affinity: Affinity | None,
    namespace: str,
    labels: Labels,
    namespaces: Mapping[Key, Namespace],
    *,
    incoming: bool = False,
) -> Bonds:
    """The terms of a pod with these labels in this namespace; `incoming`: of one that asks for a node."""
    if affinity is None or (affinity.pod_affinity is None and affinity.pod_anti_affinity is None):
        return ALONE
    return Bonds(
        _terms(affinity.pod_affinity, namespace, labels, namespaces, incoming),
        _terms(affinity.pod_anti_affinity, namespace, labels, namespaces, incoming),
    )


def _terms(
    required: PodAffinity | None, namespace: str, labels: Labels, namespaces: Mapping[Key, Namespace], incoming: bool
) -> tuple[Term, ...]:
    if required is None:
        return ()
    return tuple(
        [
            _term(
                each.topology_key,
                _namespaces(each, namespace, namespaces, incoming),
                _selector(each, labels),
                each.label_selector is None,
            )
            for each in required.required
            if not _is_for_itself(each)
        ]
    )


@lru_cache(maxsize=4096)
def _term(key: str, namespaces: frozenset[str] | None, selector: tuple[Requirement, ...], none: bool) -> Term:
    """Made once: many pods of a fleet say the same, and what is the same object need not be compared."""
    return Term(key, namespaces, selector, none)


def _is_for_itself(term: PodAffinityTerm) -> bool:
    """KubeVirt keeps a target pod off the nodes with other pods of its VM (template.go, RenderMigrationManifest). Ours
    to keep without counting: there are as many such terms as VMs that were ever migrated."""
    selector = term.label_selector
    if selector is None or term.topology_key != HOSTNAME:
        return False
    if not selector.match_expressions and CREATED_BY not in selector.match_labels:
        return False
    keys = {*selector.match_labels, *(each.key for each in selector.match_expressions)}
    return keys == {CREATED_BY}


def _namespaces(
    term: PodAffinityTerm, own: str, known: Mapping[Key, Namespace], incoming: bool
) -> frozenset[str] | None:
    """An empty selector is every namespace. So is, for a pod that asks, one that would select a namespace without any
    labels: kube-scheduler means to look the namespaces up beforehand, but does so on a copy of the term, and then
    matches its selector against no labels (1.36, interpodaffinity mergeAffinityTermNamespacesIfNotEmpty)."""
    selector = term.namespace_selector
    if selector is None:
        return frozenset(term.namespaces or (own,))
    if not selector.match_labels and not selector.match_expressions:
        return None
    if incoming and selector.matches({}):
        return None
    selected = (n.metadata.name for n in known.values() if selector.matches(n.metadata.labels))
    return frozenset((*term.namespaces, *selected))


def _selector(term: PodAffinityTerm, labels: Labels) -> tuple[Requirement, ...]:
    """With the keys that stand for the pod's own values. The API server has merged them into a pod's selector already,
    and saying it twice changes nothing; in a VM's spec they are as they were written."""
    selector = term.label_selector or LabelSelector()
    if not term.match_label_keys and not term.mismatch_label_keys:
        return selector.requirements()
    same = (_own(key, "In", labels) for key in term.match_label_keys if key in labels)
    other = (_own(key, "NotIn", labels) for key in term.mismatch_label_keys if key in labels)
    merged = {*selector.requirements(), *same, *other}
    return tuple(sorted(merged, key=lambda r: (r.key, r.operator, r.values)))


def _own(key: str, operator: str, labels: Labels) -> Requirement:
    return Requirement(key=key, operator=operator, values=(labels[key],))
