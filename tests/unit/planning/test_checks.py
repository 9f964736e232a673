"""Each check, and its words."""

from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drover.facts.kubevirt import HOSTNAME
from drover.planning import explain
from drover.planning.checks import chain, room
from drover.planning.checks.check import Answer, NodeCheck
from drover.planning.demand.vmclass import GUEST_MEMORY
from tests.builders import NodeBuilder, VMIBuilder, a_node, a_plan, a_pod, a_vmi
from tests.unit.planning.scene import a_scene, targets

SELECTED = a_vmi("web").set("spec.nodeSelector", {"rack": "a"})
AFFINE = a_vmi("web")
AFFINE.pod.requires(
    [{"key": "zone", "operator": "In", "values": ["a"]}], [{"key": "cores", "operator": "Gt", "values": ["8"]}]
)
TOLERANT = a_vmi("web")
TOLERANT.pod.tolerates(key="gpu")


def requiring(*terms: dict[str, Any]) -> VMIBuilder:
    vmi = a_vmi("web").set("spec.nodeSelector", {})
    path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    vmi.pod.set(path, list(terms))
    return vmi


def named(*names: str) -> dict[str, Any]:
    """A term that a node has to satisfy by each of these names."""
    return {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]} for name in names]}


FIELD = requiring(named("n3"), named("n4"))
EITHER = requiring(named("n3"), {"matchExpressions": [{"key": "zone", "operator": "Exists"}]})
TWICE = requiring(named("n3", "n4"))
PLAIN = a_vmi("web")


def n2() -> NodeBuilder:
    return a_node("n2")


TABLE = [
    (PLAIN, n2(), "", None),
    (PLAIN, n2().without_kubevirt(), "NotForKubeVirt",
     "is not usable for KubeVirt (label kubevirt.io/schedulable)"),
    (PLAIN, n2().set("metadata.labels", {}), "NotForKubeVirt",
     "is not usable for KubeVirt (label kubevirt.io/schedulable)"),
    (PLAIN, n2().not_ready(), "NotReady", "is not Ready"),
    (PLAIN, n2().silent(), "Silent", "has had no heartbeat of its virt-handler for 5 minutes"),
    (PLAIN, n2().silent().without_kubevirt(), "NotForKubeVirt",
     "is not usable for KubeVirt (label kubevirt.io/schedulable)"),
    (PLAIN, n2().cordoned(), "Cordoned", "is cordoned"),
    (PLAIN, n2().condition("DiskPressure", "True"), "Pressure", "is under DiskPressure"),
    (PLAIN, n2().tainted("gpu", "NoSchedule", "yes"), "Taint",
     "has the taint gpu=yes:NoSchedule, which the VM does not tolerate"),
    (PLAIN, n2().tainted("gpu", "PreferNoSchedule"), "", None),
    (TOLERANT, n2().tainted("gpu", "NoSchedule"), "", None),
    (TOLERANT, n2().tainted("gpu", "NoSchedule").tainted("old", "NoExecute"), "Taint",
     "has the taint old:NoExecute, which the VM does not tolerate"),
    (SELECTED, n2(), "NodeSelector", "lacks the label rack=a"),
    (SELECTED, n2().labelled(rack="b"), "NodeSelector", "lacks the label rack=a"),
    (SELECTED, n2().labelled(rack="a"), "", None),
    (AFFINE, n2().labelled(zone="b", cores="8"), "NodeAffinity", "does not match the VM's required node affinity"),
    (AFFINE, n2().labelled(zone="a"), "", None),
    (AFFINE, n2().labelled(cores="9"), "", None),
    (FIELD, n2(), "NotNamed", "is none of those that the VM's required node affinity names"),
    (FIELD, n2().cordoned(), "NotNamed", "is none of those that the VM's required node affinity names"),
    (EITHER, n2(), "NodeAffinity", "does not match the VM's required node affinity"),
    (EITHER, n2().cordoned(), "Cordoned", "is cordoned"),
    (TWICE, a_node("n3"), "NotNamed", "is none of those that the VM's required node affinity names"),
    (FIELD, a_node("n3"), "", None),
    (SELECTED, n2().not_ready().cordoned(), "Cordoned", "is cordoned"),
]  # fmt: skip


@pytest.mark.parametrize(("vmi", "node", "name", "words"), TABLE)
def test_each_check(vmi: VMIBuilder, node: NodeBuilder, name: str, words: str | None) -> None:
    scene = a_scene(a_node("n1"), node, vmi.on("n1"))
    said = scene.verdict(vmi, node.name)
    assert (said.check, said.words or None) == (name, words)
    ground = scene.fleet()
    at, guest = ground.position[node.name], scene.guest(vmi, ground)
    code = int(chain.column(guest, ground)[at])
    assert (chain.CHECKS[code - 1].name if code else "") == name
    assert chain.words(guest.vm_class, ground.classes)[at] == words


