"""NodeMaintenance: one node; its existence means that maintenance is wanted."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from drover.api.plan import NonMigratable, Summary
from drover.api.reasons import MaintenancePhase
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
    ObjectMeta,
    Order,
    Targets,
    Verify,
    Waiting,
)
from drover.api.values import Generation, Name, ObjectName, Percent, Reference, Text, Word, rule, rules


class MaintenanceVMs(Model):
    """Handed to the owned MigrationPlan; the fields mean what they mean there."""

    non_migratable: NonMigratable = "Block"
    """Block: a VM that cannot migrate blocks the maintenance. Leave: it stays on the node and is reported."""
    limits: Limits | None = None
    """How many migrations at once."""
    order: Order = "Fastest"
    """Which VM starts when several could."""
    make_room: MakeRoom = "Suggest"
    """Whether VMs on other nodes may be moved first where there is no room otherwise."""
    targets: Targets | None = None
    """Where the VMs may go."""
    failure_policy: FailurePolicy | None = None
    """Retries and their back-off."""
    verify: Verify | None = None
    """When a move counts as done."""


class Drain(Model):
    """What has to leave the node."""

    pods: Literal["VirtualMachines"] = "VirtualMachines"
    """VirtualMachines: the launcher pods of VMs, and nothing else."""


class MaintenanceSpec(Model):
    """Which node, and how it is emptied."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.nodeName == oldSelf.nodeName",
                "nodeName cannot be changed: delete this NodeMaintenance and create one for the other node",
                ".nodeName",
            )
        )
    )

    node_name: Name
    """The node. It cannot be changed; metadata.name must be the same, so that a node has one maintenance at most."""
    reason: Text | None = None
    """Why, in words for the people who find the node cordoned."""
    requester: ObjectName | None = None
    """Who wants it."""
    mode: Mode = "Execute"
    """DryRun answers whether the node could be emptied now and touches nothing."""
    paused: bool = False
    """Start no further move; what runs finishes, the cordon stays. Paused before it began, nothing is cordoned."""
    intent: Intent = "Active"
    """Withdrawn ends the maintenance without deleting the object."""
    virtual_machines: MaintenanceVMs | None = None
    """How the VMs are moved."""
    drain: Drain | None = None
    """What has to leave the node."""


class NodeBefore(Model):
    """What the node was like before us."""

    unschedulable: bool
    """Whether it was cordoned."""
    since: Word | None = None
    """When we took it over."""
    by: Reference | None = None
    """The object of ours that cordoned it."""


class PlanReference(Model):
    """The owned MigrationPlan."""

    name: ObjectName
    """Its name."""


class MaintenanceStatus(Model):
    """What became of it, as far as anything has."""

    observed_generation: Generation | None = None
    """The generation of the spec this status is about."""
    observed_at: datetime | None = None
    """When this was true; at most a minute old while anything is unfinished."""
    phase: MaintenancePhase | None = None
    """Where the maintenance stands."""
    reason: Word | None = None
    """Why it is in this phase."""
    node: NodeBefore | None = None
    """What the node was like before us, and will be again."""
    plan: PlanReference | None = None
    """The owned MigrationPlan."""
    conditions: Conditions = ()
    """Ready, Reconciling, Stalled, Cordoned, VirtualMachinesEvacuated, DriftDetected."""
    summary: Summary | None = None
    """The VMs, counted, as in the plan."""
    progress_percent: Percent | None = None
    """As in the plan."""
    eta: Word | None = None
    """As in the plan."""
    findings: Annotated[tuple[Finding, ...], Field(max_length=50)] = ()
    """What a person should know."""
    waiting: Waiting | None = None
    """Why it does not move."""


class NodeMaintenance(Model):
    """Maintenance of one node, wanted for as long as this object exists."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.metadata.name == self.spec.nodeName",
                "a maintenance has the name of its node: make metadata.name and spec.nodeName the same",
            )
        )
    )

    api_version: Literal["drover.dev/v1alpha1"] = API_VERSION
    kind: Literal["NodeMaintenance"] = "NodeMaintenance"
    metadata: ObjectMeta
    spec: MaintenanceSpec
    status: MaintenanceStatus = MaintenanceStatus()

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def uid(self) -> str:
        return self.metadata.uid


MAINTENANCES = Resource(
    NodeMaintenance,
    plural="nodemaintenances",
    short="vnm",
    columns=(
        Column("Phase", ".status.phase"),
        Column("Reason", ".status.reason"),
        Column("VMs", ".status.summary.vms"),
        Column("Blocked", ".status.summary.blocked", "integer"),
        Column("Cordoned", '.status.conditions[?(@.type=="Cordoned")].status'),
        Column("ETA", ".status.eta"),
        AGE,
    ),
)
