"""A cluster, and the answers of planning about it by name."""

from dataclasses import dataclass
from functools import cached_property

from drover.facts.index import Index, index
from drover.facts.snapshot import Snapshot
from drover.planning import judging, proposing
from drover.planning.barred import bars
from drover.planning.checks import chain
from drover.planning.checks.check import Verdict
from drover.planning.demand.guest import Guest
from drover.planning.demand.vmclass import VMClass
from drover.planning.placing import placement
from drover.planning.placing.mover import Mover, Placed
from drover.planning.placing.refusal import Unplaced
from drover.planning.proposal import Goal, Proposal, Proposals
from drover.planning.site import survey
from drover.planning.site.fleet import Fleet
from tests.builders import NAMESPACE, PlanBuilder, VMIBuilder
from tests.builders import Part as Part
from tests.builders import a_cluster as a_cluster


@dataclass(frozen=True)
class Scene:
    """One snapshot with its index."""

    snapshot: Snapshot

    @cached_property
    def relations(self) -> Index:
        return index(self.snapshot)

    def fleet(self, **taken: str) -> Fleet:
        return survey.build(self.snapshot, self.relations, taken)

    def guest(self, vmi: VMIBuilder, ground: Fleet | None = None) -> Guest:
        found = survey.guest(vmi.build(), self.snapshot, self.relations, (ground or self.fleet()).position)
        assert found is not None
        return found

    def verdict(self, vmi: VMIBuilder, node: str) -> Verdict:
        """What all checks say of it, whatever else is in the way."""
        ground = self.fleet()
        return chain.verdict(self.guest(vmi, ground), ground, ground.position[node])

    def free(self, node: str, resource: str) -> int:
        """What is free on a node, in our units."""
        ground = self.fleet()
        return int(ground.free[ground.position[node], ground.resources.index(resource)])

    def vm_class(self, vmi: VMIBuilder) -> VMClass:
        return self.guest(vmi).vm_class

    def class_of(self, uid: str) -> VMClass:
        found = survey.class_of(self.relations.vmis_by_uid[uid], self.snapshot, self.relations)
        assert found is not None
        return found

    def selector(self, vmi: VMIBuilder) -> dict[str, str]:
        """The node selector its target pod will have."""
        return dict(self.vm_class(vmi).node_selector)

    def mover(self, vmi: VMIBuilder, kept: str = "", shunned: tuple[str, ...] = ()) -> Mover:
        return Mover(self.guest(vmi), bars(vmi.build(), self.relations, ()), kept, frozenset(shunned))

    def place(self, *movers: Mover, barred: dict[str, str] | None = None) -> dict[str, Placed | Unplaced]:
        return placement.place(movers, self.fleet(), barred or {})

    def admits(self, vmi: VMIBuilder, node: str) -> str | None:
        forbidden = bars(vmi.build(), self.relations, ())
        return judging.admits(vmi.build(), node, forbidden, self.snapshot, self.relations)

    def goal(self, plan: PlanBuilder, *vms: str, sources: tuple[str, ...] = ()) -> Goal:
        vmis = tuple(self.snapshot.vmis[NAMESPACE, vm] for vm in vms)
        return Goal(plan.build(), frozenset(sources), vmis)

    def propose(self, *goals: Goal, previous: Proposals | None = None) -> dict[str, Proposal]:
        """The proposals by the name of their plan."""
        found = proposing.propose(goals, self.snapshot, {}, previous or {})
        return {goal.plan.metadata.name: found[goal.plan.uid] for goal in goals}


def a_scene(*parts: Part) -> Scene:
    return Scene(a_cluster(*parts).snapshot())


def targets(proposal: Proposal) -> dict[str, str]:
    """The chosen nodes, by the name of the VM."""
    return {uid.removesuffix("-uid"): assignment.target for uid, assignment in proposal.assignments.items()}
