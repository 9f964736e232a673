"""How attempts end: what is recorded, what is cancelled and when, and that each is told once."""

from collections.abc import Callable
from typing import Any

import pytest

from drover.api.reasons import EventReason, Outcome, WaitReason
from drover.api.report import Attempt
from drover.running.actions import CancelMigration, StartMigration, Tell
from drover.running.endings import NO_REASON
from tests.builders import (
    NOW,
    ClusterBuilder,
    PlanBuilder,
    VMIBuilder,
    VMIMBuilder,
    a_cluster,
    a_node,
    a_plan,
    a_record,
    a_report,
    a_vmi,
    a_vmim,
    an_attempt,
    at,
    stamp,
)
from tests.unit.running.rounds import Result, a_round

PLAN = a_plan("p").evacuates("n1").running()
STARTED: dict[str, Any] = {"startTimestamp": stamp(at(-20)), "mode": "PreCopy"}
MOVED: dict[str, Any] = {**STARTED, "endTimestamp": stamp(at(-5))}


def scene(*parts: object, plan: PlanBuilder = PLAN) -> ClusterBuilder:
    vms = [] if any(isinstance(part, VMIBuilder) for part in parts) else [a_vmi("web")]
    return a_cluster(a_node("n1"), a_node("n2"), plan, *vms, *parts)  # type: ignore[arg-type]  # builders, said loosely


def ours(phase: str = "", web: VMIBuilder | None = None) -> VMIMBuilder:
    vmim = a_vmim(web or a_vmi("web")).of(PLAN).to("n2")
    return vmim.phase(phase, at(-3)) if phase else vmim


def state(phase: str, *, node: str = "n1", gone: bool = False, **more: Any) -> ClusterBuilder:
    """web and our migration in a phase, with what its state says."""
    web = a_vmi("web")
    vmim = ours(phase, web)
    web.migrating(vmim, "n1", "n2", **more).on(node)
    return scene(web).lost(vmim) if gone else scene(web, vmim)


def known(cluster: ClusterBuilder, outcome: Outcome, **fields: object) -> ClusterBuilder:
    """The same, with the attempt on record."""
    vmim = ours()
    attempt = an_attempt(1, outcome, uid=vmim.uid, migration=vmim.name, **fields)
    return cluster.knows(a_report(PLAN, a_record("web", attempt)))


def attempt_of(result: Result) -> Attempt | None:
    return result.records[0].attempts[-1] if result.records else None


