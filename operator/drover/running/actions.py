"""What a round may do. Each action is one object's; a Decision is a set of them whose order never matters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from drover.api.maintenance import MaintenanceStatus
from drover.api.plan import PlanStatus
from drover.api.report import Record
from drover.api.shared import OwnerReference

Kind = Literal["MigrationPlan", "NodeMaintenance"]


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An object by kind, name and UID; namespace empty for cluster-scoped ones."""

    kind: str
    name: str
    uid: str
    namespace: str = ""
    api_version: str = "drover.dev/v1alpha1"

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class StartMigration:
    """Create the VMIM `name` for a VM, pinned to `target` by its hostname label; `extra`: only to make room."""

    plan: ObjectRef
    run: str
    vmi: ObjectRef
    source: str
    target: str
    hostname: str
    attempt: int
    name: str
    why: str
    extra: bool = False

    @property
    def key(self) -> str:
        return f"start {self.vmi.uid}"


@dataclass(frozen=True, slots=True)
class CancelMigration:
    """Delete a VMIM of ours that has not switched over. Its record is stored already."""

    namespace: str
    name: str
    uid: str
    why: str

    @property
    def key(self) -> str:
        return f"cancel {self.uid}"


@dataclass(frozen=True, slots=True)
class Cordon:
    """Make a node unschedulable and write beside it, in the same request, what it was like before."""

    node: str
    by: ObjectRef
    before: str

    @property
    def key(self) -> str:
        return f"cordon {self.node}"


@dataclass(frozen=True, slots=True)
class Uncordon:
    """Give a node back as it was: `unschedulable` before us."""

    node: str
    unschedulable: bool

    @property
    def key(self) -> str:
        return f"cordon {self.node}"


@dataclass(frozen=True, slots=True)
class EnsurePlan:
    """Make the plan a maintenance owns have this spec. `uid` is that of the existing one, empty to create it."""

    name: str
    uid: str
    owner: OwnerReference
    spec: Mapping[str, Any]

    @property
    def key(self) -> str:
        return f"plan {self.name}"


@dataclass(frozen=True, slots=True)
class SetFinalizer:
    """Put our finalizer on an object of ours, or take it off."""

    object: ObjectRef
    present: bool

    @property
    def key(self) -> str:
        return f"finalizer {self.object.uid}"


@dataclass(frozen=True, slots=True)
class SaveRecords:
    """Make a MigrationReport hold exactly these records; `exists` says whether it was there."""

    name: str
    plan: ObjectRef
    run: str
    records: tuple[Record, ...]
    exists: bool

    @property
    def key(self) -> str:
        return f"report {self.name}"


@dataclass(frozen=True, slots=True)
class Tell:
    """An Event about an object. `once` makes its name: the same thing is told once, whoever repeats it."""

    about: ObjectRef
    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    once: str

    @property
    def key(self) -> str:
        return f"event {self.about.uid} {self.reason} {self.once}"


Action = StartMigration | CancelMigration | Cordon | Uncordon | EnsurePlan | SetFinalizer | SaveRecords | Tell


@dataclass(frozen=True, slots=True)
class Decision:
    """What a round decided: actions, the statuses of all plans and maintenances by name, and when to look again if
    nothing changes before."""

    actions: tuple[Action, ...] = ()
    plans: Mapping[str, PlanStatus] = field(default_factory=dict)
    maintenances: Mapping[str, MaintenanceStatus] = field(default_factory=dict)
    wake_at: datetime | None = None
