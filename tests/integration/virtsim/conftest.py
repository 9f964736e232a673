"""A simulator per module, on the one API server, with its fleet gone afterwards."""

from collections.abc import AsyncIterator

import pytest

from controlplane.cluster import Cluster
from tests.integration.virtsim.scene import Scene
from virtsim.cluster.client import JSON_PATCH
from virtsim.fleet.spec import parse
from virtsim.objects.resources import KUBEVIRTS
from virtsim.options import Options
from virtsim.simulator import running


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """As wide as the simulator's fixture."""
    return "asyncio"


@pytest.fixture(scope="module")
async def scene(cluster: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """The module's FLEET, simulated, with its OPTIONS if it has any."""
    fleet = parse(request.module.FLEET)
    options = getattr(request.module, "OPTIONS", Options())
    async with running(cluster.kubeconfig, fleet, options) as simulator:
        yield Scene(simulator)
        await simulator.clear()
        defaults = [{"op": "add", "path": "/spec/configuration", "value": {}}]
        await simulator.client.patch(KUBEVIRTS, "kubevirt", "kubevirt", defaults, JSON_PATCH)
