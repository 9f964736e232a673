"""Writing objects of our own: owned plans, finalizers, reports, Events, statuses."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from controlplane.cluster import Cluster
from drover.acting import objects
from drover.acting.outcome import Hands, NotAllowedError, attempt
from drover.api.plan import PlanStatus
from drover.api.reasons import Outcome, PlanPhase
from drover.api.report import Attempt, Record
from drover.api.shared import API_VERSION, FINALIZER, OwnerReference
from drover.running.actions import EnsurePlan, ObjectRef, SaveRecords, SetFinalizer, Tell
from drover.watching.client import ApiError
from drover.watching.resources import REPORTS
from tests.integration.acting.conftest import look

pytestmark = pytest.mark.anyio
SPEC: dict[str, Any] = {"evacuate": {"nodes": {"names": ["n1"]}, "cordon": "Require"}}


@pytest.fixture
def name(kinds: Cluster) -> Iterator[str]:
    """A name for cluster-scoped objects, all of which are deleted afterwards."""
    name = f"p-{uuid.uuid4().hex[:8]}"
    yield name
    for kind in ("mplan", "mreport"):
        kinds.kubectl("patch", kind, name, "--type=merge", '-p={"metadata":{"finalizers":null}}', check=False)
        kinds.kubectl("delete", kind, name, "--ignore-not-found", "--wait=false")


def read(cluster: Cluster, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cluster.kubectl("get", kind, name, "-ojson").stdout)
    return found


@pytest.fixture
def owner(kinds: Cluster, name: str) -> Iterator[OwnerReference]:
    """A maintenance: garbage collection takes what has an owner that is not there."""
    body = {
        "apiVersion": API_VERSION,
        "kind": "NodeMaintenance",
        "metadata": {"name": name},
        "spec": {"nodeName": name},
    }
    kinds.kubectl("create", "-f-", input=json.dumps(body))
    uid = read(kinds, "vnm", name)["metadata"]["uid"]
    yield OwnerReference(api_version=API_VERSION, kind="NodeMaintenance", name=name, uid=uid, controller=True)
    kinds.kubectl("delete", "vnm", name)


def a_plan(cluster: Cluster, name: str, **metadata: Any) -> ObjectRef:
    body = {"apiVersion": API_VERSION, "kind": "MigrationPlan", "metadata": {"name": name, **metadata}, "spec": SPEC}
    cluster.kubectl("create", "-f-", input=json.dumps(body))
    return ObjectRef("MigrationPlan", name, read(cluster, "mplan", name)["metadata"]["uid"])


async def test_an_owned_plan_is_made_once_and_follows_its_maintenance(
    kinds: Cluster, hands: Hands, name: str, owner: OwnerReference
) -> None:
    create = EnsurePlan(name, "", owner, {**SPEC, "paused": True, "limits": {"perTarget": 3}})
    await objects.ensure_plan(create, hands)
    await objects.ensure_plan(create, hands)  # the answer to the first was lost
    made = read(kinds, "mplan", name)
    assert [owner["uid"] for owner in made["metadata"]["ownerReferences"]] == [owner.uid]
    await objects.ensure_plan(EnsurePlan(name, made["metadata"]["uid"], owner, SPEC), hands)
    spec = read(kinds, "mplan", name)["spec"]
    assert spec["paused"] is False
    assert "limits" not in spec, "what the maintenance no longer says is gone"


async def test_a_plan_of_somebody_else_is_not_touched(
    kinds: Cluster, hands: Hands, name: str, owner: OwnerReference
) -> None:
    plan = a_plan(kinds, name)
    await objects.ensure_plan(EnsurePlan(name, "", owner, {**SPEC, "paused": True}), hands)
    with pytest.raises(NotAllowedError):
        await objects.ensure_plan(EnsurePlan(name, plan.uid, owner, {**SPEC, "paused": True}), hands)
    found = read(kinds, "mplan", name)
    assert found["spec"]["paused"] is False
    assert "ownerReferences" not in found["metadata"]


async def test_our_finalizer_comes_and_goes_alone(kinds: Cluster, hands: Hands, name: str) -> None:
    plan = a_plan(kinds, name, finalizers=["example.com/theirs"])
    await objects.set_finalizer(SetFinalizer(plan, True), hands)
    await objects.set_finalizer(SetFinalizer(plan, True), hands)
    assert read(kinds, "mplan", name)["metadata"]["finalizers"] == ["example.com/theirs", FINALIZER]
    await objects.set_finalizer(SetFinalizer(plan, False), hands)
    assert read(kinds, "mplan", name)["metadata"]["finalizers"] == ["example.com/theirs"]


async def test_the_last_finalizer_lets_the_object_go_from_the_store_too(
    kinds: Cluster, hands: Hands, name: str
) -> None:
    plan = a_plan(kinds, name, finalizers=[FINALIZER])
    kinds.kubectl("delete", "mplan", name, "--wait=false")
    await look(hands)
    assert hands.store.snapshot(hands.clock()).plan(name) is not None
    await objects.set_finalizer(SetFinalizer(plan, False), hands)
    assert hands.store.snapshot(hands.clock()).plan(name) is None
    assert kinds.kubectl("get", "mplan", name, check=False).returncode != 0


def a_record(vm: str, outcome: Outcome) -> Record:
    done = Attempt(number=1, migration=f"{vm}-1", source="n1", target="n2", outcome=outcome)
    return Record(namespace="shop", name=vm, uid=f"uid-{vm}", outcome=outcome, attempts=(done,))


async def test_a_report_holds_exactly_what_was_saved_last(kinds: Cluster, hands: Hands, name: str) -> None:
    plan = ObjectRef("MigrationPlan", name, "22222222-2222-4222-8222-222222222222")
    web, db = a_record("web", Outcome.DONE), a_record("db", Outcome.FAILED)
    await objects.save_records(SaveRecords(name, plan, "initial", (web,), False), hands)
    await objects.save_records(SaveRecords(name, plan, "initial", (web, db), True), hands)
    found = read(kinds, "mreport", name)
    assert (found["status"]["vms"], found["status"]["failed"]) == (2, 1)
    assert found["spec"] == {"plan": {"name": name, "uid": plan.uid}, "run": "initial"}
    assert "ownerReferences" not in found["metadata"], "evidence outlives its plan"
    known = hands.store.snapshot(hands.clock()).reports["", name]
    assert known.status.records == (web, db)


async def test_a_report_that_is_there_unexpectedly_is_read_and_not_overwritten(
    kinds: Cluster, hands: Hands, name: str
) -> None:
    """Our create whose answer was lost, or a report that could not be read."""
    plan = ObjectRef("MigrationPlan", name, "22222222-2222-4222-8222-222222222222")
    web, db = a_record("web", Outcome.DONE), a_record("db", Outcome.FAILED)
    await objects.save_records(SaveRecords(name, plan, "initial", (web,), False), hands)
    hands.store.forget(REPORTS)
    with pytest.raises(NotAllowedError):
        await objects.save_records(SaveRecords(name, plan, "initial", (db,), False), hands)
    assert [each["name"] for each in read(kinds, "mreport", name)["status"]["records"]] == ["web"]
    known = hands.store.snapshot(hands.clock()).reports["", name]
    assert known.status.records == (web,)


async def test_a_status_goes_to_the_object_with_this_uid_only(kinds: Cluster, hands: Hands, name: str) -> None:
    a_plan(kinds, name)
    await look(hands)
    plan = hands.store.snapshot(hands.clock()).plan(name)
    assert plan is not None
    await objects.write_status(plan, PlanStatus(phase=PlanPhase.PLANNING, goal="Evacuate"), hands)
    assert read(kinds, "mplan", name)["status"]["phase"] == "Planning"
    await objects.write_status(plan, PlanStatus(phase=PlanPhase.MIGRATING), hands)
    assert "goal" not in read(kinds, "mplan", name)["status"], "applied whole"
    kinds.kubectl("delete", "mplan", name)
    a_plan(kinds, name)
    with pytest.raises(ApiError):
        await objects.write_status(plan, PlanStatus(phase=PlanPhase.SUCCEEDED), hands)
    assert "phase" not in read(kinds, "mplan", name).get("status", {}), "a plan made anew inherits nothing"


async def test_what_is_told_twice_is_one_event(kinds: Cluster, hands: Hands, name: str) -> None:
    about = ObjectRef("MigrationPlan", name, "33333333-3333-4333-8333-333333333333")
    tell = Tell(about, "Warning", "MigrationFailed", "it failed", "web-1")
    for _ in range(2):
        await objects.tell(tell, hands)
    events = json.loads(
        kinds.kubectl("get", "events", "-n", "default", f"--field-selector=involvedObject.name={name}", "-ojson").stdout
    )["items"]
    assert [(event["type"], event["reason"], event["message"]) for event in events] == [
        ("Warning", "MigrationFailed", "it failed")
    ]


async def test_a_refused_write_becomes_a_fact_and_a_success_forgives_it(
    kinds: Cluster, hands: Hands, name: str, owner: OwnerReference
) -> None:
    plan = a_plan(kinds, name)
    bad = EnsurePlan("Not_A_Name", "", owner, SPEC)
    outcome = await attempt(bad, hands, lambda: objects.ensure_plan(bad, hands))
    refusal = hands.store.snapshot(hands.clock()).refusals[bad.key]
    assert outcome.error is not None
    assert (refusal.tries, refusal.reason) == (1, "Invalid")
    await attempt(bad, hands, lambda: objects.ensure_plan(bad, hands))
    assert hands.store.snapshot(hands.clock()).refusals[bad.key].tries == 2
    good = SetFinalizer(plan, True)
    hands.store.refuse(good.key, "Conflict", "somebody was faster", hands.clock())
    assert (await attempt(good, hands, lambda: objects.set_finalizer(good, hands))).error is None
    assert good.key not in hands.store.snapshot(hands.clock()).refusals
