"""What the eviction webhook answers, for every pod and strategy; and what it asks of the API server."""

from typing import Any, cast

import pytest

from tests.unit.virtsim.objects import a_pod, a_vmi
from virtsim.cluster.client import ApiError, Client
from virtsim.objects.resources import KUBEVIRTS, PODS, VMIS, Object, Resource
from virtsim.versions import NEWEST, Version
from virtsim.virt_api.evictions import admit
from virtsim.virt_api.review import Request

pytestmark = pytest.mark.anyio

TRIGGERED = 'Eviction triggered evacuation of VMI "shop/web"'
STUCK = "VMI web is configured with an eviction strategy but is not live-migratable"


class _Server:
    """The API server, as far as the webhook asks it: pods and VMIs by name, one KubeVirt CR, and patches."""

    def __init__(self, pods: list[Object], vmis: list[Object], strategy: str = "") -> None:
        self._known = {(PODS, pod["metadata"]["name"]): pod for pod in pods}
        self._known |= {(VMIS, vmi["metadata"]["name"]): vmi for vmi in vmis}
        self._kubevirt = {"spec": {"configuration": {"evictionStrategy": strategy} if strategy else {}}}
        self.patches: list[tuple[list[Object], dict[str, str]]] = []
        self.broken: Resource | None = None

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        if resource == self.broken:
            raise ApiError(500, "InternalError", "etcd is gone")
        if (resource, name) not in self._known:
            raise ApiError(404, "NotFound", f'{resource.plural} "{name}" not found')
        return self._known[resource, name]

    async def list(self, resource: Resource) -> Object:
        assert resource == KUBEVIRTS
        return {"items": [self._kubevirt]}

    async def patch(self, resource: Resource, namespace: str, name: str, body: Any, kind: str, **query: str) -> None:
        if self.broken == resource:
            raise ApiError(500, "InternalError", "etcd is gone")
        self.patches.append((body, query))


def a_launcher(node: str = "node-a", phase: str = "Running") -> Object:
    labels, annotations = {"kubevirt.io": "virt-launcher"}, {"kubevirt.io/domain": "web"}
    return a_pod(phase, node, name="virt-launcher-web-a", labels=labels, annotations=annotations)


def a_machine(strategy: str | None, migratable: bool = True, **status: Any) -> Object:
    vmi = a_vmi()
    vmi["spec"] |= {"evictionStrategy": strategy} if strategy else {}
    vmi["status"] |= {"conditions": [{"type": "LiveMigratable", "status": str(migratable)}], **status}
    return vmi


async def answer(server: _Server, version: Version = NEWEST, name: str = "virt-launcher-web-a", **more: Any) -> str:
    """The refusal's message, which is a 429; empty where the eviction is let through."""
    request = Request("uid", "shop", "somebody", more.pop("eviction", {"metadata": {}}), {}, name=name, **more)
    denial = await admit(cast(Client, server), version, request)
    assert denial is None or denial.code == 429
    return denial.message if denial else ""


BY_STRATEGY: list[tuple[str | None, bool, str]] = [
    ("LiveMigrate", True, TRIGGERED),
    ("LiveMigrate", False, STUCK),
    ("LiveMigrateIfPossible", True, TRIGGERED),
    ("LiveMigrateIfPossible", False, ""),
    ("External", True, TRIGGERED),
    ("External", False, TRIGGERED),
    ("None", True, ""),
    (None, True, ""),
]


@pytest.mark.parametrize(("strategy", "migratable", "message"), BY_STRATEGY)
@pytest.mark.parametrize("by_cluster", [False, True])
async def test_by_strategy(strategy: str | None, migratable: bool, message: str, by_cluster: bool) -> None:
    vmi = a_machine(None if by_cluster else strategy, migratable)
    server = _Server([a_launcher()], [vmi], (strategy or "") if by_cluster else "None")
    assert await answer(server) == message
    mark = {"op": "add", "path": "/status/evacuationNodeName", "value": "node-a"}
    assert server.patches == ([([mark], {})] if message == TRIGGERED else [])


async def test_the_vmis_strategy_comes_before_the_clusters() -> None:
    assert await answer(_Server([a_launcher()], [a_machine("None")], "LiveMigrate")) == ""


