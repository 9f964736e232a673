"""What nodes say of themselves: cordons, taints, labels."""

from random import Random

from tests.integration.planning.fleets.draft import ARCH, SCHEDULABLE, VM, Draft, Object
from tests.integration.planning.fleets.rendering import OBSOLETE

UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_EFFECTS = ("NoSchedule", "NoExecute", "PreferNoSchedule")
_VENDOR = "cpu-vendor.node.kubevirt.io/"
_BEFORE, _MOST, _BEYOND = (str((1 << 63) - n) for n in (2, 1, 0))
_MODELS = ("Skylake", "Cascadelake", "Milan")
_ABILITIES = (
    "kubevirt.io/sev",
    "scheduling.node.kubevirt.io/tsc-frequency-2100000000",
    "hyperv.node.kubevirt.io/vpindex",
    "cpu-feature.node.kubevirt.io/vmx",
    "machine-type.node.kubevirt.io/pc-q35-rhel9.6.0",
    "kubevirt.io/ksm-enabled",
)
"""Labels by which KubeVirt finds the nodes that can do what a VM needs (nodeselectorrenderer.go)."""


def cordons(draft: Draft) -> None:
    """Nodes are cordoned, a few a moment before the node controller has tainted them; some VMs do not mind."""
    for node in draft.nodes:
        if draft.chance(0.5):
            node["spec"]["unschedulable"] = True
            if draft.rng.random() < 0.8:
                node["spec"]["taints"].append({"key": UNSCHEDULABLE, "effect": "NoSchedule"})
    ways = [
        {"key": UNSCHEDULABLE, "operator": "Exists", "effect": "NoSchedule"},
        {"key": UNSCHEDULABLE, "operator": "Exists", "effect": "NoExecute"},
        {"key": UNSCHEDULABLE, "operator": "Equal", "value": "true"},
        {"operator": "Exists"},
    ]
    for vm in draft.vms:
        if draft.chance(0.3):
            _tolerate(vm, draft.rng.choice(ways))


def taints(draft: Draft) -> None:
    """Taints and tolerations of few keys and values, so that they often meet."""
    for node in draft.nodes:
        drawn = {(taint["key"], taint["effect"]): taint for taint in _taints(draft) if draft.chance(0.6)}
        node["spec"]["taints"] += drawn.values()
        if draft.chance(0.2):
            _trouble(node, draft.rng)
    for vm in draft.vms:
        for _ in range(draft.rng.randrange(5)):
            _tolerate(vm, _toleration(draft.rng))


def _trouble(node: Object, rng: Random) -> None:
    """A condition, and the taint that the node controller gives for it (pkg/controller/nodelifecycle)."""
    kind, taint = rng.choice(
        (("Ready", "not-ready"), ("MemoryPressure", "memory-pressure"), ("DiskPressure", "disk-pressure"))
    )
    others = [each for each in node["status"]["conditions"] if each["type"] != kind]
    node["status"]["conditions"] = [*others, {"type": kind, "status": "False" if kind == "Ready" else "True"}]
    node["spec"]["taints"].append({"key": f"node.kubernetes.io/{taint}", "effect": "NoSchedule"})


def _taints(draft: Draft) -> list[Object]:
    rng = draft.rng
    return [{"key": rng.choice("pqr"), "value": rng.choice(("", "1", "2")), "effect": _effect(rng)} for _ in range(3)]


def _effect(rng: Random) -> str:
    return rng.choices(_EFFECTS, (3, 2, 1))[0]


def _toleration(rng: Random) -> Object:
    exists = rng.random() < 0.5
    drawn: Object = {"operator": "Exists"} if exists else {"operator": "Equal", "value": rng.choice(("", "1", "2"))}
    if not exists or rng.random() < 0.9:
        drawn["key"] = rng.choice("pqr")
    if rng.random() < 0.6:
        drawn["effect"] = _effect(rng)
    if not exists and rng.random() < 0.3:
        del drawn["operator"]
    if drawn.get("effect") == "NoExecute" and rng.random() < 0.3:
        drawn["tolerationSeconds"] = 60
    return drawn


def _tolerate(vm: VM, toleration: Object) -> None:
    vm.launcher["spec"].setdefault("tolerations", []).append(toleration)