ENDS: list[tuple[str, Outcome | None, str | None, Callable[[], ClusterBuilder]]] = [
    ("it flies", None, None, lambda: state("Running", **STARTED)),
    ("it succeeds", Outcome.SUCCEEDED, None, lambda: state("Succeeded", **MOVED, completed=True)),
    (
        "it succeeds and the VMI watch is behind",
        Outcome.SUCCEEDED,
        None,
        lambda: scene(ours("Succeeded")),
    ),
    (
        "it fails, and why is known",
        Outcome.FAILED,
        "virError(Code=1)",
        lambda: state("Failed", **MOVED, failed=True, completed=True, failureReason="virError(Code=1)"),
    ),
    (
        "it fails, and why only the migration's copy says",
        Outcome.FAILED,
        "Target pod is down",
        lambda: scene(
            ours("Failed").set(
                "status.migrationState",
                {"migrationUid": ours().uid, "failed": True, "failureReason": "Target pod is down"},
            )
        ),
    ),
    ("it fails before hand-off", Outcome.FAILED, NO_REASON, lambda: scene(ours("Failed"))),
    (
        "it fails and the state is still an older migration's",
        Outcome.FAILED,
        NO_REASON,
        lambda: scene(
            a_vmi("web").set("status.migrationState", {"migrationUid": "older", "failed": True, "failureReason": "x"}),
            ours("Failed"),
        ),
    ),
    (
        "somebody deletes it and KubeVirt has cancelled it",
        Outcome.CANCELLED_BY_OTHERS,
        "somebody deleted the migration",
        lambda: scene(ours("Failed").deleting().condition("migrationAbortRequested", "True")),
    ),
    (
        "it failed, and then somebody deletes it",
        Outcome.FAILED,
        NO_REASON,
        lambda: scene(ours("Failed").deleting()),
    ),
    (
        "it vanishes",
        Outcome.CANCELLED_BY_OTHERS,
        "somebody deleted the migration",
        lambda: scene().lost(ours("Scheduling")),
    ),
    (
        "it vanishes when it had switched over",
        Outcome.DONE,
        None,
        lambda: state("Running", node="n2", gone=True, **MOVED, completed=True),
    ),
    (
        "it vanishes when it had failed",
        Outcome.FAILED,
        "Target pod is down",
        lambda: state("Running", gone=True, failed=True, completed=True, failureReason="Target pod is down"),
    ),
    (
        "it vanishes and another of its name is there",
        Outcome.CANCELLED_BY_OTHERS,
        "somebody deleted the migration",
        lambda: scene(ours("Pending").with_uid("younger").labelled({"drover.dev/plan-uid": "x"})).lost(ours()),
    ),
    (
        "the VM is gone with it",
        Outcome.CANCELLED_BY_OTHERS,
        "somebody deleted the migration",
        lambda: a_cluster(a_node("n1"), a_node("n2"), PLAN).lost(ours("Running")),
    ),
    (
        "another VM of that name is there",
        Outcome.FAILED,
        NO_REASON,
        lambda: scene(a_vmi("web").with_uid("new"), ours("Failed")),
    ),
    (
        "we cancelled it",
        Outcome.CANCELLED,
        "the plan was withdrawn",
        lambda: known(
            scene(ours("Failed").deleting().condition("migrationAbortRequested", "True")),
            Outcome.CANCELLING,
            error="the plan was withdrawn",
        ),
    ),
    (
        "we cancelled it too late",
        Outcome.SUCCEEDED,
        None,
        lambda: known(state("Succeeded", **MOVED, completed=True), Outcome.CANCELLING, error="withdrawn"),
    ),
    (
        "the scheduler refused it and it is gone",
        Outcome.REJECTED,
        "0/2 nodes",
        lambda: known(scene().lost(ours("Scheduling").deleting()), Outcome.REJECTING, error="0/2 nodes"),
    ),
    (
        "we cancelled it, and it went while nobody looked",
        Outcome.CANCELLED,
        "withdrawn",
        lambda: known(scene(), Outcome.CANCELLING, error="withdrawn"),
    ),
    (
        "we cancelled it, and it moved while nobody looked",
        Outcome.DONE,
        None,
        lambda: known(
            scene(a_vmi("web").on("n2").migrating(ours(), "n1", "n2", **MOVED, completed=True)),
            Outcome.CANCELLING,
            error="withdrawn",
        ),
    ),
    ("it is on record already", None, None, lambda: known(scene(ours("Failed")), Outcome.FAILED, error="known")),
    (
        "another reason is known later",
        None,
        None,
        lambda: known(
            state("Failed", failed=True, completed=True, failureReason="late"), Outcome.FAILED, error="known"
        ),
    ),
    (
        "why is known later",
        Outcome.FAILED,
        "late",
        lambda: known(
            state("Failed", failed=True, completed=True, failureReason="late"), Outcome.FAILED, error=NO_REASON
        ),
    ),
    (
        "why is known later, and somebody has deleted it meanwhile",
        Outcome.FAILED,
        "late",
        lambda: known(
            scene(
                a_vmi("web").migrating(ours(), "n1", "n2", failed=True, failureReason="late"),
                ours("Failed").deleting(),
            ),
            Outcome.FAILED,
            error=NO_REASON,
        ),
    ),
    (
        "it is gone and on record",
        None,
        None,
        lambda: known(scene().lost(ours("Scheduling")), Outcome.CANCELLED_BY_OTHERS),
    ),
]


