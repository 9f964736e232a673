"""What the scheduler reserves for a pod: told again, container by container, and by table."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import PodBuilder, a_pod

MI = 1 << 20


def sized(*, status: dict[str, Any] | None = None, pod_status: dict[str, Any] | None = None) -> PodBuilder:
    """A pod with one container of 100m and 100Mi, and what the kubelet says of it."""
    pod = a_pod("p").container({"cpu": "100m", "memory": "100Mi"}, "app")
    if status is not None:
        pod.set("status.containerStatuses", [{"name": "app", **status}])
    for key, value in (pod_status or {}).items():
        pod.set(f"status.{key}", value)
    return pod


def given_(cpu: str, memory: str = "100Mi") -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu, "memory": memory}}}


INFEASIBLE = {"conditions": [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}]}
DEFERRED = {"conditions": [{"type": "PodResizePending", "status": "True", "reason": "Deferred"}]}


@pytest.mark.parametrize(
    ("pod", "cpu"),
    [
        pytest.param(sized(), 100, id="as asked"),
        pytest.param(sized(status=given_("100m")), 100, id="as given"),
        pytest.param(sized(status=given_("300m")), 300, id="it shrinks, and still has it"),
        pytest.param(sized(status=given_("50m")), 100, id="it grows, and will have it"),
        pytest.param(sized(status={**given_("50m"), "allocatedResources": {"cpu": "200m"}}), 200, id="allotted"),
        pytest.param(sized(status=given_("50m"), pod_status=INFEASIBLE), 50, id="it can never grow there"),
        pytest.param(sized(status=given_("50m"), pod_status=DEFERRED), 100, id="it can later"),
        pytest.param(sized(status={"allocatedResources": {"cpu": "900m"}}), 100, id="without resources it counts not"),
    ],
)
def test_a_pod_that_is_resized_in_place_holds_the_most(pod: PodBuilder, cpu: int) -> None:
    assert pod.build().requests()["cpu"] == cpu


def test_an_init_container_that_has_ended_is_not_resized() -> None:
    pod = sized().init({"cpu": "400m"})
    name = pod.json["spec"]["initContainers"][0]["name"]
    pod.set("status.initContainerStatuses", [{"name": name, **given_("900m")}])
    assert pod.build().requests()["cpu"] == 400
    pod.json["spec"]["initContainers"][0]["restartPolicy"] = "Always"
    assert pod.build().requests()["cpu"] == 1000


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"cpu": "2"}, {"cpu": 2000, "memory": 100 * MI}),
        ({"memory": "1Gi"}, {"cpu": 100, "memory": 1024 * MI}),
        ({"hugepages-2Mi": "4Mi"}, {"cpu": 100, "memory": 100 * MI, "hugepages-2Mi": 4 * MI}),
        ({"example.com/gpu": "1"}, {"cpu": 100, "memory": 100 * MI}),
    ],
)
def test_a_pods_own_requests_stand_for_its_containers(own: dict[str, str], expected: dict[str, int]) -> None:
    pod = sized().set("spec.resources", {"requests": own})
    assert pod.build().requests() == {**expected, "pods": 1}
    pod.set("spec.overhead", {"cpu": "10m"})
    assert pod.build().requests()["cpu"] == expected["cpu"] + 10


def test_a_pods_own_requests_are_resized_too() -> None:
    pod = sized().set("spec.resources", {"requests": {"cpu": "2"}})
    pod.set("status.resources", {"requests": {"cpu": "3"}})
    assert pod.build().requests()["cpu"] == 3000


@pytest.mark.parametrize(
    ("conditions", "cpu"),
    [(None, 2000), (INFEASIBLE, 0)],
    ids=["it is given memory alone", "and can never have CPU"],
)
def test_what_a_pod_does_not_ask_for_as_a_whole_is_not_resized_as_a_whole(
    conditions: dict[str, Any] | None, cpu: int
) -> None:
    pod = sized(pod_status=conditions).set("spec.resources", {"requests": {"cpu": "2"}})
    pod.set("status.resources", {"requests": {"memory": "1Gi"}})
    assert pod.build().requests() == {"cpu": cpu, "memory": 100 * MI, "pods": 1}


@pytest.mark.parametrize(
    ("memory", "bytes_"), [(("1500m", "1500m"), 3), (("500m", "500m"), 1), (("1", "1m"), 2), (("2", "3"), 5)]
)
def test_a_pod_is_rounded_as_a_whole(memory: tuple[str, str], bytes_: int) -> None:
    pod = a_pod("p").container({"memory": memory[0]}, "one").container({"memory": memory[1]}, "two")
    assert pod.build().requests()["memory"] == bytes_


AMOUNT = st.integers(0, 5)


@given(st.lists(AMOUNT, min_size=1, max_size=3), st.lists(st.tuples(AMOUNT, st.booleans()), max_size=4), AMOUNT)
def test_the_largest_moment(containers: list[int], inits: list[tuple[int, bool]], overhead: int) -> None:
    """Every moment of the pod's life is looked at: each init container beside the sidecars before it, then all."""
    pod = a_pod("p")
    pod.set("spec.containers", [{"name": f"c{n}", "resources": {"requests": {"cpu": str(cpu)}}}
                                for n, cpu in enumerate(containers)])  # fmt: skip
    for cpu, sidecar in inits:
        pod.init({"cpu": str(cpu)}, sidecar=sidecar)
    pod.set("spec.overhead", {"cpu": str(overhead)})
    moments, beside = [], 0
    for cpu, sidecar in inits:
        moments.append(beside + cpu)
        beside += cpu if sidecar else 0
    moments.append(beside + sum(containers))
    assert pod.build().requests()["cpu"] == 1000 * (max(moments) + overhead)
