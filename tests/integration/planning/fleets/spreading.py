"""VMs that are to be spread over hosts, zones or racks."""

from random import Random

from tests.integration.planning.fleets.bystanders import ending
from tests.integration.planning.fleets.draft import RACK, VM, ZONE, Draft, Object
from tests.integration.planning.fleets.neighbours import KEYS, few, lose_labels, pod_selector

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_HIDDEN: Object = {"key": "pool", "effect": "NoSchedule"}
"""By this taint at most once: two concerns may draw it."""


def spread(draft: Draft) -> None:
    """VMs are to be spread over hosts, zones or racks, where taints and nodeSelectors hide some of the nodes.

    The launcher pods of these VMs are ending, and so counted by nobody: the scheduler would count a VM where it leaves
    and where it arrives, while a plan is judged by its end.
    """
    lose_labels(draft, 0.1)
    _hide_nodes(draft)
    for _ in range(5 * len(draft.nodes)):
        if draft.chance(1):
            draft.add_pod()
    ending(draft)
    for vm in draft.vms:
        if draft.chance(0.9):
            _spread(draft, vm, [_constraint(draft.rng, key) for key in draft.rng.sample(KEYS, few(draft.rng))])


def spread_of_all(draft: Draft) -> None:
    """An empty selector matches every pod, yet kube-scheduler counts none for it (podtopologyspread/common.go)."""
    lose_labels(draft, 0.3)
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
        hidden = draft.chance(0.1) or (draft.dose == 1 and tainted in places)
        if hidden and _HIDDEN not in node["spec"]["taints"]:
            node["spec"]["taints"].append({**_HIDDEN})


def _spread(draft: Draft, vm: VM, constraints: list[Object]) -> None:
    vm.launcher["spec"]["topologySpreadConstraints"] = constraints
    draft.terminating.add((vm.namespace, vm.launcher["metadata"]["name"]))
    if draft.rng.random() < 0.3:
        vm.select("pool", "a")
    elif draft.rng.random() < 0.3:
        _choose_nodes(draft, vm)
    if draft.rng.random() < 0.3:
        vm.launcher["spec"].setdefault("tolerations", []).append({"key": "pool", "operator": "Exists"})


def _choose_nodes(draft: Draft, vm: VM) -> None:
    """Some nodes by name, or all but the other pool: the constraint looks at these alone, if it honors affinity."""
    names = [node["metadata"]["name"] for node in draft.rng.sample(draft.nodes, 8)]
    by_name = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]} for name in names]
    by_pool = [{"matchExpressions": [{"key": "pool", "operator": "NotIn", "values": ["b"]}]}]
    terms = draft.rng.choice((by_name, by_pool))
    vm.launcher["spec"].setdefault("affinity", {})["nodeAffinity"] = {_REQUIRED: {"nodeSelectorTerms": terms}}


def _constraint(rng: Random, key: str) -> Object:
    selector = pod_selector(rng)
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
