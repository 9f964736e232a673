"""MigrationPlan: one run of one set of moves."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from drover.api.reasons import PlanPhase
from drover.api.resource import AGE, Column, Resource
from drover.api.shared import (
    API_VERSION,
    Conditions,
    FailurePolicy,
    Finding,
    Intent,
    Limits,
    MakeRoom,
    Mode,
    Model,
    NodeSet,
    ObjectMeta,
    Order,
    Steps,
    Switchover,
    Targets,
    Verify,
    VMSet,
    Waiting,
)
from drover.api.values import Count, Generation, LabelValue, ObjectName, Percent, Text, Uid, Word, rule, rules

CordonPolicy = Literal["Require", "Apply", "Ignore"]
NonMigratable = Literal["Block", "Leave"]
MAX_LISTED = 100


class Evacuate(Model):
    """Empty these nodes."""

    nodes: NodeSet
    """The nodes, resolved once when the run starts. The VMs on them are followed live until the run is finished."""
    cordon: CordonPolicy = "Require"
    """Require: the nodes must be cordoned. Apply: we cordon them; the cordon stays after success and is restored to
    what it was when the plan is withdrawn or deleted; what somebody uncordons after success stays so. Ignore: cordoned
    or not."""
    max_nodes: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """More nodes than this start nothing. Absent: 20 % of the KubeVirt nodes, at least 1."""


class PlanSpec(Model):
    """What is to move. A plan stays what it was made as: an evacuation or a plain move."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.evacuate) || (has(self.virtualMachines) && has(self.targets))",
                "say what is to move: add evacuate, or both virtualMachines and targets for a plain move",
            ),
            rule(
                "has(self.evacuate) == has(oldSelf.evacuate)",
                "evacuate cannot be added or removed afterwards: create another MigrationPlan",
            ),
        )
    )

    evacuate: Evacuate | None = None
    """Empty nodes. Absent: a plain move, which needs virtualMachines and targets."""
    virtual_machines: VMSet | None = None
    """Only these VMs. Absent: all on the evacuated nodes."""
    targets: Targets | None = None
    """Where the VMs may go. Absent: all nodes that KubeVirt may use."""
    mode: Mode = "Execute"
    """DryRun computes and shows, keeps current, and moves nothing."""
    paused: bool = False
    """Start nothing new; what runs finishes."""
    intent: Intent = "Active"
    """Withdrawn: cancel what has not switched over and undo the rest, without deleting the object."""
    limits: Limits | None = None
    """How many migrations at once."""
    order: Order = "Fastest"
    """Which VM starts when several could; one that was tried less often always goes first. Fastest: so that all is done
    soonest. Priority: the highest priority of their pods first. SmallestFirst: the least memory first."""
    make_room: MakeRoom = "Suggest"
    """What becomes of a VM that fits only if VMs which are not the plan's move first. Suggest: it is blocked, and the
    suggestion says which would have to go where. Move: the plan moves them, as few as it can."""
    non_migratable: NonMigratable = "Block"
    """Block: a VM that cannot migrate blocks the plan until that changes. Leave: it is reported and left behind."""
    failure_policy: FailurePolicy | None = None
    """Retries and their back-off."""
    verify: Verify | None = None
    """When a move counts as done."""
    run_id: Annotated[LabelValue | None, Field(alias="runID")] = None
    """A finished plan runs again when this changes, and only then. Absent means `initial`."""


class Run(Model):
    """The run's memory: what was decided once and must not be decided again."""

    id: Uid
    """The runID it is for."""
    started_at: datetime
    """When it started."""
    resolved_nodes: Annotated[tuple[ObjectName, ...], Field(max_length=10_000)] = ()
    """The evacuated nodes."""
    finished_at: datetime | None = None
    """When everything was done and verified."""


class Summary(Model):
    """The VMs of the plan, counted; each is in exactly one of running, waiting, blocked, failed and done."""

    total: Count = 0
    """All of them."""
    running: Count = 0
    """Their migration is in flight or being verified."""
    waiting: Count = 0
    """They wait for something that comes by itself."""
    blocked: Count = 0
    """Somebody has to do something."""
    failed: Count = 0
    """Their last migration failed and no retry is left, or their verification failed."""
    done: Count = 0
    """They are where they should be, verified."""
    vms: Word = "0/0"
    """done/total."""


