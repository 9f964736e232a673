"""Creating and deleting migrations: checked live, created once, believed only when it is the same."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from controlplane.cluster import Cluster
from drover.acting import migrations
from drover.acting.outcome import Hands, NotAllowedError
from drover.acting.perform import perform
from drover.facts.kubevirt import ATTEMPT, PLAN_UID, RUN
from drover.running.actions import CancelMigration, ObjectRef, StartMigration
from drover.running.names import migration_name
from drover.watching.client import ApiError
from tests.integration.acting.conftest import look

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Place:
    """Two nodes, a KubeVirt that allows one migration at a time, VMs on the first node, and a plan that empties it."""

    cluster: Cluster
    namespace: str
    source: str
    target: str
    plan: ObjectRef

    def apply(self, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.cluster.kubectl("create", "-f-", "-ojson", input=json.dumps(body))
        made: dict[str, Any] = json.loads(answer.stdout)
        return made

    def migrations(self) -> list[dict[str, Any]]:
        found = json.loads(self.cluster.kubectl("get", "vmim", "-n", self.namespace, "-ojson").stdout)
        items: list[dict[str, Any]] = found["items"]
        return items

    def vm(self, name: str) -> ObjectRef:
        """A Running VMI with its launcher pod on the source."""
        vmi = self.apply(
            {
                "apiVersion": "kubevirt.io/v1",
                "kind": "VirtualMachineInstance",
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": {"domain": {"devices": {}, "memory": {"guest": "1Gi"}}},
                "status": {"phase": "Running", "nodeName": self.source},
            }
        )
        owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "name": name, "controller": True}
        self.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": f"virt-launcher-{name}",
                    "namespace": self.namespace,
                    "labels": {"kubevirt.io": "virt-launcher"},
                    "ownerReferences": [{**owner, "uid": vmi["metadata"]["uid"]}],
                },
                "spec": {
                    "nodeName": self.source,
                    "containers": [{"name": "compute", "image": "x", "resources": {"requests": {"memory": "1Gi"}}}],
                },
            }
        )
        return ObjectRef("VirtualMachineInstance", name, vmi["metadata"]["uid"], self.namespace, "kubevirt.io/v1")

    async def start(self, vmi: ObjectRef, hands: Hands) -> StartMigration:
        """The action decide would make for the VM."""
        await look(hands)
        known = hands.store.snapshot(hands.clock()).vmis[vmi.namespace, vmi.name]
        name = migration_name(self.plan.uid, "initial", known, 1)
        return StartMigration(self.plan, "initial", vmi, self.source, self.target, self.target, 1, name, "why not")


@pytest.fixture
def place(kinds: Cluster, namespace: str) -> Iterator[Place]:
    tag = uuid.uuid4().hex[:8]
    source, target = f"s-{tag}", f"t-{tag}"
    for name in (source, target):
        labels = {"kubernetes.io/hostname": name, "kubevirt.io/schedulable": "true"}
        spec = {"unschedulable": True} if name == source else {}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": spec}
        kinds.kubectl("create", "-f-", input=json.dumps(node))
        status = {
            "allocatable": {"cpu": "8", "memory": "8Gi", "pods": "110"},
            "capacity": {"cpu": "8", "memory": "8Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        kinds.kubectl("patch", "node", name, "--subresource=status", "-p", json.dumps({"status": status}))
    kubevirt = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "KubeVirt",
        "metadata": {"name": "kubevirt", "namespace": namespace},
        "spec": {"configuration": {"migrations": {"parallelMigrationsPerCluster": 1}}},
    }
    kinds.kubectl("create", "-f-", input=json.dumps(kubevirt))
    plan = {
        "apiVersion": "drover.dev/v1alpha1",
        "kind": "MigrationPlan",
        "metadata": {"name": f"p-{tag}"},
        "spec": {"evacuate": {"nodes": {"names": [source]}}},
    }
    uid = json.loads(kinds.kubectl("create", "-f-", "-ojson", input=json.dumps(plan)).stdout)["metadata"]["uid"]
    run = {"status": {"run": {"id": "initial", "startedAt": "2026-01-01T00:00:00Z", "resolvedNodes": [source]}}}
    kinds.kubectl("patch", "mplan", f"p-{tag}", "--subresource=status", "--type=merge", "-p", json.dumps(run))
    yield Place(kinds, namespace, source, target, ObjectRef("MigrationPlan", f"p-{tag}", uid))
    kinds.kubectl("delete", "mplan", f"p-{tag}", "--wait=false")
    kinds.kubectl("delete", "vmim,vmi,kubevirt", "--all", "-n", namespace, "--wait=false")
    kinds.kubectl("delete", "pod", "--all", "-n", namespace, "--force", "--grace-period=0")
    kinds.kubectl("delete", "node", source, target)


async def test_a_migration_says_whose_it_is_and_where_it_goes(place: Place, hands: Hands) -> None:
    start = await place.start(place.vm("web"), hands)
    await migrations.start(start, hands)
    (made,) = place.migrations()
    assert made["metadata"]["name"] == start.name
    assert made["spec"] == {"vmiName": "web", "addedNodeSelector": {"kubernetes.io/hostname": place.target}}
    labels = made["metadata"]["labels"]
    assert (labels[PLAN_UID], labels[RUN], labels[ATTEMPT]) == (place.plan.uid, "initial", "1")
    assert "ownerReferences" not in made["metadata"], "garbage collection would cancel it"
    assert (place.namespace, start.name) in hands.store.snapshot(hands.clock()).vmims, "the answer is in the Store"


async def test_a_create_whose_answer_was_lost_is_believed(place: Place, hands: Hands) -> None:
    """The next operator knows nothing of the first create, and meets it as a 409."""
    start = await place.start(place.vm("web"), hands)
    place.apply(migrations.body(start))
    assert await migrations.is_there(start, hands)
    assert len(place.migrations()) == 1
    assert (place.namespace, start.name) in hands.store.snapshot(hands.clock()).vmims


@pytest.mark.parametrize("change", [{"run": "other"}, {"attempt": 2}, {"hostname": "elsewhere"}])
async def test_a_migration_of_the_same_name_that_is_another_is_not_believed(
    place: Place, hands: Hands, change: dict[str, Any]
) -> None:
    start = await place.start(place.vm("web"), hands)
    place.apply(migrations.body(replace(start, **change)))
    assert not await migrations.is_there(start, hands)


async def test_what_was_decided_on_old_facts_is_not_done(place: Place, hands: Hands) -> None:
    """The plan was paused a moment ago; the Store does not know yet, the live read does."""
    start = await place.start(place.vm("web"), hands)
    place.cluster.kubectl("patch", "mplan", place.plan.name, "--type=merge", '-p={"spec":{"paused":true}}')
    with pytest.raises(NotAllowedError, match="paused"):
        await migrations.start(start, hands)
    assert place.migrations() == []


async def test_a_target_cordoned_a_moment_ago_is_not_used(place: Place, hands: Hands) -> None:
    start = await place.start(place.vm("web"), hands)
    place.cluster.kubectl("cordon", place.target)
    with pytest.raises(NotAllowedError, match="cordoned"):
        await migrations.start(start, hands)
    assert place.migrations() == []


async def test_two_starts_for_one_slot_make_one_migration(place: Place, hands: Hands) -> None:
    """Each start is checked against the slots and the room the one before has taken, before any watch says so."""
    first, second = [await place.start(place.vm(name), hands) for name in ("web", "db")]
    outcomes = await perform([first, second], hands)
    assert [outcome.error is None for outcome in outcomes] == [True, False]
    assert len(place.migrations()) == 1
    refusal = hands.store.snapshot(hands.clock()).refusals[second.key]
    assert "in flight" in refusal.message


async def test_a_start_is_told_on_the_vm_and_on_the_plan(place: Place, hands: Hands) -> None:
    await perform([await place.start(place.vm("web"), hands)], hands)
    for namespace, name in ((place.namespace, "web"), ("default", place.plan.name)):
        selector = f"--field-selector=involvedObject.name={name},reason=MigrationStarted"
        events = json.loads(place.cluster.kubectl("get", "events", "-n", namespace, selector, "-ojson").stdout)["items"]
        assert len(events) == 1
        assert place.target in events[0]["message"]


async def test_only_the_migration_that_was_meant_is_cancelled(place: Place, hands: Hands) -> None:
    start = await place.start(place.vm("web"), hands)
    await migrations.start(start, hands)
    another = CancelMigration(place.namespace, start.name, "44444444-4444-4444-8444-444444444444", "withdrawn")
    with pytest.raises(NotAllowedError, match="gone"):
        await migrations.cancel(another, hands)
    (made,) = place.migrations()
    await migrations.cancel(CancelMigration(place.namespace, start.name, made["metadata"]["uid"], "withdrawn"), hands)
    assert place.migrations() == []
    with pytest.raises(ApiError) as answer:
        await hands.client.get(f"/apis/kubevirt.io/v1/namespaces/{place.namespace}/virtualmachineinstancemigrations/x")
    assert answer.value.status == 404
