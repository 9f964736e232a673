"""What a target pod will ask of its node, told from the running pod, the VM and the source node."""

from typing import Any

import pytest

from drover.facts.kubevirt import HOSTNAME
from drover.facts.pod import MIGRATION_JOB_UID
from drover.planning.checks import chain
from drover.planning.checks.check import Answer
from drover.planning.demand.selection import pins_host
from drover.planning.demand.vmclass import GUEST_MEMORY
from tests.builders import OVERHEAD, VMIBuilder, a_kubevirt, a_node, a_vmi, a_vmim
from tests.unit.planning.scene import Part, a_scene

BASE = {"kubevirt.io/schedulable": "true", "kubernetes.io/arch": "amd64"}
VENDOR = "cpu-vendor.node.kubevirt.io/Intel"
MIGRATION_MODEL = "cpu-model-migration.node.kubevirt.io/"
CPU_FEATURE = "cpu-feature.node.kubevirt.io/"
MACHINE = "machine-type.node.kubevirt.io/"
SOURCE = a_node("n1").labelled(
    {
        VENDOR: "true",
        "host-model-cpu.node.kubevirt.io/Skylake": "true",
        "host-model-required-features.node.kubevirt.io/vmx": "true",
        "cpu-model.node.kubevirt.io/Skylake": "true",
    }
)
GI = 1 << 30


def host_model(name: str = "web") -> VMIBuilder:
    return a_vmi(name).set("spec.domain.cpu", {"model": "host-model"})


def with_pod(vmi: VMIBuilder, *keys: str, **labels: str) -> VMIBuilder:
    vmi.pod.selects({**dict.fromkeys(keys, "true"), **labels})
    return vmi


def migrated(vmi: VMIBuilder, by: str = "a-migration") -> VMIBuilder:
    """Its pod was the target of a migration that may be gone by now."""
    vmi.pod.labelled({MIGRATION_JOB_UID: f"{by}-uid"}).annotated({"kubevirt.io/migrationJobName": by})
    return vmi


@pytest.mark.parametrize(
    ("vmi", "asked"),
    [
        pytest.param(a_vmi("web"), {VENDOR: "true"}, id="a fixed model keeps the vendor"),
        pytest.param(
            host_model(),
            {VENDOR: "true", MIGRATION_MODEL + "Skylake": "true", CPU_FEATURE + "vmx": "true"},
            id="host-model is the source node's",
        ),
        pytest.param(
            with_pod(host_model(), MIGRATION_MODEL + "Haswell", CPU_FEATURE + "aes", "cpu-vendor.node.kubevirt.io/AMD"),
            {
                MIGRATION_MODEL + "Haswell": "true",
                CPU_FEATURE + "aes": "true",
                "cpu-vendor.node.kubevirt.io/AMD": "true",
            },
            id="a guest that has moved keeps the model it started with",
        ),
        pytest.param(
            with_pod(a_vmi("web"), MACHINE + "q35").set("status.machine", {"type": "pc-q35-rhel9.6.0"}),
            {VENDOR: "true", MACHINE + "pc-q35-rhel9.6.0": "true"},
            id="the machine type it got, not the alias",
        ),
        pytest.param(
            migrated(with_pod(a_vmi("web"), rack="a", **{HOSTNAME: "n1"})),
            {VENDOR: "true"},
            id="an earlier migration's addedNodeSelector is not repeated",
        ),
        pytest.param(
            with_pod(a_vmi("web"), rack="a").set("spec.nodeSelector", {"disk": "ssd"}),
            {VENDOR: "true", "disk": "ssd"},
            id="what only the running pod selects may be the VM's of before",
        ),
        pytest.param(
            with_pod(a_vmi("web"), **{HOSTNAME: "n1"}).set("spec.nodeSelector", {HOSTNAME: "n7", "rack": "b"}),
            {VENDOR: "true", HOSTNAME: "n7", "rack": "b"},
            id="the VM's own selector is kept, as it is now",
        ),
    ],
)
def test_node_selector(vmi: VMIBuilder, asked: dict[str, str]) -> None:
    assert a_scene(SOURCE, vmi).selector(vmi) == {**BASE, **asked}


def test_the_clusters_selectors_are_asked_of_every_pod() -> None:
    vmi = a_vmi("web").set("spec.nodeSelector", {"pool": "mine"})
    kubevirt = a_kubevirt().set("spec.configuration.developerConfiguration.nodeSelectors", {"pool": "vms", "x": "y"})
    assert a_scene(a_node("n1"), vmi, kubevirt).selector(vmi) == {**BASE, "pool": "mine", "x": "y"}


