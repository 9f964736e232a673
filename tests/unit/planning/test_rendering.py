"""What the pods of a migration ask for when CPUs, memory or volumes are plugged in."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drover.facts.kubevirt import VMI
from drover.facts.pod import Pod
from drover.facts.quantity import resources
from drover.planning.demand import attachment, quota, rendering
from drover.planning.demand.vmclass import GUEST_MEMORY, target_demand
from tests.builders import NAMESPACE, KubeVirtBuilder, VMIBuilder, a_kubevirt, a_quota, a_vmi
from tests.unit.planning.scene import a_scene
from virtsim.objects.overhead import overhead_of
from virtsim.virt_controller.requirements import compute_resources

GI = 1 << 30
MI = 1 << 20
PLUGGING = [{"type": "HotVCPUChange", "status": "True"}, {"type": "HotMemoryChange", "status": "True"}]


def a_running(domain: dict[str, Any]) -> tuple[dict[str, Any], Pod]:
    """A VMI of this domain, and the pod that a KubeVirt with its defaults has made for it."""
    vmi = {"metadata": {"name": "v", "namespace": NAMESPACE, "uid": "v"}, "spec": {"domain": domain}}
    annotations = {"kubevirt.io/memory-overhead-bytes": str(overhead_of(vmi))}
    containers = [
        {"name": "compute", "resources": compute_resources(vmi)},
        {"name": "hook", "resources": {"requests": {"cpu": "200m", "memory": "64Mi"}}},
    ]
    pod = {"metadata": {"name": "p", "annotations": annotations}, "spec": {"containers": containers}}
    return vmi, msgspec.convert(pod, type=Pod)


def resized(vmi: dict[str, Any], domain: dict[str, Any]) -> VMI:
    """The VMI once its spec was changed and KubeVirt has seen it."""
    topology = {name: vmi["spec"]["domain"]["cpu"].get(name, 1) for name in ("cores", "sockets", "threads")}
    status = {"conditions": PLUGGING, "currentCPUTopology": topology}
    return msgspec.convert({**vmi, "spec": {"domain": domain}, "status": status}, type=VMI)


def amounts(container: Any) -> tuple[dict[str, int], dict[str, int]]:
    return resources(container["requests"]), resources(container["limits"])


def of(pod: Pod, name: str) -> tuple[dict[str, int], dict[str, int]]:
    found = next(each.resources for each in pod.spec.containers if each.name == name)
    return resources(found.requests), resources(found.limits)


@st.composite
def domains(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A domain, and the same with another number of sockets and another amount of memory."""
    kind = draw(st.sampled_from(["plain", "own requests", "own limits", "dedicated", "pages"]))
    sizes = st.integers(1, 4096)
    guests, sockets = draw(st.tuples(sizes, sizes)), draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    cores, isolated = draw(st.integers(1, 3)), draw(st.booleans())

    def domain(n: int) -> dict[str, Any]:
        guest = f"{guests[n]}Mi"
        cpu: dict[str, Any] = {"cores": cores, "sockets": sockets[n], "threads": 1, "maxSockets": 8}
        memory: dict[str, Any] = {"guest": guest}
        own: dict[str, Any] = {}
        if kind == "own requests":
            own = {"requests": {"cpu": f"{sockets[n]}50m", "memory": guest}}
        if kind == "own limits":
            own = {"limits": {"cpu": str(sockets[n] * cores), "memory": guest}}
        if kind == "dedicated":
            cpu |= {"dedicatedCpuPlacement": True, "isolateEmulatorThread": isolated}
        if kind == "pages":
            memory["hugepages"] = {"pageSize": "1Mi"}
        return {"cpu": cpu, "memory": memory, "resources": own}

    return domain(0), domain(1)


