"""A release through its life with helm: what it does to the definitions of the kinds."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.cluster import Cluster
from drover.api.crd import RESOURCES
from manifests.render import CHART

GROUP = "release.example.com"
"""Of this test's own, so that the kinds of drover.dev in the same cluster are not touched."""

NAMES = [f"{resource.plural}.{GROUP}" for resource in RESOURCES]
NOW = "One run of one set of moves."
THEN = "As it was in an older version."


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A copy of the chart, with its kinds in a group of this test's own."""
    copy = tmp_path / "drover"
    shutil.copytree(CHART, copy)
    _replace(copy, "drover.dev", GROUP)
    return copy


def _replace(chart: Path, old: str, new: str) -> None:
    for path in (chart / "files" / "crds").iterdir():
        path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def release(cluster: Cluster, namespace: str) -> Iterator[str]:
    """The name of the release, of which nothing is left afterwards."""
    yield namespace
    cluster.helm("uninstall", namespace, f"--namespace={namespace}", "--ignore-not-found")
    cluster.kubectl("delete", "crd", "--ignore-not-found", *NAMES)


def test_definitions_are_upgraded_with_the_release_and_outlive_it(cluster: Cluster, chart: Path, release: str) -> None:
    here = (release, str(chart), f"--namespace={release}", "--set=replicas=0")
    _replace(chart, NOW, THEN)
    assert "replicas is 0: nothing acts on these objects" in cluster.helm("install", *here).stdout
    assert described(cluster) == THEN
    _replace(chart, THEN, NOW)
    cluster.helm("upgrade", *here)
    assert described(cluster) == NOW
    cluster.helm("uninstall", release, f"--namespace={release}")
    assert cluster.kubectl("get", "clusterrole", release, "--ignore-not-found").stdout == ""
    assert described(cluster) == NOW


def described(cluster: Cluster) -> str:
    """What the API server knows of MigrationPlan."""
    path = "-o=jsonpath={.spec.versions[0].schema.openAPIV3Schema.description}"
    return cluster.kubectl("get", "crd", f"migrationplans.{GROUP}", path).stdout
