"""What a pod asks for, and who it belongs to."""

import pytest

from tests.builders import PodBuilder, a_pod, a_vmi, a_vmim


def cpu(amount: int) -> dict[str, str]:
    return {"cpu": f"{amount}m"}


@pytest.mark.parametrize(
    ("pod", "asked"),
    [
        (a_pod("none"), {}),
        (a_pod("sum").container(cpu(100)).container(cpu(200)), {"cpu": 300}),
        (a_pod("init smaller").container(cpu(300)).init(cpu(200)).init(cpu(100)), {"cpu": 300}),
        (a_pod("init larger").container(cpu(100)).init(cpu(200)).init(cpu(300)), {"cpu": 300}),
        (a_pod("sidecar").container(cpu(100)).init(cpu(50), sidecar=True), {"cpu": 150}),
        (a_pod("large sidecar").container(cpu(10)).init(cpu(50), sidecar=True), {"cpu": 60}),
        (a_pod("sidecar first").container(cpu(10)).init(cpu(50), sidecar=True).init(cpu(200)), {"cpu": 250}),
        (a_pod("sidecar last").container(cpu(10)).init(cpu(200)).init(cpu(50), sidecar=True), {"cpu": 200}),
        (
            a_pod("two sidecars").init(cpu(50), sidecar=True).init(cpu(70), sidecar=True).container(cpu(100)),
            {"cpu": 220},
        ),
        (a_pod("resource by resource").container(cpu(100)).init({"memory": "1Ki"}), {"cpu": 100, "memory": 1024}),
        (a_pod("overhead").container(cpu(100)).set("spec.overhead", {"cpu": "5m", "memory": "1"}),
         {"cpu": 105, "memory": 1}),
        (a_pod("overhead on init").init(cpu(100)).set("spec.overhead", cpu(5)), {"cpu": 105}),
        (a_pod("rounded up").container({"cpu": "0.0001", "memory": "1m"}), {"cpu": 1, "memory": 1}),
    ],
    ids=lambda value: value.name if isinstance(value, PodBuilder) else "",
)  # fmt: skip
def test_requests(pod: PodBuilder, asked: dict[str, int]) -> None:
    assert pod.build().requests() == {**asked, "pods": 1}


@pytest.mark.parametrize(
    ("phase", "terminal"), [("Pending", False), ("Running", False), ("Unknown", False), ("Succeeded", True)]
)
def test_terminal(phase: str, terminal: bool) -> None:
    assert a_pod("p").phase(phase).build().terminal is terminal


def test_a_launcher_names_its_vm_and_its_migration() -> None:
    vmi = a_vmi("web")
    vmim = a_vmim(vmi)
    source, target = (pod.build() for pod in vmi.launcher(vmim=vmim).pods)
    assert (source.is_launcher, source.vmi_uid, source.migration_uid) == (True, vmi.uid, "")
    assert (target.is_launcher, target.vmi_uid, target.migration_uid) == (True, vmi.uid, vmim.uid)


@pytest.mark.parametrize(
    "owner",
    [
        {"kind": "VirtualMachineInstance", "name": "web", "uid": "u"},
        {"kind": "ReplicaSet", "name": "web", "uid": "u", "controller": True},
    ],
)
def test_only_a_vmi_that_controls_it_owns_it(owner: dict[str, object]) -> None:
    assert a_pod("p").set("metadata.ownerReferences", [owner]).build().vmi_uid == ""


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (a_pod("p"), None),
        (a_pod("p").unschedulable("0/3 nodes"), "0/3 nodes"),
        (a_pod("p").unschedulable(""), "no message"),
        (a_pod("p").condition("PodScheduled", "True"), None),
        (a_pod("p").condition("PodScheduled", "False", "SchedulingGated", "x"), None),
    ],
)
def test_unschedulable(pod: PodBuilder, words: str | None) -> None:
    assert pod.build().unschedulable() == words


def test_a_spread_constraint_has_the_defaults_of_the_api() -> None:
    (spread,) = a_pod("p").spreads("zone", {"app": "db"}).build().spec.topology_spread_constraints
    assert (spread.min_domains, spread.node_affinity_policy, spread.node_taints_policy) == (1, "Honor", "Ignore")
    assert spread.label_selector is not None
    assert spread.label_selector.matches({"app": "db"})
