"""The kinds of drover.dev, defined once in the tests' cluster."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.cluster import Cluster

CRDS = Path(__file__).parents[3] / "crds"


@pytest.fixture(scope="session")
def defined(cluster: Cluster) -> Iterator[str]:
    """Applies our definitions as strictly as the API server can, and waits for them; what the server warned of."""
    present = cluster.kubectl("get", "--ignore-not-found", "-f", str(CRDS), "-o", "name").stdout
    if present and not cluster.own:
        pytest.skip("this cluster has kinds of drover.dev already, and they are not ours to replace")
    applied = cluster.kubectl("apply", "--server-side", "--validate=strict", "-f", str(CRDS))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRDS))
    yield applied.stderr
    if not cluster.own:
        cluster.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", str(CRDS))


@pytest.fixture
def name(cluster: Cluster, defined: str) -> Iterator[str]:
    """A name for this test's objects of our kinds, which are removed after it."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield name
    each = [f"{short}/{name}" for short in ("mplan", "vnm", "mreport")]
    cluster.kubectl("delete", "--ignore-not-found", "--wait=false", *each)
