"""A simulator per module, on the one API server, with its fleet gone afterwards."""

from collections.abc import AsyncIterator

import pytest

from controlplane.cluster import Cluster
from tests.integration.virtsim.scene import Scene
from virtsim.fleet.spec import parse
from virtsim.options import Options
from virtsim.simulator import running


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """As wide as the simulator's fixture."""
    return "asyncio"


@pytest.fixture(scope="module")
async def scene(cluster: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """The module's FLEET, simulated; transfers take the seconds that a VM's annotation says."""
    fleet = parse(request.module.FLEET)
    async with running(cluster.kubeconfig, fleet, Options()) as simulator:
        yield Scene(simulator)
        await simulator.clear()
