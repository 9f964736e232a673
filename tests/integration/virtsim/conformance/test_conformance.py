"""Each recorded scenario is written, told and answered as it was by the real virt-controller and virt-api 1.9."""

import pytest

from controlplane.cluster import Cluster
from tests.integration.virtsim.conformance.playing import Outcome, fleet, played
from tests.integration.virtsim.conformance.table import Table, tables
from tests.integration.virtsim.scene import Scene

TABLES = tables()
FLEET = fleet(TABLES)

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def outcomes(scene: Scene, cluster: Cluster) -> dict[str, Outcome]:
    """All scenarios, played once."""
    return await played(scene, cluster.kubeconfig, TABLES)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
async def test_it_goes_as_recorded(outcomes: dict[str, Outcome], table: Table) -> None:
    outcome = outcomes[table.name]
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert not outcome.differences, f"{table.name}\n{outcome}"
