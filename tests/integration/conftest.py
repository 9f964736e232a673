"""One real API server for all integration tests, and a namespace for each of them."""

from collections.abc import Iterator

import pytest

from controlplane.cluster import Cluster, from_environment
from tests.clusters import a_namespace, prepare_programs


def pytest_collection_finish(session: pytest.Session) -> None:
    """The programs are ready before any test's time-out runs."""
    prepare_programs(session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests have measured: their property `measured`, which comes here from every process."""
    reports = [report for each in terminalreporter.stats.values() for report in each if hasattr(report, "when")]
    lines = [str(text) for report in reports for name, text in report.user_properties if name == "measured"]
    for line in dict.fromkeys(lines):
        terminalreporter.write_line(line)


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
