"""What the API server takes and what it refuses, and that every refusal says what to do."""

import pytest

from controlplane.cluster import Cluster
from tests.integration.api.bad import BAD
from tests.integration.api.good import GOOD
from tests.integration.api.objects import admitted, refusal

pytestmark = pytest.mark.usefixtures("defined")


@pytest.mark.parametrize("name", GOOD)
def test_good_objects_are_admitted(cluster: Cluster, name: str) -> None:
    assert admitted(cluster, GOOD[name])["spec"]


@pytest.mark.parametrize("name", BAD)
def test_bad_objects_are_refused_with_what_to_do(cluster: Cluster, name: str) -> None:
    wanted, message = BAD[name]
    assert message in refusal(cluster, wanted)
