"""kopf on a real API server: it tells us of our kinds, leaves no trace on them, and survives that they vanish."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from controlplane.cluster import Cluster
from drover import handlers
from drover.api.shared import FINALIZER
from drover.handlers import Handlers
from tests.unit.watching.server import eventually

pytestmark = pytest.mark.anyio
CRDS = Path(__file__).parents[3] / "crds"
WITHIN = 40.0

PLAN: dict[str, Any] = {
    "apiVersion": "drover.dev/v1alpha1",
    "kind": "MigrationPlan",
    "metadata": {"name": "p", "finalizers": [FINALIZER]},
    "spec": {"evacuate": {"nodes": {"names": ["n1"]}}},
}
MAINTENANCE: dict[str, Any] = {
    "apiVersion": "drover.dev/v1alpha1",
    "kind": "NodeMaintenance",
    "metadata": {"name": "n1"},
    "spec": {"nodeName": "n1"},
}
RIGHTS: dict[str, Any] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "kopf-test"},
    "rules": [
        {
            "apiGroups": ["drover.dev"],
            "resources": ["migrationplans", "nodemaintenances"],
            "verbs": ["list", "watch"],
        }
    ],
}


class Told:
    """What kopf told us, newest last."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str, str]] = []

    def deliver(self, resource: str, change: str, body: dict[str, Any]) -> None:
        self.all.append((resource, change, body["metadata"]["name"]))

    async def of(self, resource: str, change: str, name: str, times: int = 1) -> None:
        await eventually(lambda: self.all.count((resource, change, name)) >= times, WITHIN)


@pytest.fixture
def told() -> Told:
    return Told()


@asynccontextmanager
async def handling(told: Told, kubeconfig: Path) -> AsyncIterator[None]:
    running = Handlers(told.deliver, kubeconfig=str(kubeconfig))
    running.start()
    try:
        yield
    finally:
        await running.stop()


def define(cluster: Cluster) -> None:
    cluster.kubectl("apply", "--server-side", "-f", str(CRDS))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRDS))


def create(cluster: Cluster, body: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(cluster.kubectl("create", "-o", "json", "-f", "-", input=json.dumps(body)).stdout)
    return made


def read(cluster: Cluster, what: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cluster.kubectl("get", what, "-o", "json", "--show-managed-fields").stdout)
    return found


async def test_it_begins_when_our_kinds_are_defined_and_begins_again_when_they_are_defined_anew(
    cluster: Cluster, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "ABSENT_SECONDS", 0.5)
    cluster.kubectl("delete", "--ignore-not-found", "-f", str(CRDS))
    async with handling(told, cluster.kubeconfig):
        await asyncio.to_thread(define, cluster)
        await asyncio.to_thread(create, cluster, MAINTENANCE)
        await told.of("maintenances", "ADDED", "n1")
        cluster.kubectl("delete", "crd", "nodemaintenances.drover.dev")
        await told.of("maintenances", "DELETED", "n1")
        await asyncio.to_thread(define, cluster)
        await asyncio.to_thread(create, cluster, MAINTENANCE)
        await told.of("maintenances", "ADDED", "n1", times=2)


async def test_it_leaves_no_trace_on_an_object_and_never_touches_our_finalizer(cluster: Cluster, told: Told) -> None:
    define(cluster)
    made = create(cluster, PLAN)
    async with handling(told, cluster.kubeconfig):
        await told.of("plans", "ADDED", "p")
        cluster.kubectl("label", "mplan/p", "a=b")
        await told.of("plans", "MODIFIED", "p")
        cluster.kubectl("delete", "mplan/p", "--wait=false")
        await told.of("plans", "MODIFIED", "p", times=2)
    metadata = read(cluster, "mplan/p")["metadata"]
    assert metadata["finalizers"] == [FINALIZER]
    assert metadata["deletionTimestamp"]
    assert "annotations" not in metadata
    assert {entry["manager"] for entry in metadata["managedFields"]} <= {"kubectl-create", "kubectl-label"}
    assert metadata["uid"] == made["metadata"]["uid"]
    cluster.kubectl("patch", "mplan/p", "--type=merge", "--patch", '{"metadata": {"finalizers": null}}')


async def test_it_needs_no_right_but_to_list_and_watch_our_kinds(
    cluster: Cluster, namespace: str, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    define(cluster)
    cluster.kubectl("apply", "-f", "-", input=json.dumps(RIGHTS))
    account = f"--serviceaccount={namespace}:default"
    cluster.kubectl("create", "clusterrolebinding", "kopf-test", "--clusterrole=kopf-test", account)
    create(cluster, PLAN | {"metadata": {"name": "q"}})
    async with handling(told, cluster.token_kubeconfig(namespace, "default")):
        await told.of("plans", "ADDED", "q")
        cluster.kubectl("delete", "mplan/q")
        await told.of("plans", "DELETED", "q")
    assert "Forbidden" not in caplog.text
