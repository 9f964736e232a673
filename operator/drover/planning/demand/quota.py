"""Is there quota for a target pod beside the running one? While a VM moves its namespace pays for it twice.

kubernetes pkg/quota/v1/evaluator/core/pods.go: requests *and* limits count, and pods that have not ended.
"""

from collections.abc import Iterable, Mapping

from drover.facts.index import Index
from drover.facts.namespace import ResourceQuota, ScopedRequirement
from drover.facts.pod import Pod
from drover.facts.podspec import PodAffinity
from drover.facts.quantity import Resources, human, millis, total, units
from drover.facts.requests import asked, limited

MIGRATIONS = "count/virtualmachineinstancemigrations.kubevirt.io"
_NATIVE = ("cpu", "memory", "ephemeral-storage")
_CPU = ("cpu", "requests.cpu", "limits.cpu")


def exceeded(pods: Iterable[Pod], namespace: str, index: Index) -> str | None:
    """Which quota of the namespace a migration that makes these pods would exceed and by how much, in words; None if
    there is none."""
    charges = [(pod, usage(pod)) for pod in pods]
    for quota in sorted(index.quotas.get(namespace, ()), key=lambda each: each.metadata.name):
        counted = (charge for pod, charge in charges if in_scope(pod, quota))
        words = _short(quota, total([{MIGRATIONS: 1}, *counted]))
        if words:
            return f"the quota {quota.metadata.name} lacks {words} for a second pod of it"
    return None


def usage(pod: Pod) -> Resources:
    """What a pod is charged for, by the names that quotas use."""
    requests, limits = asked(pod.spec), limited(pod.spec)
    charged = {"pods": 1, "count/pods": 1}
    for name, amount in requests.items():
        if name in _NATIVE or name.startswith("hugepages-"):
            charged[name] = amount
        if name != "pods":
            charged[f"requests.{name}"] = amount
    return charged | {f"limits.{name}": amount for name, amount in limits.items() if name in _NATIVE}


def in_scope(pod: Pod, quota: ResourceQuota) -> bool:
    """Whether the quota charges for launcher pods like this one, which have requests and no deadline."""
    scopes = [ScopedRequirement(scope_name=name, operator="Exists") for name in quota.spec.scopes]
    selector = quota.spec.scope_selector
    return all(_matches(pod, each) for each in (*scopes, *(selector.match_expressions if selector else ())))


def _matches(pod: Pod, scope: ScopedRequirement) -> bool:
    match scope.scope_name:
        case "NotTerminating" | "NotBestEffort":
            return True
        case "PriorityClass":
            return _in_class(pod.spec.priority_class_name, scope)
        case "CrossNamespacePodAffinity":
            return _looks_abroad(pod)
    return False


def _in_class(name: str, scope: ScopedRequirement) -> bool:
    match scope.operator:
        case "In":
            return name in scope.values
        case "NotIn":
            return name not in scope.values
        case "Exists":
            return bool(name)
        case "DoesNotExist":
            return not name
    return False


def _looks_abroad(pod: Pod) -> bool:
    affinity = pod.spec.affinity
    kinds: Iterable[PodAffinity | None] = (affinity.pod_affinity, affinity.pod_anti_affinity) if affinity else ()
    terms = (term for kind in kinds if kind is not None for term in kind.required)
    return any(term.namespaces or term.namespace_selector is not None for term in terms)


def _short(quota: ResourceQuota, wanted: Mapping[str, int]) -> str:
    for name in sorted(quota.status.hard):
        if wanted.get(name, 0) <= 0:
            continue
        left = _amount(name, quota.status.hard[name]) - _amount(name, quota.status.used.get(name, "0"))
        if wanted[name] > left:
            return f"{human(_plain(name), wanted[name] - max(0, left))} of {name}"
    return ""


def _amount(name: str, text: str) -> int:
    return millis(text) if name in _CPU else units(text)


def _plain(name: str) -> str:
    return name.removeprefix("requests.").removeprefix("limits.")
