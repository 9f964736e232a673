"""What is decided while the cluster is half known, writes are refused, objects cannot be read, or we are at fault."""

from collections.abc import Callable

import pytest

from drover.api.maintenance import MaintenanceStatus
from drover.api.plan import PlanStatus
from drover.api.reasons import Outcome
from drover.running.actions import SetFinalizer, Tell, Uncordon
from drover.running.endings import Endings, endings
from drover.running.names import report_name
from drover.running.round import Round
from drover.running.view import View
from tests.builders import (
    ClusterBuilder,
    PlanBuilder,
    a_cluster,
    a_maintenance,
    a_node,
    a_plan,
    a_record,
    a_report,
    a_vmi,
    a_vmim,
    an_attempt,
    at,
)
from tests.unit.running.rounds import a_round, trio


def running() -> PlanBuilder:
    return a_plan("p").evacuates("n1").running()


NOT_YET = ("nodes", "pods", "vmis", "vmims", "kubevirts", "crds")


def unfinished(outcome: Outcome, plan: PlanBuilder | None = None) -> ClusterBuilder:
    the_plan = plan or running()
    return a_cluster(the_plan).knows(a_report(the_plan, a_record("web", an_attempt(1, outcome, ended_at=at(-500)))))


@pytest.mark.parametrize("missing", [NOT_YET, *((each,) for each in ("nodes", "pods", "vmis", "vmims"))])
@pytest.mark.parametrize(
    "cluster",
    [
        pytest.param(lambda: unfinished(Outcome.SUCCEEDED), id="a success to be verified"),
        pytest.param(lambda: unfinished(Outcome.VERIFICATION_FAILED), id="a success that was not verified"),
        pytest.param(lambda: unfinished(Outcome.CANCELLING, running().withdrawn()), id="a cancel under way"),
        pytest.param(lambda: unfinished(Outcome.FAILED, running().deleting()), id="a plan that is deleted"),
        pytest.param(
            lambda: a_cluster(running().deleting(), a_node("n1").held_by(running())),
            id="a cordon of a plan that is deleted",
        ),
        pytest.param(lambda: a_cluster(a_maintenance("n1").finalized().deleting()), id="a maintenance that is deleted"),
        pytest.param(lambda: a_cluster(a_maintenance("n1").finalized()), id="a maintenance"),
    ],
)
def test_what_is_not_listed_yet_has_not_ended(cluster: Callable[[], ClusterBuilder], missing: tuple[str, ...]) -> None:
    """After a restart our own kinds are known in milliseconds, and ten thousand VMs in seconds."""
    decision = a_round(cluster().unlisted(*missing)).decision
    assert decision.actions == ()
    statuses: list[PlanStatus | MaintenanceStatus] = [*decision.plans.values(), *decision.maintenances.values()]
    for said in statuses:
        assert (said.phase, said.reason) == ("Held", "SnapshotStale")
        assert said.waiting is not None
        assert said.waiting.suggestion
        assert trio(said.conditions) == (False, True, False)


def test_a_plan_that_cannot_be_judged_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def defective(view: View, shared: Round) -> Endings:
        if view.plan.name == "bad":
            raise ZeroDivisionError
        return endings(view, shared)

    monkeypatch.setattr("drover.running.decide.endings", defective)
    cluster = a_cluster(a_node("n1"), a_node("n2"), a_plan("bad").evacuates("n2").running(), running(), a_vmi("web"))
    found = a_round(cluster)
    assert found.starts == {}  # n2 is being emptied by the other
    assert set(found.decision.plans) == {"p"}
    assert found.vm("web").waiting is not None


def test_a_node_is_not_given_back_while_its_holder_cannot_be_read() -> None:
    """After a rollback, say, from a version that knows more."""
    held = a_node("n1").held_by(running())
    cluster = a_cluster(held, a_node("n2"))
    assert a_round(cluster).of(Uncordon) == [Uncordon("n1", unschedulable=False)]
    assert a_round(cluster.illegible("plans", "p", running().uid)).decision.actions == ()