@pytest.mark.parametrize(("outcome", "error", "cluster"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_what_is_recorded(outcome: Outcome | None, error: str | None, cluster: Callable[[], ClusterBuilder]) -> None:
    result = a_round(cluster())
    attempt = attempt_of(result)
    assert (attempt.outcome, attempt.error) == (outcome, error) if attempt else outcome is None
    if attempt is not None:
        assert result.records[0].outcome is outcome
        assert (attempt.number, attempt.migration, attempt.uid) == (1, ours().name, ours().uid)


def test_every_outcome_is_reached() -> None:
    verified = {Outcome.VERIFICATION_FAILED, Outcome.CANCELLING, Outcome.REJECTING}
    assert {row[1] for row in ENDS} - {None} == set(Outcome) - verified


def test_what_an_attempt_says() -> None:
    attempt = attempt_of(a_round(state("Succeeded", **MOVED, completed=True)))
    assert attempt is not None
    assert (attempt.source, attempt.target) == ("n1", "n2")
    assert (attempt.why, attempt.mode, attempt.ended_at) == ("the only node that fits", "PreCopy", at(-3))
    assert attempt.steps is not None
    steps = attempt.steps
    assert (steps.queued, steps.preparing_target, steps.pre_copy) == (at(-600), at(-30), at(-20))
    assert (steps.switchover, steps.verifying, steps.done) == (at(-5), at(-3), None)


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (a_plan("p").evacuates("n1").running().withdrawn(), "the plan was withdrawn"),
        (a_plan("p").evacuates("n1").running().deleting(), "the plan was deleted"),
    ],
)
@pytest.mark.parametrize(
    ("phase", "ended"),
    [("", True), ("Pending", True), ("Scheduling", True), ("TargetReady", True), ("Running", True)],
)
def test_a_cancel_is_recorded_first_and_done_when_that_is_stored(
    plan: PlanBuilder, why: str, phase: str, ended: bool
) -> None:
    cluster = scene(ours(phase), plan=plan)
    first = a_round(cluster)
    attempt = attempt_of(first)
    assert attempt is not None
    assert (attempt.outcome, attempt.error) == (Outcome.CANCELLING, why)
    assert first.of(CancelMigration) == []
    second = a_round(cluster.knows(a_report(PLAN, *first.records)))
    assert [(cancel.uid, cancel.why) for cancel in second.of(CancelMigration)] == [(ours().uid, why)]
    assert second.records == [], "it is on record"


@pytest.mark.parametrize(
    "cluster",
    [
        lambda plan: scene(a_vmi("web").migrating(ours(), "n1", "n2", **MOVED).on("n2"), ours("Running"), plan=plan),
        lambda plan: scene(
            a_vmi("web").migrating(ours(), "n1", "n2", startTimestamp=stamp(NOW), mode="PostCopy"),
            ours("Running"),
            plan=plan,
        ),
        lambda plan: scene(ours("Running").deleting(), plan=plan),
    ],
    ids=["it has switched over", "it is in post-copy", "it is being deleted"],
)
def test_what_is_not_cancelled(cluster: Callable[[PlanBuilder], ClusterBuilder]) -> None:
    """Neither recorded as cancelled, nor, when it was recorded before, deleted."""
    plan = a_plan("p").evacuates("n1").running().withdrawn()
    first = a_round(cluster(plan))
    assert first.records == []
    assert a_round(known(cluster(plan), Outcome.CANCELLING)).of(CancelMigration) == []


def test_what_an_earlier_run_left_is_recorded_and_cancelled_too() -> None:
    old = a_vmim("web").of(PLAN, run="old").to("n2").phase("Scheduling")
    renewed = a_plan("p").evacuates("n1").running("new").spec(runID="new")
    assert a_round(scene(old, plan=renewed)).records == [], "it may finish"
    gone = a_round(scene(plan=renewed).lost(old))
    assert [(r.name, r.outcome) for r in gone.records] == [("web", Outcome.CANCELLED_BY_OTHERS)]
    withdrawn = scene(old, plan=renewed.withdrawn())
    first = a_round(withdrawn)
    assert [record.outcome for record in first.records] == [Outcome.CANCELLING]
    second = a_round(withdrawn.knows(a_report(PLAN, *first.records, run="old")))
    assert [cancel.uid for cancel in second.of(CancelMigration)] == [old.uid]


def refused_by_the_scheduler(seconds: float, phase: str = "Scheduling") -> ClusterBuilder:
    web = a_vmi("web")
    vmim = ours(phase, web)
    web.launcher(vmim=vmim).pods[1].unschedulable("0/2 nodes are available").created(at(-seconds))
    return scene(web, vmim)


@pytest.mark.parametrize(
    ("cluster", "outcome", "wakes"),
    [
        (refused_by_the_scheduler(2), None, at(1)),
        (refused_by_the_scheduler(3), Outcome.REJECTING, None),
        (refused_by_the_scheduler(3, "TargetReady"), None, None),
        (scene(ours("Pending").created(at(-119))), None, at(1)),
        (scene(ours("Pending").created(at(-120))), Outcome.REJECTING, None),
        (scene(ours("Scheduling").created(at(-500))), None, None),
    ],
    ids=["for a moment", "the scheduler means it", "handed off", "in the queue", "never begun", "begun"],
)
def test_what_cannot_begin_is_ended(cluster: ClusterBuilder, outcome: Outcome | None, wakes: object) -> None:
    result = a_round(cluster)
    attempt = attempt_of(result)
    assert (attempt.outcome if attempt else None) == outcome
    assert result.decision.wake_at == wakes


