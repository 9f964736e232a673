"""How pods start, by what the VM's annotations say of a migration's target."""

from math import inf

import pytest

from tests.unit.virtsim.objects import a_pod, a_vmi
from virtsim.kubelet.starts import SLOWEST_SECONDS, start_of, unready_seconds
from virtsim.kubelet.status import is_unready, is_waiting, running, started_at, unready, waiting
from virtsim.objects.pods import is_ready
from virtsim.objects.resources import Object

TARGET = {"kubevirt.io/migrationJobUID": "vmim-uid"}

STARTS = [
    ({}, TARGET, SLOWEST_SECONDS, ""),
    ({"target-pod-seconds": "30"}, TARGET, 30.0, "ContainerCreating"),
    ({"target-pod-seconds": "never"}, TARGET, inf, "ContainerCreating"),
    ({"target-pod-seconds": "soon"}, TARGET, SLOWEST_SECONDS, ""),
    ({"target-pod-seconds": "never"}, {}, SLOWEST_SECONDS, ""),  # a first pod
    ({"image-pull-error": "true"}, TARGET, inf, "ImagePullBackOff"),
    ({"image-pull-error": "false"}, TARGET, SLOWEST_SECONDS, ""),
]


@pytest.mark.parametrize(("annotations", "labels", "seconds", "reason"), STARTS)
def test_starts(annotations: dict[str, str], labels: dict[str, str], seconds: float, reason: str) -> None:
    start = start_of(pod(labels), vmi(annotations))
    assert start.reason == reason
    assert start.seconds == seconds if reason else start.seconds <= seconds


@pytest.mark.parametrize(("text", "labels", "expected"), [("5", TARGET, 5.0), ("never", TARGET, inf), ("5", {}, 0.0)])
def test_how_long_it_is_unready(text: str, labels: dict[str, str], expected: float) -> None:
    assert unready_seconds(pod(labels), vmi({"target-pod-unready-seconds": text})) == expected


def test_what_is_seen_of_it() -> None:
    waits = with_status(waiting(pod({}), "ImagePullBackOff", "no"))
    assert (is_waiting(waits, "ImagePullBackOff"), is_ready(waits), started_at(waits)) == (True, False, None)
    half = with_status(unready(waits))
    assert (is_unready(half), is_ready(half), started_at(half) is None) == (True, False, False)
    whole = with_status(running(half))
    assert (is_unready(whole), is_ready(whole), started_at(whole)) == (False, True, started_at(half))


def pod(labels: dict[str, str]) -> Object:
    made = a_pod("Pending", labels=labels)
    made["spec"]["containers"][0]["image"] = "quay.io/kubevirt/virt-launcher:v1.9.0"
    return made


def vmi(annotations: dict[str, str]) -> Object:
    made = a_vmi()
    made["metadata"]["annotations"] = {f"virtsim.drover.dev/{key}": text for key, text in annotations.items()}
    return made


def with_status(status: Object) -> Object:
    return {**pod({}), "status": status}
