"""A plan carried out on a small fleet, one event after the other, as KubeVirt does it; and what is broken in the end,
told from the objects alone."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import Any

from drover.facts.index import index
from drover.facts.quantity import units
from drover.planning.barred import bars
from drover.planning.judging import admits
from drover.planning.proposal import Assignment
from tests.builders import Builder, NodeBuilder, PlainBuilder, PodBuilder, VMIBuilder, VMIMBuilder, a_cluster, a_vmim
from tests.unit.planning.crowded import CSI, REQUIRED, Crowd

Fault = tuple[str, ...]


@dataclass
class World:
    """The fleet as it changes. A migration is created, its target pod bound, the guest switched over, the source pod
    ended: four events each."""

    crowd: Crowd
    flying: dict[str, tuple[str, VMIMBuilder]] = field(default_factory=dict)
    """The next event of each VM in flight, and its migration."""

    def __post_init__(self) -> None:
        self.crowd = self.crowd.copy()
        self.parts: list[Any] = list(self.crowd.parts)
        self.vms = {part.uid: part for part in self.parts if isinstance(part, VMIBuilder)}

    def refuses(self, uid: str, target: str) -> str | None:
        """What is asked right before a start."""
        snapshot = a_cluster(*self.parts).snapshot()
        relations, vmi = index(snapshot), self.vms[uid].build()
        return admits(vmi, target, bars(vmi, relations, ()), snapshot, relations)

    def start(self, uid: str, target: str) -> None:
        vmim = a_vmim(self.vms[uid]).to(target).phase("Scheduling")
        self.parts.append(vmim)
        self.flying[uid] = "bind", vmim

    def advance(self, uid: str) -> None:
        """The next event of a migration."""
        vm, (event, vmim) = self.vms[uid], self.flying[uid]
        target = str(vmim.json["spec"]["addedNodeSelector"]["kubernetes.io/hostname"])
        match event:
            case "bind":
                pod = _like(vm.launcher(vmim=vmim).pods.pop(), vm.pod).selects(vm.json["spec"].get("nodeSelector", {}))
                vm.pods.append(pod.on(target))
                self.flying[uid] = "switch", vmim
            case "switch":
                vm.set("status.nodeName", target)
                self.parts.remove(vmim)
                self.flying[uid] = "end", vmim
            case "end":
                del vm.pods[0], self.flying[uid]

    def move(self, uid: str, target: str) -> None:
        """All of it at once."""
        self.start(uid, target)
        while uid in self.flying:
            self.advance(uid)

    def arrived(self, uid: str, node: str) -> bool:
        return uid not in self.flying and self.where(uid) == node

    def where(self, uid: str) -> str:
        return str(self.vms[uid].json["status"]["nodeName"])


def _like(pod: PodBuilder, running: PodBuilder) -> PodBuilder:
    """The target pod asks for what the running pod asks for."""
    own = {"nodeName", "nodeSelector"}
    pod.json["spec"] |= {key: deepcopy(each) for key, each in running.json["spec"].items() if key not in own}
    return pod.labelled({"app": running.json["metadata"]["labels"].get("app", "")})


def carry_out(plan: Mapping[str, Assignment], world: World, chance: Random) -> list[str]:
    """Everything in some order in which everybody waits for whom it has to; what was refused or never came to pass."""
    queue, said = dict(plan), list[str]()
    while queue or world.flying:
        ready = [uid for uid, each in queue.items() if all(world.arrived(*other) for other in each.after)]
        if not ready and not world.flying:
            return [*said, f"these wait for ever: {sorted(queue)}"]
        uid = chance.choice([*ready, *world.flying])
        if uid in world.flying:
            world.advance(uid)
            continue
        target = queue.pop(uid).target
        words = world.refuses(uid, target)
        said += [f"{uid} to {target}: {words}"] if words is not None else []
        world.start(uid, target)
    return said


def faults(parts: Iterable[Builder]) -> Counter[Fault]:
    """Every rule that is broken, with by how much."""
    seen = list(parts)
    nodes = {node.name: node for node in seen if isinstance(node, NodeBuilder)}
    pods = [pod for pod in seen if isinstance(pod, PodBuilder)]
    pods += [pod for vm in seen if isinstance(vm, VMIBuilder) for pod in vm.pods]
    result: Counter[Fault] = Counter()
    for name, node in nodes.items():
        here = [pod for pod in pods if _on(pod) == name]
        offered = node.json["status"]["allocatable"]
        result["memory", name] = max(0, sum(map(_memory, here)) - units(offered["memory"]))
        result["pods", name] = max(0, len(here) - int(offered["pods"]))
        result["port", name] = max(0, sum(bool(_ports(pod)) for pod in here) - 1)
        limit = next((each for each in seen if isinstance(each, PlainBuilder) and _limits(each, name)), None)
        disks = {volume["name"] for pod in here for volume in pod.json["spec"].get("volumes", ())}
        result["disks", name] = max(0, len(disks) - _limits(limit, name)) if limit is not None else 0
    for fault in _bonds(pods, nodes):
        result[fault] += 1
    return +result


def _bonds(pods: list[PodBuilder], nodes: Mapping[str, NodeBuilder]) -> Iterator[Fault]:
    def together(one: PodBuilder, other: PodBuilder, key: str) -> bool:
        return _domain(one, key, nodes) is not None and _domain(one, key, nodes) == _domain(other, key, nodes)

    for pod in pods:
        for key, app in _terms(pod, "podAntiAffinity"):
            for other in pods:
                if (
                    other is not pod
                    and _app(other) == app
                    and _whose(other) != _whose(pod)
                    and together(pod, other, key)
                ):
                    yield "apart", _whose(pod), _whose(other), key
        for key, app in _terms(pod, "podAffinity"):
            if not any(_app(other) == app and together(pod, other, key) for other in pods):
                yield "near", _whose(pod), key
        for n, rule in enumerate(pod.json["spec"].get("topologySpreadConstraints", ())):
            if skew(pod, rule, pods, nodes) > rule["maxSkew"]:
                yield "spread", _whose(pod), str(n)


def skew(pod: PodBuilder, rule: dict[str, Any], pods: list[PodBuilder], nodes: Mapping[str, NodeBuilder]) -> int:
    """How many more of the kind are in the pod's domain than in the one with the fewest."""
    key, selector = rule["topologyKey"], pod.json["spec"].get("nodeSelector", {})
    wanted = {name: value for name, value in selector.items() if name == "zone"}
    tolerated = {each["key"] for each in pod.json["spec"].get("tolerations", ())}
    keys = [each["topologyKey"] for each in pod.json["spec"]["topologySpreadConstraints"]]
    counts: Counter[str] = Counter()
    looked_at = set()
    for node in nodes.values():
        labels, taints = node.json["metadata"]["labels"], node.json.get("spec", {}).get("taints", ())
        honors = rule.get("nodeTaintsPolicy") == "Honor"
        if any(labels.get(name) != value for name, value in wanted.items()) or any(each not in labels for each in keys):
            continue
        if not honors or all(taint["key"] in tolerated for taint in taints):
            looked_at.add(node.name)
            counts[labels[key]] += 0
    for other in pods:
        if _on(other) in looked_at and _app(other) == rule["labelSelector"]["matchLabels"]["app"]:
            counts[nodes[_on(other)].json["metadata"]["labels"][key]] += 1
    mine = _domain(pod, key, nodes)
    return counts[mine] - min(counts.values()) if mine is not None and counts else 0


