"""What a round knows about a NodeMaintenance."""

from collections.abc import Container, Mapping
from dataclasses import dataclass

from drover.api.maintenance import NodeMaintenance
from drover.api.plan import MigrationPlan, PlanStatus
from drover.api.shared import FINALIZER, Finding
from drover.facts.index import Index
from drover.facts.node import Node, before
from drover.facts.snapshot import Snapshot
from drover.planning.candidates import on_nodes
from drover.running import preflight
from drover.running.nodes import Standing, name_taken, owned_plan_name, owns


@dataclass(frozen=True, slots=True)
class Scene:
    """A maintenance with what a round knows about it."""

    maintenance: NodeMaintenance
    node: Node | None
    plan: MigrationPlan | None
    """The owned plan, if it is there and ours."""
    plan_status: PlanStatus | None
    """As rendered in this round."""
    standing: Standing
    taken: bool
    """Whether a plan of somebody else has the name of ours."""
    in_flight: bool
    """Whether a migration of the owned plan is in flight."""
    hold: preflight.Hold | None
    """Why nothing in the cluster may start."""
    refusals: tuple[Finding, ...]
    """Writes for it that the API server refused."""
    left: tuple[str, ...]
    """VMs still on the node, as namespace/name."""

    @property
    def held(self) -> bool:
        """Whether the node carries our mark."""
        was = before(self.node) if self.node is not None else None
        return was is not None and was.uid == self.maintenance.uid

    @property
    def cordoned(self) -> bool:
        """Whether the node carries our mark, and is cordoned still."""
        return self.held and self.node is not None and self.node.cordoned

    @property
    def given_back(self) -> bool:
        """Whether nothing is left to undo: another holder may keep the node cordoned, with the mark that is ours."""
        kept = self.maintenance.spec.node_name in self.standing.cordons
        return not self.in_flight and (not self.held or kept)

    @property
    def admitted(self) -> bool:
        return self.maintenance.uid in self.standing.admitted

    @property
    def finalized(self) -> bool:
        return FINALIZER in self.maintenance.metadata.finalizers


def gather(
    maintenance: NodeMaintenance,
    snapshot: Snapshot,
    index: Index,
    standing: Standing,
    statuses: Mapping[str, PlanStatus],
    flying: Container[str],
) -> Scene:
    """Gather what is known about a maintenance; `flying` are the names of plans of which a migration is in flight."""
    plan = snapshot.plan(owned_plan_name(maintenance))
    mine = plan if plan is not None and owns(maintenance, plan) else None
    name = maintenance.spec.node_name
    return Scene(
        maintenance=maintenance,
        node=snapshot.node(name),
        plan=mine,
        plan_status=statuses.get(mine.name) if mine is not None else None,
        standing=standing,
        taken=name_taken(maintenance, snapshot),
        in_flight=mine is not None and mine.name in flying,
        hold=preflight.cluster_hold(snapshot),
        refusals=tuple(preflight.refusals(_keys(maintenance), snapshot)),
        left=tuple(sorted(f"{v.metadata.namespace}/{v.metadata.name}" for v in on_nodes({name}, index))),
    )


def _keys(maintenance: NodeMaintenance) -> tuple[str, ...]:
    """Of the writes done for a maintenance, as `Action.key` makes them."""
    name = maintenance.spec.node_name
    return f"cordon {name}", f"plan {owned_plan_name(maintenance)}", f"finalizer {maintenance.uid}"
