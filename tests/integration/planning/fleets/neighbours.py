"""Who wants to be beside whom: pod affinity, anti-affinity in both directions, topology spread."""

import copy
from random import Random

from tests.integration.planning.fleets.bystanders import bystanders
from tests.integration.planning.fleets.draft import HOSTNAME, NAMESPACES, RACK, VM, ZONE, Draft, Object

_KEYS = (HOSTNAME, ZONE, RACK)
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
    _lose_labels(draft, 0.1)
    for vm in draft.vms:
        if draft.chance(0.8):
            _want(vm.launcher, "podAffinity", [_term(draft, wide=True) for _ in range(_few(draft.rng))])


def anti_affinity(draft: Draft) -> None:
    """VMs shun the places of certain pods, and are shunned by each other for the same reason."""
    _lose_labels(draft, 0.1)
    for vm in draft.vms:
        if draft.chance(0.6):
            _want(vm.launcher, "podAntiAffinity", [_term(draft, wide=False) for _ in range(_few(draft.rng))])


def symmetry(draft: Draft) -> None:
    """Other pods shun VMs; a VM that asks for nothing is refused."""
    _lose_labels(draft, 0.1)
    for pod in draft.pods:
        if draft.chance(0.6):
            _want(pod, "podAntiAffinity", [_term(draft, wide=False) for _ in range(_few(draft.rng))])
    bystanders(draft)


def _lose_labels(draft: Draft, share: float) -> None:
    """Some nodes are in no rack or zone, and are no domain of it."""
    for node in draft.nodes:
        for key in (ZONE, RACK):
            if draft.chance(share):
                node["metadata"]["labels"].pop(key, None)


def _want(pod: Object, kind: str, terms: list[Object]) -> None:
    pod["spec"].setdefault("affinity", {})[kind] = {_REQUIRED: terms}


def _few(rng: Random) -> int:
    return rng.choices((1, 2), (4, 1))[0]


def _term(draft: Draft, wide: bool) -> Object:
    """A `wide` term has rather a zone than a host as its place."""
    rng = draft.rng
    term: Object = {"topologyKey": rng.choices(_KEYS, (1, 3, 2) if wide else (5, 1, 1))[0]}
    selector = _selector(rng)
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


def _selector(rng: Random) -> Object | None:
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


def spread(draft: Draft) -> None:
    """VMs are to be spread over hosts, zones or racks, where taints and nodeSelectors hide some of the nodes.

    The launcher pods of these VMs are ending, and so counted by nobody: the scheduler would count a VM where it leaves
    and where it arrives, while a plan is judged by its end.
    """
    _lose_labels(draft, 0.1)
    _hide_nodes(draft)
    for _ in range(5 * len(draft.nodes)):
        if draft.chance(1):
            draft.add_pod()
    for vm in draft.vms:
        if draft.chance(0.9):
            _spread(draft, vm, [_constraint(draft.rng, key) for key in draft.rng.sample(_KEYS, _few(draft.rng))])


def spread_of_all(draft: Draft) -> None:
    """An empty selector matches every pod, yet kube-scheduler counts none for it (podtopologyspread/common.go)."""
    _lose_labels(draft, 0.3)
    _hide_nodes(draft)
    for vm in draft.vms:
        if draft.chance(0.6):
            _spread(draft, vm, [{**_constraint(draft.rng, draft.rng.choice((ZONE, RACK))), "labelSelector": {}}])


def _hide_nodes(draft: Draft) -> None:
    """From nodeSelectors or by a taint: single nodes, and all nodes of a zone or a rack."""
    rng = draft.rng
    outside, tainted = rng.sample(("z1", "z2", "z3", "r1", "r2", "r3"), 2)
    for node in draft.nodes:
        labels = node["metadata"]["labels"]
        places = {labels.get(ZONE), labels.get(RACK)}
        labels["pool"] = "b" if rng.random() < 0.15 or outside in places else "a"
        if draft.chance(0.1) or (draft.dose == 1 and tainted in places):
            node["spec"]["taints"].append({"key": "pool", "effect": "NoSchedule"})


def _spread(draft: Draft, vm: VM, constraints: list[Object]) -> None:
    vm.launcher["spec"]["topologySpreadConstraints"] = constraints
    draft.terminating.add((vm.namespace, vm.launcher["metadata"]["name"]))
    if draft.rng.random() < 0.3:
        vm.select("pool", "a")
    if draft.rng.random() < 0.3:
        vm.launcher["spec"].setdefault("tolerations", []).append({"key": "pool", "operator": "Exists"})


def _constraint(rng: Random, key: str) -> Object:
    selector = _selector(rng)
    if not selector:
        selector = {"matchLabels": {"app": "web"}}
    drawn: Object = {
        "topologyKey": key,
        "maxSkew": rng.choices((1, 2, 3), (6, 2, 1))[0],
        "whenUnsatisfiable": rng.choices(("DoNotSchedule", "ScheduleAnyway"), (6, 1))[0],
        "labelSelector": selector,
    }
    if drawn["whenUnsatisfiable"] == "DoNotSchedule" and rng.random() < 0.5:
        drawn["minDomains"] = rng.randrange(1, 9)
    for policy in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        if rng.random() < 0.5:
            drawn[policy] = rng.choice(("Honor", "Ignore"))
    if rng.random() < 0.2:
        drawn["matchLabelKeys"] = rng.sample(("version", "rev"), rng.randrange(1, 3))
    return drawn


def unspread(pod: Object) -> Object:
    """The same pod without its constraints: what it is refused now, it is refused for another reason."""
    spec = {key: value for key, value in pod["spec"].items() if key != "topologySpreadConstraints"}
    return {**pod, "spec": spec}