@pytest.mark.parametrize("vmi", [PLAIN, SELECTED, AFFINE, TOLERANT, FIELD])
def test_nodes_of_one_class_are_answered_like_each_alone(vmi: VMIBuilder) -> None:
    nodes = [copy(node) for _, node, _, _ in TABLE]
    for n, node in enumerate(nodes):
        labels = {**node.json["metadata"]["labels"]} | ({HOSTNAME: f"n{n}"} if node.json["metadata"]["labels"] else {})
        node.json = {**node.json, "metadata": {**node.json["metadata"], "name": f"n{n}", "labels": labels}}
    scene = a_scene(*nodes, vmi.on("n0"))
    ground = scene.fleet()
    vm_class = scene.guest(vmi, ground).vm_class
    together = dict(zip(ground.position, chain.static(vm_class, ground.classes).tolist(), strict=True))
    for node in nodes:
        alone = a_scene(node).fleet()
        assert chain.static(vm_class, alone.classes).tolist() == [together[node.name]]


TWINS = [a_node("n2").labelled({HOSTNAME: "host"}), a_node("n3").labelled({HOSTNAME: "host"})]
BARE = a_node("n4")
del BARE.json["metadata"]["labels"][HOSTNAME]


@pytest.mark.parametrize(
    ("node", "answer", "words"),
    [
        ("n2", Answer.UNKNOWN, f"has the same label {HOSTNAME} as n3, n6: a migration may end there"),
        ("n3", Answer.UNKNOWN, f"has the same label {HOSTNAME} as n2, n6: a migration may end there"),
        ("n4", Answer.NO, f"lacks the label {HOSTNAME}, by which migrations are pinned"),
        ("n5", Answer.YES, ""),
        ("n6", Answer.NO, "is cordoned"),
    ],
)
def test_a_node_that_a_migration_cannot_be_pinned_to(node: str, answer: Answer, words: str) -> None:
    """KubeVirt's addedNodeSelector is all a pin has: it could land on the twin, or nowhere."""
    fifth, sixth = a_node("n5").labelled({HOSTNAME: "five"}), a_node("n6").labelled({HOSTNAME: "host"}).cordoned()
    vmi = a_vmi("web").on("n1")
    scene = a_scene(a_node("n1"), *TWINS, BARE, fifth, sixth, vmi)
    said, ground = scene.verdict(vmi, node), scene.fleet()
    code = chain.column(scene.guest(vmi, ground), ground)[ground.position[node]]
    assert (said.answer, said.words) == (answer, words)
    assert (code > chain.FITS, code < chain.FITS) == (answer is Answer.NO, answer is Answer.UNKNOWN)


def test_one_of_twins_is_taken_last_and_doubted() -> None:
    vmi = a_vmi("web").on("n1")
    scene = a_scene(a_node("n1"), *TWINS, vmi)
    (planned,) = scene.propose(scene.goal(a_plan("p"), "web"))["p"].assignments.values()
    assert "same label" in planned.doubt
    better = a_scene(a_node("n1"), *TWINS, a_node("n5").memory("12Gi"), vmi)
    assert targets(better.propose(better.goal(a_plan("p"), "web"))["p"]) == {"web": "n5"}


def test_only_nodes_without_the_label_being_left_is_said_with_what_would_help() -> None:
    vmi = a_vmi("web").on("n1")
    scene = a_scene(a_node("n1"), BARE, vmi)
    (refused,) = scene.propose(scene.goal(a_plan("p"), "web"))["p"].refused.values()
    assert not refused.eligible
    assert f"lacks the label {HOSTNAME}" in refused.message
    assert refused.suggestion == f"give each node a label {HOSTNAME} of its own, as its kubelet does"


def test_a_vm_on_a_twin_may_leave_it() -> None:
    vmi = a_vmi("web").on("n2")
    assert a_scene(a_node("n1"), *TWINS, vmi).admits(vmi, "n1") is None


def test_every_node_check_that_can_say_no_is_met_by_a_table() -> None:
    claims = {"ClaimMissing", "ClaimUnbound", "VolumeMissing", "VolumeUnusable"}
    elsewhere = {*claims, "VolumeUnreachable", "VolumeZone", "FormerSelector", "MigrationNetwork", "Hostname", "Beyond"}
    found = {check.name for check in chain.CHECKS if isinstance(check, NodeCheck)}
    assert {name for _, _, name, _ in TABLE if name} == found - elsewhere


