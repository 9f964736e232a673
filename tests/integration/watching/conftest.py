"""A client of the tests' cluster, and names of this test's own in it."""

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from controlplane.cluster import Cluster
from drover.watching.client import Client


@pytest.fixture
async def client(cluster: Cluster, anyio_backend: str) -> AsyncIterator[Client]:
    client = Client()
    await client.open(str(cluster.kubeconfig))
    yield client
    await client.close()


@pytest.fixture
def node(cluster: Cluster) -> Iterator[str]:
    """The name for a node, which is removed after the test if it is there."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield name
    cluster.kubectl("delete", "node", name, "--ignore-not-found", "--wait=false")
