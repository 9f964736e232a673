"""Small fleets in which everything is tight and VMs mind each other in every way the checks know."""

from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import strategies as st

from drover.facts.kubevirt import HOSTNAME
from drover.planning.proof.reserve import Reserve
from drover.planning.proposal import Goal
from tests.builders import (
    NodeBuilder,
    Part,
    PodBuilder,
    VMIBuilder,
    a_claim,
    a_csinode,
    a_node,
    a_plan,
    a_pod,
    a_vmi,
    a_volume,
)
from tests.unit.planning.scene import Scene, a_scene

ZONE = "zone"
KEYS = (ZONE, HOSTNAME)
CSI = "csi.example.com"
APPS = ("x", "y")
SIZES = ("1Gi", "2Gi", "3Gi")
MEMORY = st.sampled_from(("5Gi", "8Gi", "12Gi"))
A_SIZE = st.sampled_from(SIZES)
A_KEY = st.sampled_from(KEYS)
AN_APP = st.sampled_from(APPS)
AN_APP_OR_NONE = st.sampled_from(("", *APPS))
A_ZONE = st.sampled_from("abc")
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@dataclass(frozen=True)
class Crowd:
    """A fleet by its parts, the VMs to move by name, and the nodes to be emptied."""

    parts: tuple[Part, ...]
    movers: tuple[str, ...]
    sources: tuple[str, ...]
    reserve: Reserve | None = None

    def copy(self) -> "Crowd":
        return Crowd(deepcopy(self.parts), self.movers, self.sources, self.reserve)

    def scene(self) -> Scene:
        return a_scene(*self.parts)

    def goal(self, scene: Scene, **spec: object) -> Goal:
        plan = a_plan("p").evacuates(*self.sources) if self.sources else a_plan("p")
        return scene.goal(plan.spec(**spec), *self.movers, sources=self.sources)

    def without(self, part: Part) -> "Crowd":
        rest = tuple(each for each in self.parts if each is not part)
        movers = tuple(name for name in self.movers if name != part.name)
        return Crowd(rest, movers, self.sources, self.reserve)

    def with_parts(self, *more: Part) -> "Crowd":
        return Crowd((*self.parts, *more), self.movers, self.sources, self.reserve)

    def __repr__(self) -> str:
        lines = [str(part.json) for part in self.parts]
        lines += [f"  pod of {vm.name}: {vm.pod.json['spec']} {vm.pod.json['metadata']['labels'].get('app')}"
                  for vm in self.parts if isinstance(vm, VMIBuilder)]  # fmt: skip
        return "\n".join([f"movers {self.movers} from {self.sources}", *lines])


def one_in(draw: st.DrawFn, number: int) -> bool:
    return draw(st.integers(1, number)) == number


@st.composite
def crowds(draw: st.DrawFn, vms: int = 6) -> Crowd:
    """One or two nodes are to be emptied, or VMs are to be moved from anywhere to anywhere."""
    names = [f"n{n}" for n in range(draw(st.integers(2, 5)))]
    sources = tuple(names[: draw(st.sampled_from([0, 1, 1, 1, 2]))])
    homes = st.sampled_from([*(sources or names[:2]) * 3, *names])
    parts: list[Part] = [draw(some_nodes(name)) for name in names]
    guests = [draw(some_vms(f"v{n}", draw(homes))) for n in range(draw(st.integers(1, vms)))]
    parts += guests
    parts += [draw(some_pods(f"p{n}", tuple(names))) for n in range(draw(st.integers(0, 2)))]
    if one_in(draw, 3):
        parts += [a_csinode(name, {CSI: draw(st.integers(1, 3))}) for name in names]
    for guest in guests:
        parts += _disks(guest) if one_in(draw, 3) else ()
    movers = tuple(vm.name for vm in guests if _on(vm) in sources or (not sources and draw(st.booleans())))
    return Crowd(tuple(parts), movers, sources, Reserve(1) if one_in(draw, 4) else None)


def _on(vm: VMIBuilder) -> str:
    return str(vm.json["status"]["nodeName"])


def _disks(vm: VMIBuilder) -> list[Part]:
    claim = f"disk-{vm.name}"
    named = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}}]
    vm.pod.set("spec.volumes", named)
    vm.set("spec.volumes", named)
    return [a_claim(claim, f"pv-{vm.name}"), a_volume(f"pv-{vm.name}", CSI)]


@cache  # strategies are checked when they are first drawn from, which takes longer than to draw
@st.composite
def some_nodes(draw: st.DrawFn, name: str) -> NodeBuilder:
    node = a_node(name).allocatable(memory=draw(MEMORY), pods=str(draw(st.integers(3, 8))))
    if not one_in(draw, 8):
        node.labelled(zone=draw(A_ZONE))
    return node.tainted("gpu", "NoSchedule") if one_in(draw, 8) else node


@cache
@st.composite
def some_vms(draw: st.DrawFn, name: str, home: str) -> VMIBuilder:
    vm = a_vmi(name).on(home).memory(draw(A_SIZE))
    own = draw(AN_APP_OR_NONE)
    if own:
        vm.pod.labelled(app=own)
    affinity: dict[str, Any] = {}
    if one_in(draw, 5):
        affinity["podAffinity"] = {REQUIRED: [draw(terms())]}
    if one_in(draw, 5):
        affinity["podAntiAffinity"] = {REQUIRED: [draw(terms())]}
    if affinity:
        vm.pod.set("spec.affinity", affinity)
        vm.set("spec.affinity", affinity)
    if own and one_in(draw, 3):
        more = {"nodeTaintsPolicy": "Honor"} if one_in(draw, 3) else {}
        vm.pod.spreads(draw(A_KEY), {"app": own}, draw(st.integers(1, 2)), **more)
    if one_in(draw, 8):
        vm.set("spec.nodeSelector", {ZONE: draw(st.sampled_from("ab"))})
    if one_in(draw, 4):
        vm.pod.tolerates("gpu")
    if one_in(draw, 8):
        vm.pod.json["spec"]["containers"][0]["ports"] = [{"hostPort": 80}]
    return vm


@cache
@st.composite
def terms(draw: st.DrawFn) -> dict[str, Any]:
    labels = {"matchLabels": {"app": draw(AN_APP)}}
    return {"topologyKey": draw(A_KEY), "labelSelector": labels}


@cache
@st.composite
def some_pods(draw: st.DrawFn, name: str, homes: tuple[str, ...]) -> PodBuilder:
    pod = a_pod(name).on(draw(st.sampled_from(homes))).container({"memory": draw(A_SIZE)})
    pod.labelled(app=draw(AN_APP))
    if one_in(draw, 3):
        pod.set("spec.affinity", {"podAntiAffinity": {REQUIRED: [draw(terms())]}})
    return pod
