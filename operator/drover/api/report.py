"""MigrationReport: what became of up to 100 VMs of one run. It has no owner and outlives its plan."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from drover.api.reasons import Outcome
from drover.api.resource import AGE, Column, Resource
from drover.api.shared import API_VERSION, MOST_RETRIES, Model, ObjectMeta, Steps
from drover.api.values import Count, Name, ObjectName, Text, Uid, Word, rule, rules

MAX_RECORDS = 100
"""A report is written whole whenever an attempt in it ends: a hundred VMs that moved at once are some 70 KiB. It holds
fewer where they took more: the ledger bounds it by bytes, below 256 KiB."""


KEPT_ATTEMPTS = MOST_RETRIES + 2
"""A record always keeps the failures of all retries, beside a last attempt that did not fail."""
KEPT_REJECTIONS = 20


class ReportPlan(Model):
    """A MigrationPlan, perhaps of the past."""

    name: Name
    """The plan's name."""
    uid: Annotated[str, Field(min_length=1, max_length=64)]
    """The plan's UID: a plan of the same name that was made anew inherits nothing."""


class ReportSpec(Model):
    """Which run it is about."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("self == oldSelf", "a report is about one run for ever: leave spec as it is, or delete the report")
        )
    )

    plan: ReportPlan
    """Whose run it was."""
    run: Annotated[str, Field(max_length=63)]
    """The run's ID."""


class Attempt(Model):
    """One VirtualMachineInstanceMigration and its end."""

    number: Count
    """Counted from 1."""
    migration: ObjectName
    """Its name."""
    uid: Uid = ""
    """Its UID."""
    source: ObjectName
    """From this node."""
    target: ObjectName
    """To this node."""
    why: Text | None = None
    """Why this target. Cut short, or left out, in earlier attempts of a VM that had many."""
    outcome: Outcome
    """How it ended; Cancelling while we wait for that."""
    ended_at: datetime | None = None
    """When."""
    mode: Word | None = None
    """PreCopy, PostCopy or Paused, as KubeVirt reports it."""
    steps: Steps | None = None
    """When it entered each step. Left out in earlier attempts of a VM that had many."""
    fingerprint: Word = ""
    """Of the VM's demands and eligible targets when it ended: when they change, its retries start afresh."""
    error: Text | None = None
    """What went wrong, in KubeVirt's or the scheduler's words. Cut short, or left out, in earlier attempts of a VM that
    had many."""


class RejectedTarget(Model):
    """A node the scheduler refused for the VM."""

    node: ObjectName
    """The node."""
    at: datetime
    """When."""
    message: Text
    """In the scheduler's words. Cut short, or empty, where there are many."""


class Record(Model):
    """One VM and all its attempts."""

    namespace: ObjectName
    """Of the VirtualMachineInstance."""
    name: ObjectName
    """Of the VirtualMachineInstance."""
    uid: Uid
    """Of the VirtualMachineInstance."""
    outcome: Outcome
    """Of the last attempt, or of its verification."""
    attempts: Annotated[tuple[Attempt, ...], Field(max_length=KEPT_ATTEMPTS)] = ()
    """Its attempts: at most 10, those that failed and the last ones first."""
    rejected: Annotated[tuple[RejectedTarget, ...], Field(max_length=KEPT_REJECTIONS)] = ()
    """Targets the scheduler refused, the last 20."""


class ReportStatus(Model):
    """The VMs of the run that were tried, or up to 100 of them."""

    vms: Count = 0
    """How many VMs it holds."""
    failed: Count = 0
    """How many of them failed last."""
    records: Annotated[tuple[Record, ...], Field(max_length=MAX_RECORDS)] = ()
    """The VMs. One that is in two reports of a run has outgrown the earlier, which is about to forget it: the later is
    right."""


class MigrationReport(Model):
    """What became of the VMs of one run."""

    api_version: Literal["drover.dev/v1alpha1"] = API_VERSION
    kind: Literal["MigrationReport"] = "MigrationReport"
    metadata: ObjectMeta
    spec: ReportSpec
    status: ReportStatus = ReportStatus()

    @property
    def name(self) -> str:
        return self.metadata.name


REPORTS = Resource(
    MigrationReport,
    plural="migrationreports",
    short="mreport",
    columns=(
        Column("Plan", ".spec.plan.name"),
        Column("Run", ".spec.run"),
        Column("VMs", ".status.vms", "integer"),
        Column("Failed", ".status.failed", "integer"),
        AGE,
    ),
)
