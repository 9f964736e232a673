"""A cluster of these tests' own: they take our kinds away, which other tests need."""

from collections.abc import Iterator

import pytest

from controlplane.cluster import Cluster, from_environment


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with from_environment("handlers") as cluster:
        if not cluster.own:
            pytest.skip("these tests delete the definitions of drover.dev's kinds")
        yield cluster
