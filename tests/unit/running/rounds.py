"""A round of the core on a cluster of builders."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from drover.api.maintenance import MaintenanceStatus
from drover.api.plan import PlanStatus, VMStatus
from drover.api.report import Record
from drover.api.shared import Condition
from drover.facts.index import index
from drover.planning.proposal import Proposals
from drover.planning.proposing import propose
from drover.running.actions import Action, Decision, SaveRecords, StartMigration
from drover.running.decide import decide
from drover.running.goals import goals
from drover.running.view import View
from drover.running.views import view
from tests.builders import NOW, ClusterBuilder

A = TypeVar("A", bound=Action)


@dataclass(frozen=True)
class Result:
    """What a round decided, with short ways to its parts."""

    decision: Decision

    def of(self, kind: type[A]) -> list[A]:
        """The actions of a kind."""
        return [action for action in self.decision.actions if isinstance(action, kind)]

    @property
    def starts(self) -> dict[str, str]:
        """Targets by the name of the VM that starts."""
        return {action.vmi.name: action.target for action in self.of(StartMigration)}

    @property
    def records(self) -> list[Record]:
        return [record for save in self.of(SaveRecords) for record in save.records]

    def plan(self, name: str = "p") -> PlanStatus:
        return self.decision.plans[name]

    def maintenance(self, name: str = "n1") -> MaintenanceStatus:
        return self.decision.maintenances[name]

    def vm(self, name: str, plan: str = "p") -> VMStatus:
        return next(vm for vm in self.plan(plan).virtual_machines if vm.name == name)

    def waits(self, name: str, plan: str = "p") -> str | None:
        """Why a VM does not move."""
        waiting = self.vm(name, plan).waiting
        return waiting.reason if waiting is not None else None


def proposed(cluster: ClusterBuilder, now: datetime = NOW) -> Proposals:
    snapshot = cluster.snapshot()
    wanted, standing = goals(snapshot, now)
    return propose(wanted, snapshot, standing.taken, {})


def a_round(cluster: ClusterBuilder, now: datetime = NOW, proposals: Proposals | None = None) -> Result:
    """One round, on proposals that are up to date unless others are given."""
    known = proposed(cluster, now) if proposals is None else proposals
    return Result(decide(cluster.snapshot(), known, now))


def the_view(cluster: ClusterBuilder, name: str = "p") -> View:
    snapshot = cluster.snapshot()
    plan = snapshot.plan(name)
    assert plan is not None
    return view(plan, snapshot, index(snapshot))


def holds(conditions: tuple[Condition, ...], kind: str) -> bool:
    """Whether the condition of this type is True."""
    return next(each.status == "True" for each in conditions if each.type == kind)


def trio(conditions: tuple[Condition, ...]) -> tuple[bool, bool, bool]:
    """Ready, Reconciling, Stalled."""
    return holds(conditions, "Ready"), holds(conditions, "Reconciling"), holds(conditions, "Stalled")