@pytest.mark.parametrize(
    ("node", "requests", "words"),
    [
        ({}, {"cpu": "1"}, "has room"),
        ({"cpu": "1"}, {"cpu": "1500m"}, "lacks 0.5 cores of cpu"),
        ({"memory": "1Gi"}, {"cpu": "1", "memory": "3Gi"}, "lacks 2.0 GiB of"),
        ({"cpu": "1", "memory": "8Gi"}, {"cpu": "3", "memory": "9Gi"}, "lacks 2 cores of cpu"),
        ({}, {"example.com/gpu": "1"}, "does not offer a device the VM needs"),
        ({"pods": "0"}, {"cpu": "1"}, "lacks 1 of pods"),
    ],
)
def test_shortage(node: dict[str, str], requests: dict[str, str], words: str) -> None:
    vmi = a_vmi("web").memory("1Mi").requests(requests)
    ground = a_scene(a_node("n2").allocatable(node)).fleet()
    row = ground.vector(dict(a_scene(vmi).vm_class(vmi).requests))
    (short,) = room.shortages(row, ground)
    assert (explain.words(short) if short is not None else "has room").startswith(words)
    assert bool(room.has_room(row, ground)[0]) is (short is None)


AMOUNTS = st.integers(0, 6).map(lambda n: n * 700)


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS), min_size=1, max_size=5), st.tuples(AMOUNTS, AMOUNTS))
def test_the_worst_shortage_is_the_largest_share_of_the_node(
    nodes: list[tuple[int, int, int, int]], asked: tuple[int, int]
) -> None:
    """Told in another way: of what is asked for and not free, over what the node offers."""
    fleet = a_scene(*(a_node(f"n{n}") for n in range(len(nodes)))).fleet()
    rows = np.array(nodes, dtype=np.int64)
    ground = replace(fleet, resources=("cpu", "pods"), allocatable=rows[:, :2], free=rows[:, 2:] - 1000)
    expected: list[explain.Short | None] = []
    for offered, free in zip(ground.allocatable.tolist(), ground.free.tolist(), strict=True):
        lacking = {n: asked[n] - free[n] for n in (0, 1) if 0 < asked[n] > free[n]}
        worst = max(lacking, key=lambda n: lacking[n] / max(1, offered[n]), default=None)
        expected.append(explain.Short(ground.resources[worst], lacking[worst]) if worst is not None else None)
    assert room.shortages(np.array(asked, dtype=np.int64), ground) == expected


def test_a_fleet_without_nodes_lacks_nothing() -> None:
    ground = a_scene().fleet()
    assert room.shortages(ground.vector({"cpu": 1}), ground) == []


def test_what_is_not_asked_for_may_be_overdrawn() -> None:
    hog = a_pod("hog").on("n2").container({"cpu": "99"})
    ground = a_scene(a_node("n2"), hog).fleet()
    assert room.has_room(ground.vector({"memory": 1, "cpu": 0}), ground).all()
    assert not room.has_room(ground.vector({"cpu": 1}), ground).any()


def test_guest_memory_is_short_in_words() -> None:
    ground = a_scene(a_node("n2").memory("1Gi")).fleet()
    short = room.shortages(ground.vector({GUEST_MEMORY: 3 << 29}), ground)[0]
    assert short is not None
    assert explain.words(short) == "lacks 512 MiB of guest memory"


def test_refusals_are_counted_the_most_frequent_first() -> None:
    assert explain.summarize(["b", "a", "a"]) == "2× a, 1× b"


def test_what_is_short_is_a_range() -> None:
    short = [explain.Short("memory", amount << 30) for amount in (3, 1, 2)]
    assert explain.summarize([*short, "is cordoned"]) == "3× lacks 1.0 GiB to 3.0 GiB of memory, 1× is cordoned"


def test_many_reasons_are_not_all_told() -> None:
    told = explain.summarize([*("b" * 3), *(str(n) for n in range(9))])
    assert told == "3× b, 1× 0, 1× 1, 1× 2, 1× 3, 1× 4, 4× for other reasons"


KUBEVIRTS = "node.kubevirt.io/"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (f"cpu-model.{KUBEVIRTS}Skylake", "true", "lacks the CPU model Skylake"),
        (f"cpu-model-migration.{KUBEVIRTS}Skylake", "true", "lacks the CPU model of the VM's first host, Skylake"),
        (f"cpu-feature.{KUBEVIRTS}avx512", "true", "lacks the CPU feature avx512"),
        (f"machine-type.{KUBEVIRTS}q35", "true", "lacks the machine type q35"),
        (f"scheduling.{KUBEVIRTS}tsc-frequency-2000", "true", "lacks the tsc-frequency-2000"),
        (f"cpu-model.{KUBEVIRTS}Skylake", "false", f"lacks the label cpu-model.{KUBEVIRTS}Skylake=false"),
        ("rack", "true", "lacks the label rack=true"),
    ],
)
def test_labels_of_kubevirt_are_called_what_they_stand_for(key: str, value: str, words: str) -> None:
    vmi = a_vmi("web").set("spec.nodeSelector", {key: value})
    assert a_scene(a_node("n1"), a_node("n2"), vmi).verdict(vmi, "n2").words == words