def test_nothing_follows_while_its_report_cannot_be_read() -> None:
    """What was tried is not known, and a report is written whole."""
    failed = a_vmim("web").of(running()).to("n2").phase("Failed")
    cluster = a_cluster(a_node("n1"), a_node("n2"), running(), a_vmi("web"), failed)
    cluster.illegible("reports", report_name("p-q", running().uid, "initial", 0))
    assert a_round(cluster).records, "that one is another plan's"
    found = a_round(cluster.illegible("reports", report_name("p", running().uid, "initial", 1)))
    assert found.decision.actions == ()
    assert (found.plan().phase, found.plan().reason) == ("Held", "SnapshotStale")


@pytest.mark.parametrize("known", [True, False])
def test_a_report_that_is_refused_is_shown_and_its_events_wait(known: bool) -> None:
    failed = a_vmim("web").of(running()).to("n2").phase("Failed")
    cluster = a_cluster(a_node("n1"), a_node("n2"), running(), a_vmi("web"), failed)
    if known:
        cluster.knows(a_report(running(), a_record("x", an_attempt(1, Outcome.DONE))))
    assert a_round(cluster).of(Tell)
    name = report_name("p", running().uid, "initial", 0)
    found = a_round(cluster.refused(f"report {name}", "Forbidden", "exceeded quota", tries=9))
    assert found.of(Tell) == []
    assert [each.reason for each in found.plan().findings] == ["Refused"]


def test_a_cancel_that_is_refused_is_shown() -> None:
    plan = running().withdrawn()
    flying = a_vmim("web").of(plan).to("n2").phase("Running")
    record = a_record("web", an_attempt(1, Outcome.CANCELLING, uid=flying.uid, migration=flying.name))
    cluster = a_cluster(a_node("n1"), a_node("n2"), plan, a_vmi("web"), flying).knows(a_report(plan, record))
    found = a_round(cluster.refused(f"cancel {flying.uid}", "Forbidden", "denied", tries=9))
    assert [each.reason for each in found.plan().findings] == ["Refused"]


def test_a_pod_without_a_vm_that_holds_a_plan_up_is_named() -> None:
    record = a_record("web", an_attempt(1, Outcome.DONE))
    gone = a_vmi("old").on("n1").pod.deleting(at(-3600))
    cluster = a_cluster(a_node("n1").cordoned(), a_node("n2"), running(), a_vmi("web").on("n2"), gone)
    waiting = a_round(cluster.knows(a_report(running(), record))).plan().waiting
    assert waiting is not None
    assert waiting.reason == "PodsEnding"
    assert waiting.blocked_by == (f"shop/{gone.name}",)


def test_a_maintenance_ends_when_the_migration_it_cancelled_is_on_record_and_gone() -> None:
    maintenance = a_maintenance("n1").finalized().deleting()
    plan = a_plan("n1-maintenance").owned_by(maintenance).evacuates("n1", cordon="Apply").running().withdrawn()
    last_seen = a_vmim("web").of(plan).to("n2").phase("Scheduling")
    record = a_record("web", an_attempt(1, Outcome.CANCELLED, uid=last_seen.uid, migration=last_seen.name))
    cluster = a_cluster(maintenance, plan, a_vmi("web"), a_node("n1"), a_node("n2")).lost(last_seen)
    found = a_round(cluster.knows(a_report(plan, record)))
    assert found.maintenance().phase == "Withdrawn"
    assert [action.present for action in found.of(SetFinalizer) if action.object.kind == "NodeMaintenance"] == [False]


def test_a_write_refused_in_the_future_is_tried_now() -> None:
    """The clock was put back: nobody knows how long ago it was."""
    cluster = a_cluster(a_node("n1").held_by(running()), a_node("n2")).refused("cordon n1", tries=9)
    assert a_round(cluster).of(Uncordon) == []
    assert a_round(cluster, at(-3600)).of(Uncordon) == [Uncordon("n1", unschedulable=False)]