def test_without_the_source_node_nothing_is_invented() -> None:
    vmi = host_model()
    assert a_scene(vmi).selector(vmi) == BASE


@pytest.mark.parametrize(
    ("vmi", "memory"),
    [
        pytest.param(a_vmi("web").memory("4Gi"), 4 * GI + OVERHEAD, id="requests cover the guest"),
        pytest.param(a_vmi("web").memory("4Gi").requests(memory="1Gi"), 4 * GI + OVERHEAD, id="overcommitted"),
        pytest.param(a_vmi("web").memory("1Gi").requests(memory="8Gi"), 8 * GI, id="more asked than the guest has"),
        pytest.param(
            a_vmi("web").memory("4Gi").requests({"hugepages-2Mi": "4Gi", "memory": "300Mi"}),
            300 << 20,
            id="huge pages are not memory",
        ),
        pytest.param(
            a_vmi("web").memory("6Gi").requests({"hugepages-1Gi": "4Gi", "memory": "300Mi"}),
            2 * GI + OVERHEAD,
            id="plugged in beyond its huge pages",
        ),
    ],
)
def test_guest_memory(vmi: VMIBuilder, memory: int) -> None:
    assert dict(a_scene(a_node("n1"), vmi).vm_class(vmi).requests)[GUEST_MEMORY] == memory


def test_the_overhead_may_come_from_the_status() -> None:
    vmi = a_vmi("web").memory("4Gi").requests(memory="1Gi").set("status.memory", {"memoryOverhead": "1Gi"})
    vmi.pod.set("metadata.annotations", {})
    assert dict(a_scene(vmi).vm_class(vmi).requests)[GUEST_MEMORY] == 5 * GI


def test_equal_vms_are_one_class() -> None:
    one, other, larger = a_vmi("one"), a_vmi("other"), a_vmi("larger").memory("8Gi")
    scene = a_scene(SOURCE, one, other, larger)
    assert len({scene.vm_class(vmi) for vmi in (one, other, larger)}) == 2


@pytest.mark.parametrize(("selector", "host"), [({}, None), ({HOSTNAME: "n1"}, "n1"), ({"rack": "a"}, None)])
def test_pinned_by_its_own_selector(selector: dict[str, str], host: str | None) -> None:
    vmi = a_vmi("web").set("spec.nodeSelector", selector)
    assert pins_host(a_scene(a_node("n1"), vmi).vm_class(vmi).node_selector) == host


def doubtful(vmi: VMIBuilder, *parts: Part) -> dict[str, str]:
    return dict(a_scene(SOURCE, vmi, *parts).vm_class(vmi).former)


def test_what_nobody_knows_the_reason_of_is_remembered_as_that() -> None:
    changed = with_pod(a_vmi("web"), rack="a").set("spec.nodeSelector", {"disk": "ssd"})
    assert doubtful(changed) == {"rack": "a"}
    assert doubtful(with_pod(a_vmi("web"), rack="a", **{HOSTNAME: "n1"})) == {"rack": "a"}
    assert doubtful(migrated(with_pod(a_vmi("web"), rack="a", **{HOSTNAME: "n1"}))) == {"rack": "a"}


def test_the_selector_of_a_migration_that_is_still_there_is_known() -> None:
    vmi = migrated(with_pod(a_vmi("web"), rack="a", pool="b", **{HOSTNAME: "n1"}), "moved")
    vmim = a_vmim(vmi, "moved").phase("Succeeded").set("spec.addedNodeSelector", {HOSTNAME: "n1", "rack": "a"})
    scene = a_scene(SOURCE, vmi, vmim.with_uid("moved-uid"))
    assert scene.selector(vmi) == {**BASE, VENDOR: "true"}
    assert doubtful(vmi, vmim) == {"pool": "b"}
    assert doubtful(vmi, vmim.with_uid("another")) == {"rack": "a", "pool": "b"}


def test_a_runtime_class_adds_its_selector_again() -> None:
    vmi = with_pod(a_vmi("web"), rack="a").set("spec.nodeSelector", {"disk": "ssd"})
    vmi.pod.set("spec.runtimeClassName", "kata")
    assert a_scene(SOURCE, vmi).selector(vmi) == {**BASE, VENDOR: "true", "rack": "a", "disk": "ssd"}


OBSOLETE = {"key": "node-labeller.kubevirt.io/obsolete-host-model", "operator": "DoesNotExist"}


