"""Statuses with every field set, and lists as long as they may become."""

from datetime import UTC, datetime

from drover.api.maintenance import MaintenanceStatus, NodeBefore, PlanReference
from drover.api.plan import (
    MAX_LISTED,
    Estimate,
    LowerBound,
    PlanStatus,
    ProposalStatus,
    Run,
    Summary,
    VMStatus,
)
from drover.api.reasons import FindingReason, MaintenancePhase, Outcome, PlanPhase, Reason, WaitReason
from drover.api.report import MAX_RECORDS, Attempt, Record, RejectedTarget, ReportStatus
from drover.api.shared import Condition, Finding, Steps, Switchover, Waiting

NOW = datetime(2026, 11, 24, 22, 15, 30, tzinfo=UTC)
STEPS = Steps(queued=NOW, preparing_target=NOW, pre_copy=NOW, switchover=NOW, verifying=NOW, done=NOW)
SUMMARY = Summary(total=143, running=3, waiting=100, blocked=2, failed=7, done=31, vms="31/143")

FINDING = Finding(
    severity="Blocker",
    reason=FindingReason.NOT_MIGRATABLE,
    message="2 VMs cannot migrate",
    suggestion="give them shared disks",
    count=2,
    virtual_machines=("shop/web", "shop/db"),
)
WAITING = Waiting(
    reason=WaitReason.NO_ROOM,
    message="no node has 64Gi left",
    since=NOW,
    until="22:40Z",
    blocked_by=("node-b", "node-c"),
    suggestion="add a node",
)


def condition(kind: str) -> Condition:
    return Condition(
        type=kind,
        status="True",
        reason=Reason.AS_WANTED,
        message="as it should be",
        last_transition_time=NOW,
        observed_generation=4,
    )


def vm(number: int) -> VMStatus:
    return VMStatus(
        namespace="shop",
        name=f"web-{number}",
        step="Switchover",
        source="node-a",
        target="node-b",
        why="most room of 7 nodes",
        attempt=2,
        migration=f"drover-{number}",
        steps=STEPS,
        switchover=Switchover(at=NOW, mode="PreCopy", from_="node-a", to="node-b"),
        waiting=WAITING,
        error="the target's launcher ended",
    )


PLAN_STATUS = PlanStatus(
    observed_generation=4,
    observed_at=NOW,
    phase=PlanPhase.MIGRATING,
    goal="Evacuate",
    reason=Reason.MOVING,
    run=Run(id="1", started_at=NOW, resolved_nodes=("node-a",), finished_at=NOW),
    conditions=(condition("Ready"), condition("Stalled")),
    summary=SUMMARY,
    progress_percent=21,
    last_progress_time=NOW,
    eta="1h50m",
    proposal=ProposalStatus(
        hash="5f2b",
        computed_at=NOW,
        migrations=112,
        bytes=1 << 40,
        duration=Estimate(p50="1h50m", p90="3h"),
        lower_bound=LowerBound(duration="1h40m", by="the 2 slots out of node-a"),
    ),
    findings=(FINDING,) * 50,
    waiting=WAITING,
    virtual_machines=tuple(vm(number) for number in range(MAX_LISTED)),
)
MAINTENANCE_STATUS = MaintenanceStatus(
    observed_generation=4,
    observed_at=NOW,
    phase=MaintenancePhase.EVACUATING,
    reason=Reason.MOVING,
    node=NodeBefore(unschedulable=False, since="2026-11-24T22:00:00Z", by="NodeMaintenance/node-a"),
    plan=PlanReference(name="node-a-maintenance"),
    conditions=(condition("Ready"), condition("Cordoned")),
    summary=SUMMARY,
    progress_percent=21,
    eta="1h50m",
    findings=(FINDING,) * 50,
    waiting=WAITING,
)


def record(number: int) -> Record:
    attempt = Attempt(
        number=1,
        migration=f"drover-{number}",
        uid=f"0-0-{number}",
        source="node-a",
        target="node-b",
        why="most room of 7 nodes",
        outcome=Outcome.FAILED,
        ended_at=NOW,
        mode="PreCopy",
        steps=STEPS,
        fingerprint="9c1e",
        error="the target's launcher ended",
    )
    return Record(
        namespace="shop",
        name=f"web-{number}",
        uid=f"0-1-{number}",
        outcome=Outcome.FAILED,
        attempts=(attempt, attempt),
        rejected=(RejectedTarget(node="node-c", at=NOW, message="Insufficient memory"),),
    )


REPORT_STATUS = ReportStatus(vms=MAX_RECORDS, failed=7, records=tuple(record(number) for number in range(MAX_RECORDS)))
