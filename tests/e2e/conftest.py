"""One real API server with an audit log and the chart in it, for all end-to-end tests."""

import asyncio
from collections.abc import Iterator

import pytest

from controlplane.cluster import Cluster, from_environment
from tests.clusters import prepare_programs
from tests.e2e import permissions
from tests.e2e.installing import Installed, installed
from tests.e2e.operating import Operator
from tests.e2e.staging import Stage
from virtsim.cluster.client import connect
from virtsim.crds.install import install


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(permissions.Judge(config))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    permissions.send(session)


def pytest_collection_finish(session: pytest.Session) -> None:
    """The programs are ready before any test's time-out runs."""
    prepare_programs(session)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster that CLUSTER names; without it a control plane of our own, which has an audit log."""
    with from_environment("e2e", audit="rules") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def installation(cluster: Cluster, pytestconfig: pytest.Config) -> Iterator[Installed]:
    """The chart, and the kinds of a KubeVirt that is to come."""
    asyncio.run(_kubevirt(cluster))
    with installed(cluster) as found:
        yield found
        pytestconfig.stash[permissions.SEEN] = permissions.seen_in(found)


@pytest.fixture(scope="session")
def stage(installation: Installed) -> Iterator[Stage]:
    """Where scenes take place, one after the other."""
    log = installation.cluster.directory / "operator.log"
    operator = Operator(installation.kubeconfig, installation.arguments(), log)
    yield Stage(installation, operator)
    operator.kill()


async def _kubevirt(cluster: Cluster) -> None:
    async with connect(str(cluster.kubeconfig)) as client:
        await install(client)
