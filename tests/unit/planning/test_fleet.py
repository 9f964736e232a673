"""What is free on each node: everything that is there or on its way is counted."""

from collections.abc import Callable

import pytest

from drover.planning.demand.vmclass import GUEST_MEMORY
from drover.planning.site import survey
from drover.planning.site.arriving import towards
from tests.builders import (
    OVERHEAD,
    PodBuilder,
    VMIBuilder,
    VMIMBuilder,
    a_claim,
    a_csinode,
    a_node,
    a_plan,
    a_pod,
    a_vmi,
    a_vmim,
    a_volume,
)
from tests.unit.planning.scene import Part, a_scene

GI = 1 << 30
NODES = (a_node("n1"), a_node("n2"))
WHOLE = 64 * GI
VM = 4 * GI + OVERHEAD


def used(*parts: Part, resource: str = "memory") -> tuple[int, int]:
    """What is taken on n1 and n2."""
    scene = a_scene(*NODES, *parts)
    ground = scene.fleet()
    column = ground.resources.index(resource)
    taken = ground.allocatable[:, column] - ground.free[:, column]
    return int(taken[0]), int(taken[1])


def moving(phase: str = "Scheduling") -> tuple[VMIBuilder, VMIMBuilder]:
    vmi = a_vmi("web").on("n1")
    return vmi, a_vmim(vmi).of(a_plan("p")).to("n2").phase(phase)


def test_a_vm_holds_its_node() -> None:
    assert used(a_vmi("web").on("n1")) == (VM, 0)


def test_both_hosts_hold_a_moving_vm() -> None:
    vmi, vmim = moving("Running")
    vmi.launcher(vmim=vmim).pods[1].on("n2")
    assert used(vmi, vmim) == (VM, VM)


def test_a_target_is_reserved_from_the_first_moment() -> None:
    vmi, vmim = moving("")
    assert used(vmi, vmim) == (VM, VM)


def test_a_target_pod_that_is_not_bound_reserves_it_too() -> None:
    vmi, vmim = moving()
    vmi.launcher(vmim=vmim)
    assert used(vmi, vmim) == (VM, VM)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_migration_that_has_ended_reserves_nothing(phase: str) -> None:
    assert used(*moving(phase)) == (VM, 0)


def test_a_vm_that_has_arrived_is_not_counted_twice() -> None:
    vmi, vmim = moving("Running")
    vmi.launcher(vmim=vmim).pods[1].on("n2")
    vmi.set("status.nodeName", "n2")
    vmi.pods[0].phase("Succeeded")
    assert used(vmi, vmim) == (0, VM)


def test_a_migration_to_where_the_vm_is_reserves_nothing() -> None:
    vmi, vmim = moving("Running")
    assert used(vmi.on("n2"), vmim) == (0, VM)


def test_a_migration_without_a_pin_reserves_nothing_before_its_pod_is_bound() -> None:
    vmi = a_vmi("web").on("n1")
    vmim = a_vmim(vmi).phase("Pending")
    assert used(vmi, vmim) == (VM, 0)
    vmi.launcher(vmim=vmim).pods[1].on("n2")
    assert used(vmi, vmim) == (VM, VM)


def test_plain_pods_count_and_terminal_ones_do_not() -> None:
    pods = [a_pod(phase).on("n1").container({"memory": "1Gi"}).phase(phase) for phase in ("Running", "Succeeded")]
    pods += [a_pod("failed").on("n2").container({"memory": "1Gi"}).phase("Failed")]
    pods += [a_pod("deleting").on("n2").container({"memory": "2Gi"}).deleting()]
    pods += [a_pod("unbound").container({"memory": "8Gi"}).phase("Pending")]
    assert used(*pods) == (GI, 2 * GI)
    assert used(*pods, resource="pods") == (1, 1)


def test_guests_count_whatever_they_requested() -> None:
    vmi = a_vmi("web").memory("32Gi").requests(memory="1Gi").on("n1")
    assert used(vmi) == (GI, 0)
    assert used(vmi, resource=GUEST_MEMORY) == (32 * GI + OVERHEAD, 0)
    assert used(a_pod("plain").on("n1").container({"memory": "2Gi"}), resource=GUEST_MEMORY) == (2 * GI, 0)


def test_extended_resources_are_resources() -> None:
    gpu = {"example.com/gpu": "1"}
    nodes = (a_node("n3").allocatable({"example.com/gpu": "2"}), a_node("n4"))
    vmi = a_vmi("web").requests(gpu).on("n3")
    scene = a_scene(*nodes, vmi)
    assert scene.free("n3", "example.com/gpu") == 1
    assert scene.free("n4", "example.com/gpu") == 0


def test_a_resource_no_node_offers_fits_nowhere() -> None:
    ground = a_scene(*NODES).fleet()
    assert (ground.vector({"example.com/gpu": 1}) > ground.free).all()
    assert (ground.vector({"example.com/gpu": 0, "cpu": 5}) <= ground.free).all()


def test_a_copy_is_filled_by_itself() -> None:
    ground = a_scene(*NODES).fleet()
    other = ground.copy()
    other.take(0, other.vector({"memory": GI}))
    column = ground.resources.index("memory")
    assert (ground.free[0, column], other.free[0, column]) == (WHOLE, WHOLE - GI)


def test_one_node_is_counted_like_all() -> None:
    vmi, vmim = moving()
    scene = a_scene(*NODES, vmi, vmim, a_pod("plain").on("n2").container({"cpu": "1"}))
    whole = scene.fleet()
    alone = survey.around(scene.guest(vmi, whole), "n2", scene.snapshot, scene.relations)
    at = whole.position["n2"]
    assert (alone.free[at] == whole.free[at]).all()
    assert not alone.free[whole.position["n1"]].any(), "nobody asked about the others"