class Estimate(Model):
    """A duration that is not known exactly, such as 12m30s."""

    p50: Word
    """It is as likely to take longer as not to."""
    p90: Word
    """It takes longer in one of ten cases."""


class LowerBound(Model):
    """What no order and no choice of targets can be faster than, if each migration takes as long as is expected."""

    duration: Word
    """How long it takes at least, such as 12m30s."""
    by: Text
    """What does not let it be less, in words: slots, or the longest migration."""


class ProposalStatus(Model):
    """What is to move where, as computed last."""

    hash: Word
    """Of the goal, the VMs and the allowed targets; not of the chosen targets, the order or times."""
    computed_at: datetime
    """When."""
    migrations: Count
    """How many VMs were given a target and have not started."""
    bytes: Annotated[int, Field(ge=0, le=1 << 62)] | None = None
    """Of their memory, which is sent at least."""
    duration: Estimate | None = None
    """How long their migrations take on free slots: by what this cluster's migrations took that are on record, and by
    assumption as long as there are none."""
    lower_bound: LowerBound | None = None
    """How long they take at least, and why."""


class VMStatus(Model):
    """One VM of the plan."""

    namespace: ObjectName
    """Of the VirtualMachineInstance."""
    name: ObjectName
    """Of the VirtualMachineInstance."""
    step: Word
    """Where its move stands."""
    source: ObjectName = ""
    """The node it is on, or was on before its move."""
    target: ObjectName | None = None
    """The node it goes to."""
    why: Text | None = None
    """Why this target."""
    attempt: Count | None = None
    """Which try this is."""
    migration: ObjectName | None = None
    """The name of its VirtualMachineInstanceMigration."""
    steps: Steps | None = None
    """When it entered each step."""
    switchover: Switchover | None = None
    """The moment the guest went over."""
    waiting: Waiting | None = None
    """Why it does not move."""
    error: Text | None = None
    """How its last attempt failed."""


class PlanStatus(Model):
    """What became of it, as far as anything has."""

    observed_generation: Generation | None = None
    """The generation of the spec this status is about."""
    observed_at: datetime | None = None
    """When this was true; at most a minute old while anything is unfinished."""
    phase: PlanPhase | None = None
    """Where the plan stands."""
    goal: Word | None = None
    """Evacuate or Move."""
    reason: Word | None = None
    """Why it is in this phase."""
    run: Run | None = None
    """The current run."""
    conditions: Conditions = ()
    """Ready, Reconciling, Stalled, PreflightPassed, Succeeded."""
    summary: Summary | None = None
    """The VMs, counted."""
    progress_percent: Percent | None = None
    """By steps of the moves; it never goes back within a run."""
    eta: Word | None = None
    """How long until all is done that can be done, such as 1h50m: estimated anew from what is left. Absent when nothing
    moves."""
    last_progress_time: datetime | None = None
    """When a VM last entered a further step."""
    proposal: ProposalStatus | None = None
    """What is to move, as computed last."""
    findings: Annotated[tuple[Finding, ...], Field(max_length=50)] = ()
    """What a person should know."""
    waiting: Waiting | None = None
    """Why the plan as a whole does not move."""
    virtual_machines: Annotated[tuple[VMStatus, ...], Field(max_length=MAX_LISTED)] = ()
    """At most 100 VMs: running, blocked and failed ones first. Blocked ones beyond that are in the findings, and those
    that were tried in the MigrationReports."""


class MigrationPlan(Model):
    """One run of one set of moves."""

    api_version: Literal["drover.dev/v1alpha1"] = API_VERSION
    kind: Literal["MigrationPlan"] = "MigrationPlan"
    metadata: ObjectMeta
    spec: PlanSpec
    status: PlanStatus = PlanStatus()

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def uid(self) -> str:
        return self.metadata.uid


PLANS = Resource(
    MigrationPlan,
    plural="migrationplans",
    short="mplan",
    columns=(
        Column("Goal", ".status.goal"),
        Column("Phase", ".status.phase"),
        Column("Reason", ".status.reason"),
        Column("VMs", ".status.summary.vms"),
        Column("Run", ".status.summary.running", "integer"),
        Column("Blocked", ".status.summary.blocked", "integer"),
        Column("Failed", ".status.summary.failed", "integer"),
        Column("Progress", ".status.progressPercent", "integer"),
        Column("ETA", ".status.eta"),
        AGE,
    ),
)
