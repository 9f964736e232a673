"""One real API server with an audit log for all end-to-end tests."""

from collections.abc import Iterator

import pytest

from controlplane.cluster import Cluster, from_environment
from tests.clusters import prepare_programs


def pytest_collection_finish(session: pytest.Session) -> None:
    """The programs are ready before any test's time-out runs."""
    prepare_programs(session)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster that CLUSTER names; without it a control plane of our own, which has an audit log."""
    with from_environment("e2e", audit="rules") as cluster:
        yield cluster
