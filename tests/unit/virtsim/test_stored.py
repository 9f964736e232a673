"""What the API server would have added to a launcher pod, and what a kubeconfig tells of its etcd."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from virtsim.cluster.etcd import beside
from virtsim.fleet.stored import born, qos_class

HALF, WHOLE = {"cpu": "1"}, {"cpu": "1", "memory": "1Gi"}
CLASSES: list[tuple[list[dict[str, Any]], str]] = [
    ([{}, {}], "BestEffort"),
    ([{"requests": {"devices.kubevirt.io/kvm": "1", "cpu": "0"}}], "BestEffort"),
    ([{"requests": HALF}], "Burstable"),
    ([{"limits": HALF}], "Burstable"),
    ([{"limits": WHOLE}], "Guaranteed"),
    ([{"limits": WHOLE, "requests": {"cpu": "1000m", "memory": "1024Mi"}}], "Guaranteed"),
    ([{"limits": WHOLE, "requests": {"cpu": "500m"}}], "Burstable"),
    ([{"limits": WHOLE}, {"requests": HALF}], "Burstable"),
]
"""The containers' resources, the second an init container's."""


@pytest.mark.parametrize(("resources", "expected"), CLASSES)
def test_qos_class(resources: list[dict[str, Any]], expected: str) -> None:
    containers = [{"name": "c", "resources": entry} for entry in resources]
    assert qos_class({"spec": {"containers": containers[:1], "initContainers": containers[1:]}}) == expected


def test_two_of_one_name_are_told_apart() -> None:
    pods = [born({"metadata": {"generateName": "pod-"}})["metadata"] for _ in range(2)]
    assert len({pod["name"] for pod in pods}) == len({pod["uid"] for pod in pods}) == 2
    assert all(pod["name"].startswith("pod-") and len(pod["name"]) == 9 for pod in pods)


CLUSTERS: dict[str, tuple[dict[str, Any], str | None]] = {
    "told": ({"extensions": [{"name": "etcd", "extension": {"url": "http://127.0.0.1:1"}}]}, "http://127.0.0.1:1"),
    "somebody else's": ({"extensions": [{"name": "cluster_info", "extension": {"provider": "minikube"}}]}, None),
    "empty": ({"extensions": None}, None),
    "not told": ({}, None),
}


@pytest.mark.parametrize("case", CLUSTERS)
def test_the_current_context_tells_where_its_etcd_is(tmp_path: Path, case: str) -> None:
    said, expected = CLUSTERS[case]
    other = {"extensions": [{"name": "etcd", "extension": {"url": "http://other"}}]}
    config = {
        "current-context": "mine",
        "contexts": [
            {"name": "other", "context": {"cluster": "other"}},
            {"name": "mine", "context": {"cluster": "mine"}},
        ],
        "clusters": [{"name": "other", "cluster": other}, {"name": "mine", "cluster": said}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    assert beside(tmp_path / "config") == expected


def test_a_kubeconfig_without_context_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("apiVersion: v1")
    assert beside(tmp_path / "config") is None