def requiring(*terms: list[dict[str, Any]]) -> dict[str, Any]:
    selector = {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}


RACK_A: dict[str, Any] = {"key": "rack", "operator": "In", "values": ["a"]}
RACK_B: dict[str, Any] = {"key": "rack", "operator": "In", "values": ["b"]}


@pytest.mark.parametrize(
    ("pod", "vm", "allowed"),
    [
        ({}, None, "n1 n2 n3"),
        (requiring([RACK_A]), None, "n1 n2"),
        (requiring([RACK_A, OBSOLETE]), requiring([RACK_A]), "n1"),
        (requiring([RACK_A, OBSOLETE]), requiring([RACK_B]), "n3"),
        (requiring([RACK_A, OBSOLETE]), requiring([RACK_A], [RACK_B]), "n1 n3"),
        (requiring([OBSOLETE]), {}, "n1 n3"),
        (requiring([RACK_A]), {}, "n1 n2 n3"),
        ({}, requiring([RACK_B]), "n3"),
    ],
)
def test_node_affinity_is_the_vms_of_now_with_kubevirts_part_of_the_running_pod(
    pod: dict[str, Any], vm: dict[str, Any] | None, allowed: str
) -> None:
    vmi = a_vmi("web")
    vmi.pod.set("spec.affinity", pod)
    if vm is not None:
        vmi.set("spec.affinity", vm)
    nodes = [a_node(name).labelled(rack=rack) for name, rack in (("n1", "a"), ("n2", "a"), ("n3", "b"))]
    nodes[1].labelled({OBSOLETE["key"]: "true"})
    ground = a_scene(*nodes, vmi).fleet()
    codes = chain.static(a_scene(*nodes, vmi).vm_class(vmi), ground.classes)
    assert " ".join(node.name for node, code in zip(ground.nodes, codes, strict=True) if not code) == allowed


@pytest.mark.parametrize(
    ("condition", "overhead", "asked"),
    [("True", True, 6 * GI + OVERHEAD), ("False", True, 6 * GI + OVERHEAD), ("True", False, 4 * GI + OVERHEAD)],
)
def test_memory_that_is_being_plugged_is_asked_for(condition: str, overhead: bool, asked: int) -> None:
    vmi = a_vmi("web").memory("4Gi").set("spec.domain.memory.guest", "6Gi").condition("HotMemoryChange", condition)
    if not overhead:
        vmi.pod.annotated({"kubevirt.io/memory-overhead-bytes": ""})
    requests = dict(a_scene(SOURCE, vmi).vm_class(vmi).requests)
    assert requests["memory"] == asked


def pod_with(path: str, value: object) -> VMIBuilder:
    vmi = a_vmi("web").on("n1")
    vmi.pod.set(path, value)
    return vmi


EPHEMERAL = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}
EXTENDED = {"requestMappings": [{"containerName": "compute", "resourceName": "example.com/gpu", "requestName": "r"}]}
BEYOND = [
    (a_vmi("web").on("n1"), None),
    (pod_with("spec.schedulerName", "another"), "has a scheduler of its own (another)"),
    (pod_with("spec.resourceClaims", [{"name": "gpu"}]), "claims devices that only the scheduler can allocate (DRA)"),
    (pod_with("status.extendedResourceClaimStatus", EXTENDED),
     "claims devices that only the scheduler can allocate (DRA)"),
    (pod_with("spec.volumes", [EPHEMERAL]), "has a volume that is made for each pod anew (scratch)"),
]  # fmt: skip


@pytest.mark.parametrize(("vmi", "words"), BEYOND)
def test_what_nobody_can_judge_is_allowed_and_said(vmi: VMIBuilder, words: str | None) -> None:
    said = a_scene(a_node("n1"), a_node("n2"), vmi).verdict(vmi, "n2")
    assert said.words == (f"may refuse a VM that {words}" if words else "")
    assert said.answer is (Answer.UNKNOWN if words else Answer.YES)


def test_what_the_scheduler_claims_is_not_asked_of_what_nodes_say_they_have() -> None:
    vmi = pod_with("status.extendedResourceClaimStatus", EXTENDED).requests({"example.com/gpu": "1", "cpu": "1"})
    assert a_scene(a_node("n1"), a_node("n2"), vmi).admits(vmi, "n2") is None
    del vmi.pod.json["status"]["extendedResourceClaimStatus"]
    assert a_scene(a_node("n1"), a_node("n2"), vmi).admits(vmi, "n2") == "does not offer a device the VM needs"