@given(domains())
def test_a_target_asks_what_kubevirt_makes_of_the_spec(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    before, after = pair
    vmi, pod = a_running(before)
    target = rendering.as_target(resized(vmi, after), pod, None)
    assert of(target, "compute") == amounts(compute_resources({**vmi, "spec": {"domain": after}}))
    assert of(target, "hook") == of(pod, "hook")


@given(domains())
def test_a_pod_is_rendered_again_only_while_something_is_plugged(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    vmi, pod = a_running(pair[0])
    changed = {**vmi, "spec": {"domain": pair[1]}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    assert rendering.as_target(msgspec.convert(changed, type=VMI), pod, None) is pod


def plugged(guest: str = "8Gi", sockets: int = 4, was: int = 2, **domain: Any) -> VMI:
    """Of 4 GiB and 2 sockets, which asks for more."""
    topology = {"cores": 1, "sockets": was, "threads": 1}
    spec = {"cpu": {"sockets": sockets, **domain.pop("cpu", {})}, "memory": {"guest": guest}, **domain}
    status = {"conditions": PLUGGING, "currentCPUTopology": topology, "memory": {"guestRequested": "4Gi"}}
    metadata = {"name": "v", "uid": "v", "annotations": domain.pop("annotations", {})}
    return msgspec.convert({"metadata": metadata, "spec": {"domain": spec}, "status": status}, type=VMI)


def a_pod(
    overhead: int | None = 100 * MI, memory: int = 4 * GI + 100 * MI, limits: dict[str, str] | None = None
) -> Pod:
    annotations = {"kubevirt.io/memory-overhead-bytes": str(overhead)} if overhead else {}
    compute = {
        "requests": {"cpu": "200m", "memory": str(memory), "devices.kubevirt.io/kvm": "1"},
        "limits": limits or {},
    }
    containers = [{"name": "compute", "resources": compute}]
    return msgspec.convert(
        {"metadata": {"name": "p", "annotations": annotations}, "spec": {"containers": containers}}, type=Pod
    )


def developing(**fields: int) -> KubeVirtBuilder:
    return a_kubevirt().set("spec.configuration.developerConfiguration", fields)


ISOLATED = {"dedicatedCpuPlacement": True, "isolateEmulatorThread": True}
POOL: dict[str, Any] = {"ioThreadsPolicy": "supplementalPool", "ioThreads": {"supplementalPoolThreadCount": 3}}
RATIO = a_kubevirt().set("spec.configuration.additionalGuestMemoryOverheadRatio", "1.5")


@pytest.mark.parametrize(
    ("vmi", "pod", "kubevirt", "cpu", "memory"),
    [
        (plugged(), a_pod(), a_kubevirt(), 400, 8 * GI + 116 * MI),
        (plugged(), a_pod(), developing(cpuAllocationRatio=1), 4000, 8 * GI + 116 * MI),
        (plugged(), a_pod(), developing(cpuAllocationRatio=3), 1334, 8 * GI + 116 * MI),
        (plugged(), a_pod(), developing(memoryOvercommit=200), 400, 4 * GI + 116 * MI),
        (plugged("1000"), a_pod(), developing(memoryOvercommit=150), 400, 666 + 116 * MI),
        (plugged("2Gi"), a_pod(), a_kubevirt(), 400, 2 * GI + 116 * MI),
        (plugged(), a_pod(), RATIO, 400, 8 * GI + 124 * MI),
        (plugged(**POOL), a_pod(), a_kubevirt(), 700, 8 * GI + 116 * MI),
        (plugged(cpu=ISOLATED), a_pod(), a_kubevirt(), 5000, 8 * GI + 116 * MI),
        (plugged(cpu=ISOLATED, **POOL), a_pod(), a_kubevirt(), 8000, 8 * GI + 116 * MI),
        (plugged(resources={"requests": {"memory": "6Gi"}, "overcommitGuestOverhead": True}), a_pod(),
         a_kubevirt(), 400, 6 * GI),
        (plugged(resources={}), a_pod(overhead=None), a_kubevirt(), 400, 8 * GI + 116 * MI),
        # nobody wrote the overhead on the pod
        (plugged(), a_pod(overhead=None), a_kubevirt(), 400, 8 * GI + 116 * MI),
        (plugged(), a_pod(overhead=None, memory=2 * GI + 100 * MI), developing(memoryOvercommit=200), 400,
         4 * GI + 116 * MI),
        (plugged(resources={"requests": {"memory": "9Gi"}}), a_pod(overhead=None), a_kubevirt(), 400,
         4 * GI + 100 * MI),
    ],
)  # fmt: skip
def test_the_configuration_counts(vmi: VMI, pod: Pod, kubevirt: KubeVirtBuilder, cpu: int, memory: int) -> None:
    requests, _ = of(rendering.as_target(vmi, pod, kubevirt.build()), "compute")
    assert requests == {"cpu": cpu, "memory": memory, "devices.kubevirt.io/kvm": 1}


@pytest.mark.parametrize(("sockets", "cpus"), [(4, 6), (5, 6)])
def test_the_number_of_dedicated_cpus_may_have_to_be_even(sockets: int, cpus: int) -> None:
    even = {"alpha.kubevirt.io/EmulatorThreadCompleteToEvenParity": ""}
    vmi = plugged(sockets=sockets, cpu=ISOLATED, annotations=even)
    requests, limits = of(rendering.as_target(vmi, a_pod(), None), "compute")
    assert requests["cpu"] == limits["cpu"] == 1000 * cpus


def test_limits_that_the_namespace_asks_for_keep_their_ratio() -> None:
    pod = a_pod(limits={"cpu": "2", "memory": str(2 * (4 * GI + 100 * MI))})
    assert of(rendering.as_target(plugged(), pod, None), "compute")[1] == {
        "cpu": 4000,
        "memory": 2 * (8 * GI + 116 * MI),
    }


def with_volume(*, status: bool = False, spec: bool = False) -> VMIBuilder:
    vmi = a_vmi("web").memory("4Gi")
    if status:
        vmi.set("status.volumeStatus", [{"name": "disk"}, {"name": "data", "hotplugVolume": {"attachPodName": "hp"}}])
    claim = {"claimName": "data", "hotpluggable": True}
    return vmi.set("spec.volumes", [{"name": "data", "persistentVolumeClaim": claim}]) if spec else vmi


@pytest.mark.parametrize(
    ("vmi", "more"),
    [
        (with_volume(), {}),
        (with_volume(spec=True), {"cpu": 10, "memory": 2_000_000, GUEST_MEMORY: 2_000_000, "pods": 1}),
        (with_volume(status=True), {"cpu": 10, "memory": 2_000_000, GUEST_MEMORY: 2_000_000, "pods": 1}),
    ],
)
def test_a_second_pod_holds_hotplugged_volumes(vmi: VMIBuilder, more: dict[str, int]) -> None:
    plain = target_demand(a_vmi("web").memory("4Gi").build(), vmi.pod.build(), None)
    wanted = target_demand(vmi.build(), vmi.pod.build(), None)
    assert {name: wanted[name] - plain[name] for name in wanted if wanted[name] != plain[name]} == more


def test_what_it_asks_for_is_configured() -> None:
    given = {"requests": {"cpu": "0", "memory": "8M", "gpu": "1"}, "limits": {"cpu": "1"}}
    others = {"type": "sidecar", "resources": {"requests": {"cpu": "7"}}}
    kubevirt = a_kubevirt().set(
        "spec.configuration.supportContainerResources", [others, {"type": "hotplug-disk", "resources": given}]
    )
    beside = attachment.attachment(with_volume(spec=True).build(), kubevirt.build())
    assert beside is not None
    assert of(beside, "hotplug-disk") == ({"cpu": 10, "memory": 8_000_000}, {"cpu": 1000, "memory": 80_000_000})


@pytest.mark.parametrize(("pods", "short"), [("2", False), ("1", True)])
def test_quota_is_for_both(pods: str, short: bool) -> None:
    vmi = with_volume(spec=True)
    left = a_quota("q").set("status", {"hard": {"pods": pods, "limits.cpu": "100m"}, "used": {}})
    made = attachment.migration_pods(vmi.build(), vmi.pod.build(), None)
    assert (quota.exceeded(made, NAMESPACE, a_scene(vmi, left).relations) is not None) is short