def test_a_refused_target_is_remembered_before_the_migration_is_deleted() -> None:
    cluster = refused_by_the_scheduler(3)
    first = a_round(cluster)
    assert [(r.node, r.message) for r in first.records[0].rejected] == [("n2", "0/2 nodes are available")]
    assert first.of(CancelMigration) == []
    second = a_round(cluster.knows(a_report(PLAN, *first.records)))
    assert len(second.of(CancelMigration)) == 1


def test_a_migration_that_never_began_says_what_kept_it() -> None:
    vmim = ours("Pending").created(at(-200)).condition("migrationRejectedByResourceQuota", "True")
    attempt = attempt_of(a_round(scene(vmim)))
    assert attempt is not None
    assert attempt.error == "KubeVirt made no target pod within 2m0s: migrationRejectedByResourceQuota"
    assert a_round(scene(vmim)).records[0].rejected == (), "no target is to blame"


def landed(web: VMIBuilder, ended: float = -10) -> ClusterBuilder:
    """A success on record that nobody has verified."""
    attempt = an_attempt(1, Outcome.SUCCEEDED, uid=ours().uid, migration=ours().name, ended_at=at(ended))
    return scene(web).knows(a_report(PLAN, a_record("web", attempt)))


def still_on_both() -> VMIBuilder:
    web = a_vmi("web").launcher()
    web.pods[1].on("n2")
    return web.set("status.nodeName", "n2")


@pytest.mark.parametrize(
    ("web", "lacks"),
    [
        (lambda: a_vmi("web").on("n2"), None),
        (lambda: a_vmi("web").on("n3"), None),
        (lambda: a_vmi("web").on("n2").not_ready(), "the VMI is not Ready"),
        (lambda: a_vmi("web").on("n1"), "the VMI is still on n1"),
        (still_on_both, "its source pod on n1 has not ended"),
        (lambda: a_vmi("web").on("n2").phase("Succeeded"), None),
    ],
    ids=["Ready on its target", "elsewhere by now", "not Ready", "not there", "its source pod stays", "it has ended"],
)
def test_a_success_is_verified(web: Callable[[], VMIBuilder], lacks: str | None) -> None:
    """At once, or never after the time-out; a late yes is still a yes, and a no starts no other migration."""
    early = a_round(landed(web()))
    if lacks is None:
        assert [record.outcome for record in early.records] == [Outcome.DONE]
        return
    assert (early.records, early.decision.wake_at) == ([], at(110))
    late = a_round(landed(web(), ended=-120))
    assert [r.outcome for r in late.records] == [Outcome.VERIFICATION_FAILED]
    assert late.records[0].attempts[-1].error == f"not verified within 2m: {lacks}"
    failed = scene(web()).knows(a_report(PLAN, *late.records))
    assert a_round(failed).of(StartMigration) == []
    assert a_round(failed).waits("web") == WaitReason.VERIFICATION_FAILED
    well = scene(a_vmi("web").on("n2")).knows(a_report(PLAN, *late.records))
    assert [r.outcome for r in a_round(well).records] == [Outcome.DONE]


def test_a_success_is_believed_when_the_state_is_another_migrations_already() -> None:
    """It moved, and somebody migrates it on at once: where it came from is not known, where it went is."""
    web = a_vmi("web").on("n2").migrating(a_vmim("web", "next"), "n2", "n3")
    attempt = attempt_of(a_round(scene(web, ours("Succeeded"))))
    assert attempt is not None
    assert (attempt.outcome, attempt.source, attempt.target) == (Outcome.DONE, "unknown", "n2")


def test_a_result_is_told_once() -> None:
    """On the VMI and on the plan; when only its reason comes later, not again."""
    result = a_round(scene(ours("Failed")))
    told = [(tell.about.kind, tell.type, tell.reason) for tell in result.of(Tell)]
    assert told == [
        ("VirtualMachineInstance", "Warning", EventReason.MIGRATION_FAILED),
        ("MigrationPlan", "Warning", EventReason.MIGRATION_FAILED),
    ]
    late = state("Failed", failed=True, completed=True, failureReason="late")
    assert a_round(late.knows(a_report(PLAN, *result.records))).of(Tell) == []


def test_what_nobody_would_store_is_cut() -> None:
    """Annotations and labels of a migration can be edited by anybody who may write it."""
    vmim = ours("Failed").annotated({"drover.dev/why": "x" * 5000}).labelled({"drover.dev/attempt": "9" * 30})
    web = a_vmi("web").migrating(vmim, "n1", "n2", failed=True, failureReason="y" * 5000)
    record = a_round(scene(web, vmim)).records[0]
    assert len(record.attempts[0].why or "") <= 300
    assert len(record.attempts[0].error or "") <= 300