def _whose(pod: PodBuilder) -> str:
    return str(pod.json["metadata"]["labels"].get("kubevirt.io/created-by", pod.uid))


def _on(pod: PodBuilder) -> str:
    return str(pod.json["spec"]["nodeName"])


def _app(pod: PodBuilder) -> str:
    return str(pod.json["metadata"]["labels"].get("app", ""))


def _domain(pod: PodBuilder, key: str, nodes: Mapping[str, NodeBuilder]) -> str | None:
    found: str | None = nodes[_on(pod)].json["metadata"]["labels"].get(key)
    return found


def _terms(pod: PodBuilder, kind: str) -> Iterator[tuple[str, str]]:
    for term in pod.json["spec"].get("affinity", {}).get(kind, {}).get(REQUIRED, ()):
        yield term["topologyKey"], term["labelSelector"]["matchLabels"]["app"]


def _memory(pod: PodBuilder) -> int:
    return sum(units(each["resources"]["requests"].get("memory", "0")) for each in pod.json["spec"]["containers"])


def _ports(pod: PodBuilder) -> list[Any]:
    return [port for each in pod.json["spec"]["containers"] for port in each.get("ports", ())]


def _limits(part: PlainBuilder, node: str) -> int:
    drivers = part.json.get("spec", {}).get("drivers", ()) if part.name == node else ()
    return next((each["allocatable"]["count"] for each in drivers if each["name"] == CSI), 0)
