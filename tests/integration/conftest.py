"""One real API server for all integration tests, and a namespace for each of them."""

from collections.abc import Iterator

import pytest

from controlplane.cluster import Cluster, from_environment
from tests.clusters import a_namespace, prepare_programs


def pytest_collection_finish(session: pytest.Session) -> None:
    """The programs are ready before any test's time-out runs."""
    prepare_programs(session)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster that CLUSTER names; without it a control plane of our own."""
    with from_environment("test") as cluster:
        yield cluster


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of this test's own, gone some time after it."""
    with a_namespace(cluster) as name:
        yield name