def selectors(draft: Draft) -> None:
    """Node labels against nodeSelectors, required node affinity of every operator, and KubeVirt's own labels."""
    for node in draft.nodes:
        _label(draft, node)
    for vm in draft.vms:
        if draft.chance(0.15):
            vm.select("disk", draft.rng.choice(("ssd", "hdd")))
        if draft.chance(0.6):
            _require(vm, _terms(draft))
        if draft.chance(0.2):
            vm.vmi["spec"]["domain"]["cpu"]["model"] = "host-model"
        if draft.chance(0.2):
            vm.launcher["spec"]["nodeSelector"][draft.rng.choice(_ABILITIES)] = "true"


def numbers(draft: Draft) -> None:
    """Gt and Lt at the edges of what Go's ParseInt reads: 64 bits, decimal digits, a sign that labels cannot have."""
    for node in draft.nodes:
        node["metadata"]["labels"]["serial"] = draft.rng.choice(("0", "1", "007", "1_0", "1e3", _MOST, _BEYOND))
    for vm in draft.vms:
        if draft.chance(0.9):
            operator, bounds = draft.rng.choice(
                (("Gt", ("0", "1", "00", "6", _BEFORE)), ("Lt", ("1", "08", _MOST, _BEYOND)))
            )
            expression = {"key": "serial", "operator": operator, "values": [draft.rng.choice(bounds)]}
            _require(vm, {"nodeSelectorTerms": [{"matchExpressions": [expression]}]})


def _require(vm: VM, terms: Object) -> None:
    affinity = vm.launcher["spec"].setdefault("affinity", {})
    affinity["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": terms}


def _label(draft: Draft, node: Object) -> None:
    labels, rng = node["metadata"]["labels"], draft.rng
    labels |= {"disk": rng.choice(("ssd", "hdd")), "row": rng.choice("abc")}
    labels["gen"] = rng.choice(("1", "2", "3", "10", "007", "1e1", "v2", "1.5", ""))
    for key in ("disk", "row", "gen"):
        if rng.random() < 0.2:
            del labels[key]
    if draft.chance(0.1):
        labels[SCHEDULABLE] = "false"
    if draft.chance(0.1):
        labels[ARCH] = rng.choice(("arm64", "s390x"))
    labels |= {key: "true" for key in _ABILITIES if rng.random() < 0.7}
    if draft.chance(0.1):
        labels[OBSOLETE] = "true"
    labels |= dict.fromkeys((f"cpu-model-migration.node.kubevirt.io/{model}" for model in _MODELS), "true")
    if draft.chance(0.7):
        model = rng.choice(_MODELS)
        labels[f"host-model-cpu.node.kubevirt.io/{model}"] = "true"
        if model != "Skylake":
            del labels["cpu-model-migration.node.kubevirt.io/Milan"]
    if draft.chance(1):
        labels[_VENDOR + rng.choices(("Intel", "AMD"), (4, 1))[0]] = "true"


def _terms(draft: Draft) -> Object:
    rng = draft.rng
    return {"nodeSelectorTerms": [_term(draft) for _ in range(rng.choices((1, 2, 3), (5, 3, 1))[0])]}


def _term(draft: Draft) -> Object:
    rng = draft.rng
    if rng.random() < 0.05:
        return {}
    term: Object = {}
    if rng.random() < 0.9:
        term["matchExpressions"] = [_expression(rng) for _ in range(rng.choices((1, 2), (4, 1))[0])]
    if rng.random() < 0.2 or not term:
        name = rng.choice(draft.nodes)["metadata"]["name"]
        operator = rng.choices(("NotIn", "In"), (2, 1))[0]
        term["matchFields"] = [{"key": "metadata.name", "operator": operator, "values": [name]}]
    return term


def _expression(rng: Random) -> Object:
    operator = rng.choice(("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"))
    if operator in ("Gt", "Lt"):
        return {"key": "gen", "operator": operator, "values": [rng.choice(("0", "1", "2", "5", "x"))]}
    key, pool = rng.choice((("disk", ("ssd", "hdd")), ("row", tuple("abcd")), ("gen", ("1", "2", "v2", ""))))
    if operator in ("Exists", "DoesNotExist"):
        return {"key": key, "operator": operator}
    return {"key": key, "operator": operator, "values": rng.sample(pool, rng.randrange(1, len(pool)))}