def test_a_cluster_without_nodes() -> None:
    assert a_scene(a_vmi("web")).fleet().free.shape == (0, 0)


@pytest.mark.parametrize(
    ("change", "node"),
    [
        (lambda vmi, vmim: None, "n2"),
        (lambda vmi, vmim: vmim.set("spec", {"vmiName": "web"}), ""),
        (lambda vmi, vmim: vmi.migrating(vmim, "n1", "n3"), "n3"),
        (lambda vmi, vmim: vmi.migrating(a_vmim("web", "another"), "n1", "n3"), "n2"),
        (lambda vmi, vmim: vmi.launcher(vmim=vmim).pods[1].on("n4"), "n4"),
    ],
    ids=["pinned", "not pinned", "by the VM's status", "another's status", "by its pod"],
)
def test_where_a_migration_goes(change: Callable[[VMIBuilder, VMIMBuilder], object], node: str) -> None:
    vmi, vmim = moving()
    change(vmi, vmim)
    scene = a_scene(*NODES, vmi, vmim)
    assert towards(vmim.build(), scene.snapshot, scene.relations) == node


@pytest.mark.parametrize("resource", ["memory", "cpu"])
def test_requests_beyond_all_measure_make_a_node_full_and_nothing_else(resource: str) -> None:
    """Anybody may create a pod that names its node; the kubelet of that node need not be alive to refuse it."""
    greedy = [a_pod(f"greedy{n}").on("n1").phase("Pending").container({resource: str(2**63 - 1)}) for n in range(3)]
    ground = a_scene(*NODES, *greedy).fleet()
    column = ground.resources.index(resource)
    assert ground.free[0, column] < 0 < ground.free[1, column]


@pytest.mark.parametrize("digits", [19, 400])
def test_guests_beyond_all_measure_make_a_node_full_and_nothing_else(digits: int) -> None:
    """What a VM says of its memory, and the overhead in an annotation, are kept as they were written."""
    much = "9" * digits
    guest = a_vmi("guest").on("n1").set("spec.domain.memory.guest", much)
    odd = a_vmi("odd").on("n1")
    odd.pod.annotated({"kubevirt.io/memory-overhead-bytes": much})
    for greedy in (guest, odd):
        ground = a_scene(*NODES, greedy).fleet()
        column = ground.resources.index(GUEST_MEMORY)
        assert ground.free[0, column] < 0 < ground.free[1, column]


def test_an_overhead_that_is_no_amount_is_none() -> None:
    """It is an annotation, which whoever may annotate the VM can set."""
    odd = a_vmi("web").on("n1")
    odd.pod.annotated({"kubevirt.io/memory-overhead-bytes": "much"})
    assert used(odd, resource=GUEST_MEMORY) == (VM, 0), "the request counts"


def waiting(node: str, priority: int) -> PodBuilder:
    """A pod for which others are preempted on the node."""
    pod = a_pod("waiting").phase("Pending").container({"memory": "1Gi"}).set("spec.priority", priority)
    return pod.set("status.nominatedNodeName", node)


@pytest.mark.parametrize(
    ("change", "promised"),
    [
        (lambda pod: pod, 1),
        (lambda pod: pod.set("spec.priority", -1), 0),
        (lambda pod: pod.set("spec.schedulerName", "another"), 0),
        (lambda pod: pod.set("spec.schedulingGates", [{"name": "not-yet"}]), 1),
        (lambda pod: pod.phase("Failed"), 0),
        (lambda pod: pod.on("n3"), 0),
        (lambda pod: pod.set("status.nominatedNodeName", ""), 0),
    ],
    ids=["kept", "for less", "by another scheduler", "gated", "it has failed", "it is bound", "nowhere"],
)
def test_room_that_is_promised_is_not_free(change: Callable[[PodBuilder], PodBuilder], promised: int) -> None:
    scene = a_scene(*NODES, a_vmi("web").on("n1"), change(waiting("n2", priority=5)))
    assert WHOLE - scene.free("n2", "memory") == promised * GI


@pytest.mark.parametrize("pinned", [True, False])
def test_a_target_pod_that_is_promised_room_is_counted_once(pinned: bool) -> None:
    vmi = a_vmi("web").on("n1")
    vmim = a_vmim(vmi).phase("Scheduling")
    vmi.launcher(vmim=vmim.to("n2") if pinned else vmim).pods[1].set("status.nominatedNodeName", "n2")
    assert used(vmi, vmim) == (VM, VM)


def test_ports_and_attachments_are_promised_with_the_room() -> None:
    vmi, pod = a_vmi("web").on("n1"), waiting("n2", priority=0)
    port = [{"containerPort": 80, "hostPort": 7000, "protocol": "TCP"}]
    for each in (vmi.pod, pod):
        each.json["spec"]["containers"][0]["ports"] = port
    assert a_scene(*NODES, vmi).admits(vmi, "n2") is None
    assert a_scene(*NODES, vmi, pod).admits(vmi, "n2") == "has the host port 7000/TCP taken"
    for each, claim in ((vmi.pod, "mine"), (pod, "theirs")):
        del each.json["spec"]["containers"][0]["ports"]
        each.set("spec.volumes", [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}])
    disks: list[Part] = [a_csinode("n2", {"csi.example.com": 1})]
    for name in ("mine", "theirs"):
        disks += [a_claim(name, f"pv-{name}"), a_volume(f"pv-{name}", "csi.example.com")]
    assert a_scene(*NODES, vmi, *disks).admits(vmi, "n2") is None
    refusal = "can attach 1 volumes of csi.example.com and has 1"
    assert a_scene(*NODES, vmi, pod, *disks).admits(vmi, "n2") == refusal
