"""Who wants to be beside whom: pod affinity, anti-affinity in both directions."""

import copy
from random import Random

from tests.integration.planning.fleets.bystanders import bystanders, ending
from tests.integration.planning.fleets.draft import HOSTNAME, NAMESPACES, RACK, VM, ZONE, Draft, Object

KEYS = (HOSTNAME, ZONE, RACK)
_VALUES = {"app": ("web", "db", "cache"), "tier": ("gold", "silver")}
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def own_pods(draft: Draft) -> None:
    """Pods that earlier migrations of a VM have left on other nodes: ending, or done.

    None that goes on: to spread it would be one pod more for the scheduler, and the same VM for a plan.
    """
    _share_hostnames(draft)
    names = [node["metadata"]["name"] for node in draft.nodes]
    for vm in draft.vms:
        if draft.chance(0.8):
            for number, node in enumerate(draft.rng.sample(names, draft.rng.randrange(1, len(names) // 2))):
                if node != vm.source:
                    _leave(draft, vm, f"virt-launcher-{vm.name}-{number}", node)


def _share_hostnames(draft: Draft) -> None:
    """Some nodes have the hostname label of another, and some have none."""
    for node in draft.nodes:
        if draft.chance(0.15):
            node["metadata"]["labels"][HOSTNAME] = draft.rng.choice(draft.nodes)["metadata"]["name"]
        if draft.chance(0.1):
            node["metadata"]["labels"].pop(HOSTNAME, None)


def _leave(draft: Draft, vm: VM, name: str, node: str) -> None:
    left = copy.deepcopy(vm.launcher)
    left["metadata"]["name"] = name
    left["spec"]["nodeName"] = node
    left["status"] = {"phase": draft.rng.choices(("Running", "Succeeded", "Failed"), (4, 1, 1))[0]}
    draft.pods.append(left)
    draft.terminating.add((vm.namespace, name))


def affinity(draft: Draft) -> None:
    """VMs want to be where certain pods are."""
    lose_labels(draft, 0.1)
    ending(draft)
    for vm in draft.vms:
        if draft.chance(0.8):
            _want(vm.launcher, "podAffinity", [_term(draft, wide=True) for _ in range(few(draft.rng))])


def anti_affinity(draft: Draft) -> None:
    """VMs shun the places of certain pods, and are shunned by each other for the same reason."""
    lose_labels(draft, 0.1)
    for vm in draft.vms:
        if draft.chance(0.6):
            _want(vm.launcher, "podAntiAffinity", [_term(draft, wide=False) for _ in range(few(draft.rng))])


def symmetry(draft: Draft) -> None:
    """Other pods shun VMs; a VM that asks for nothing is refused."""
    lose_labels(draft, 0.1)
    for pod in draft.pods:
        if draft.chance(0.6):
            _want(pod, "podAntiAffinity", [_term(draft, wide=False) for _ in range(few(draft.rng))])
    bystanders(draft)
    ending(draft)


def lose_labels(draft: Draft, share: float) -> None:
    """Some nodes are in no rack or zone, and are no domain of it; and some are in one that has no name."""
    for node in draft.nodes:
        for key, less in ((ZONE, 1), (RACK, 1), (HOSTNAME, 3)):
            if draft.chance(share / less):
                node["metadata"]["labels"].pop(key, None)
            elif draft.chance(share / 3):
                node["metadata"]["labels"][key] = ""


def _want(pod: Object, kind: str, terms: list[Object]) -> None:
    pod["spec"].setdefault("affinity", {})[kind] = {_REQUIRED: terms}


def few(rng: Random) -> int:
    return rng.choices((1, 2), (4, 1))[0]


def _term(draft: Draft, wide: bool) -> Object:
    """A `wide` term has rather a zone than a host as its place."""
    rng = draft.rng
    term: Object = {"topologyKey": rng.choices(KEYS, (1, 3, 2) if wide else (5, 1, 1))[0]}
    selector = pod_selector(rng)
    if selector is not None:
        term["labelSelector"] = selector
        if rng.random() < 0.15:
            term["matchLabelKeys"] = ["version"]
        if rng.random() < 0.15:
            term["mismatchLabelKeys"] = ["rev"]
    if rng.random() < 0.3:
        term["namespaces"] = rng.sample(NAMESPACES, rng.randrange(1, 3))
    if rng.random() < 0.5:
        term["namespaceSelector"] = _namespace_selector(rng)
    return term


def pod_selector(rng: Random) -> Object | None:
    """None, which matches nothing, and {}, which matches everything, are among them."""
    draw = rng.random()
    if draw < 0.03:
        return None
    if draw < 0.06:
        return {}
    key = rng.choice(list(_VALUES))
    if draw < 0.6:
        return {"matchLabels": {key: rng.choice(_VALUES[key])}}
    return {"matchExpressions": [_requirement(rng, key)]}


def _requirement(rng: Random, key: str) -> Object:
    operator = rng.choice(("In", "NotIn", "Exists", "DoesNotExist"))
    if operator in ("Exists", "DoesNotExist"):
        return {"key": key, "operator": operator}
    pool = _VALUES[key]
    return {"key": key, "operator": operator, "values": rng.sample(pool, rng.randrange(1, len(pool)))}


def _namespace_selector(rng: Random) -> Object:
    chosen: Object = rng.choice(
        (
            {},
            {"matchLabels": {"team": rng.choice("xyz")}},
            {"matchLabels": {"kubernetes.io/metadata.name": rng.choice(NAMESPACES)}},
            {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": [rng.choice("xyz")]}]},
        )
    )
    return chosen
