"""The chart, rendered, and installed once for all tests of what its account may do."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from controlplane.cluster import Cluster
from manifests.render import NAMESPACE, chart, install

Json = dict[str, Any]
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:drover"


def objects(text: str) -> list[Json]:
    """The objects in a YAML file."""
    return [each for each in yaml.safe_load_all(text) if each]


def the(kind: str, among: list[Json]) -> Json:
    """The only object of this kind."""
    (found,) = (each for each in among if each["kind"] == kind)
    return found


@dataclass(frozen=True)
class Installed:
    """The chart in a cluster, without its operator."""

    cluster: Cluster
    rendered: list[Json]
    warnings: str


@pytest.fixture(scope="session")
def rendered() -> list[Json]:
    return objects(chart("--set", "replicas=0"))


@pytest.fixture(scope="module")
def installed(cluster: Cluster, rendered: list[Json]) -> Iterator[Installed]:
    """manifests/install.yaml with no replica; all of it is removed afterwards but the kinds."""
    present = cluster.kubectl("get", "namespace", NAMESPACE, "--ignore-not-found").stdout
    if present and not cluster.own:
        pytest.skip("this cluster has a Drover already, and it is not ours to replace")
    namespace = objects(install())[0]
    wanted = json.dumps({"apiVersion": "v1", "kind": "List", "items": [namespace, *rendered]})
    try:
        applied = cluster.kubectl("apply", "--server-side", "--validate=strict", "-f", "-", input=wanted)
        yield Installed(cluster, rendered, applied.stderr)
    finally:
        ours = [each for each in rendered if cluster.own is False or each["kind"] != "CustomResourceDefinition"]
        items = json.dumps({"apiVersion": "v1", "kind": "List", "items": [*ours, namespace]})
        cluster.kubectl("delete", "--ignore-not-found", "-f", "-", input=items)
