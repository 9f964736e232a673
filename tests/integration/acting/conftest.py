"""Our kinds and KubeVirt's definitions on the real API server, and what a writer works with."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controlplane.cluster import Cluster
from drover.acting.outcome import Hands
from drover.watching.client import Client
from drover.watching.listing import list_all
from drover.watching.resources import ALL
from drover.watching.store import Store
from virtsim.crds.install import definitions

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def kinds(cluster: Cluster) -> Cluster:
    """The cluster, with all definitions established."""
    cluster.kubectl("apply", "--filename", str(ROOT / "crds"))
    for definition in definitions():
        cluster.kubectl("apply", "--filename=-", input=json.dumps(definition))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    return cluster


@pytest.fixture
async def hands(kinds: Cluster) -> AsyncIterator[Hands]:
    """A client, and a Store that knows what is there."""
    client, store = Client(), Store()
    await client.open(str(kinds.kubeconfig))
    hands = Hands(client, store, lambda: datetime.now(UTC))
    await look(hands)
    yield hands
    await client.close()


async def look(hands: Hands) -> None:
    """List everything into the Store, as the informers do."""
    for resource in ALL:
        listing = await list_all(hands.client, resource)
        hands.store.replace(resource, listing.things, listing.resource_version)
        hands.store.heard(resource, hands.clock())