async def test_the_first_reason_is_told() -> None:
    marked = a_machine("LiveMigrate", evacuationNodeName="node-b")
    assert await answer(_Server([a_launcher("node-c")], [marked])) == f"Evacuation in progress: {TRIGGERED}"
    assert (
        await answer(_Server([a_launcher("node-c")], [a_machine("LiveMigrate")])) == "Eviction request for target Pod"
    )
    stuck_and_marked = a_machine("LiveMigrate", migratable=False, evacuationNodeName="node-b")
    assert await answer(_Server([a_launcher("node-c")], [stuck_and_marked])) == STUCK


async def test_who_is_none_of_virt_apis_business() -> None:
    vmi = a_machine("LiveMigrate")
    assert await answer(_Server([], [vmi])) == "", "the pod is gone"
    assert await answer(_Server([a_launcher(phase="Succeeded")], [vmi])) == ""
    assert await answer(_Server([a_launcher(phase="Failed")], [vmi])) == ""
    nameless = a_launcher()
    nameless["metadata"]["annotations"] = {}
    assert await answer(_Server([nameless], [vmi])) == ""
    other = a_launcher()
    other["metadata"]["labels"] = {}
    assert await answer(_Server([other], [vmi])) == ""
    unreadable = _Server([a_launcher()], [vmi])
    unreadable.broken = PODS
    assert await answer(unreadable) == ""


async def test_a_vmi_that_cannot_be_read_keeps_its_pod() -> None:
    missing = 'kubevirt failed getting the vmi: virtualmachineinstances "web" not found'
    assert await answer(_Server([a_launcher()], [])) == missing
    unreadable = _Server([a_launcher()], [a_machine("None")])
    unreadable.broken = VMIS
    assert await answer(unreadable) == "kubevirt failed getting the vmi: etcd is gone"


@pytest.mark.parametrize(
    "more", [{"dry_run": True}, {"eviction": {"metadata": {}, "deleteOptions": {"dryRun": ["All"]}}}]
)
async def test_a_dry_run_is_one_to_the_end(more: dict[str, Any]) -> None:
    server = _Server([a_launcher()], [a_machine("LiveMigrate")])
    assert await answer(server, **more) == TRIGGERED
    assert [query for _, query in server.patches] == [{"dryRun": "All"}]


@pytest.mark.parametrize(("minor", "told"), [(9, True), (7, True), (6, False)])
async def test_the_deschedulers_evictions_are_told_from_others(minor: int, told: bool) -> None:
    server = _Server([a_launcher()], [a_machine("LiveMigrate")])
    eviction = {"metadata": {"annotations": {"requested-by": "sigs.k8s.io/descheduler"}}}
    assert await answer(server, Version(minor), eviction=eviction) == TRIGGERED
    ((patch, _),) = server.patches
    source = {"op": "add", "path": "/metadata/annotations/kubevirt.io~1eviction-source", "value": "descheduler"}
    assert (source in patch) is told


def a_hotplug_pod() -> Object:
    owner = {"kind": "Pod", "name": "virt-launcher-web-a"}
    return a_pod(name="hp-volume-data", labels={"kubevirt.io": "hotplug-disk"}, ownerReferences=[owner])


HOTPLUGGED: list[tuple[list[Object], list[Object], int, str]] = [
    # pods, VMIs, minor, message
    (
        [a_hotplug_pod(), a_launcher()],
        [a_machine(None)],
        9,
        "cannot evict hotplug pod: hp-volume-data associated with running vmi: web in namespace shop",
    ),
    ([a_hotplug_pod(), a_launcher()], [a_machine(None)], 6, ""),
    ([a_hotplug_pod(), a_launcher(phase="Succeeded")], [a_machine(None)], 9, ""),
    ([a_hotplug_pod()], [a_machine(None)], 9, ""),
    ([a_hotplug_pod(), a_launcher()], [], 9, ""),
]


@pytest.mark.parametrize(("pods", "vmis", "minor", "message"), HOTPLUGGED)
async def test_pods_of_hotplugged_volumes(pods: list[Object], vmis: list[Object], minor: int, message: str) -> None:
    assert await answer(_Server(pods, vmis), Version(minor), name="hp-volume-data") == message
