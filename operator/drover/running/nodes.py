"""Who holds which node: which maintenances may begin, which nodes are being emptied, which must be cordoned.

All of it is derived from objects and from the annotation that our cordon wrote: nothing is remembered.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from drover.api.maintenance import NodeMaintenance
from drover.api.plan import MigrationPlan
from drover.api.shared import FINALIZER
from drover.facts.node import Before, Node, before
from drover.facts.snapshot import Snapshot
from drover.running.actions import ObjectRef
from drover.running.names import DEFAULT_RUN

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def reference(thing: MigrationPlan | NodeMaintenance) -> ObjectRef:
    return ObjectRef(thing.kind, thing.name, thing.uid)


def in_order(things: Iterable[MigrationPlan | NodeMaintenance]) -> list[MigrationPlan | NodeMaintenance]:
    """The order in which goals are served: the oldest first, then by name."""
    return sorted(things, key=lambda t: (t.metadata.creation_timestamp or _EPOCH, t.name))


def plans_in_order(snapshot: Snapshot) -> list[MigrationPlan]:
    return [thing for thing in in_order(snapshot.plans.values()) if isinstance(thing, MigrationPlan)]


def maintenances_in_order(snapshot: Snapshot) -> list[NodeMaintenance]:
    return [thing for thing in in_order(snapshot.maintenances.values()) if isinstance(thing, NodeMaintenance)]


def find(uid: str, snapshot: Snapshot) -> MigrationPlan | NodeMaintenance | None:
    """The plan or maintenance with this UID."""
    for things in (snapshot.maintenances, snapshot.plans):
        for thing in things.values():
            if thing.uid == uid and isinstance(thing, MigrationPlan | NodeMaintenance):
                return thing
    return None


def owned_plan_name(maintenance: NodeMaintenance) -> str:
    return f"{maintenance.name[:241].rstrip('-.')}-maintenance"


def owns(maintenance: NodeMaintenance, plan: MigrationPlan) -> bool:
    return any(owner.uid == maintenance.uid for owner in plan.metadata.owner_references)


def run_id(plan: MigrationPlan) -> str:
    return plan.spec.run_id or DEFAULT_RUN


def ended(thing: MigrationPlan | NodeMaintenance) -> bool:
    """Whether its end is wanted: withdrawn or deleted. Its migrations are cancelled before they switch over."""
    return thing.metadata.deleting or thing.spec.intent == "Withdrawn"


def is_undone(thing: MigrationPlan | NodeMaintenance) -> bool:
    """Whether it is to be undone: withdrawn, deleted, or (a run begun before) now only rehearsed."""
    return ended(thing) or thing.spec.mode == "DryRun"


def usable(node: Node) -> bool:
    """Whether KubeVirt could place a VM here now."""
    return node.usable_by_kubevirt and not node.silent and node.ready and not node.cordoned


@dataclass(frozen=True, slots=True)
class Standing:
    """What is to be said about nodes in this round.

    `admitted` maintenances by UID: those that may hold their node. `last_node`: those refused because no other node
    would be left for KubeVirt. `taken`: nodes nobody may be sent to, with the object that empties them. `cordons`:
    nodes that must be cordoned, with who wants it first. `marks`: what the nodes we have cordoned were like before.
    """

    admitted: frozenset[str]
    last_node: frozenset[str]
    taken: Mapping[str, str]
    cordons: Mapping[str, ObjectRef]
    marks: Mapping[str, Before]


def stand(snapshot: Snapshot, undoing: frozenset[str]) -> Standing:
    """Who holds which node. `undoing` are the UIDs of objects that are being undone and still have migrations in
    flight: they keep their cordon until those are over."""
    taken = _emptied_by_plans(snapshot)
    admitted, last = _admit(snapshot, taken)
    cordons: dict[str, ObjectRef] = {}
    for node, thing in (*_undone_last(snapshot, undoing), *_cordoned(snapshot, admitted, undoing)):
        if _may_take(thing, node, snapshot):
            cordons.setdefault(node, reference(thing))
    marks = {node.name: was for node in snapshot.nodes.values() if (was := before(node)) is not None}
    return Standing(admitted, last, taken, cordons, marks)


def _admit(snapshot: Snapshot, taken: dict[str, str]) -> tuple[frozenset[str], frozenset[str]]:
    """Which maintenances may hold their node, and which may not because no other would be left for KubeVirt. Those that
    hold it already come first, then the oldest; each takes its node. One that is paused before it began takes none."""
    wanted = [each for each in maintenances_in_order(snapshot) if not is_undone(each)]
    admitted, last = [each for each in wanted if _holds(each, snapshot)], []
    taken |= {each.spec.node_name: str(reference(each)) for each in admitted}
    for maintenance in wanted:
        name = maintenance.spec.node_name
        out = snapshot.node(name) is None or name_taken(maintenance, snapshot) or maintenance.spec.paused
        if maintenance in admitted or out:
            continue
        if _others_usable(name, taken, snapshot):
            admitted.append(maintenance)
            taken[name] = str(reference(maintenance))
        else:
            last.append(maintenance)
    return frozenset(each.uid for each in admitted), frozenset(each.uid for each in last)


def _undone_last(snapshot: Snapshot, undoing: frozenset[str]) -> Iterable[tuple[str, NodeMaintenance]]:
    """Nodes of maintenances that are being undone and still have migrations in flight."""
    yield from ((each.spec.node_name, each) for each in maintenances_in_order(snapshot) if each.uid in undoing)


def _cordoned(
    snapshot: Snapshot, admitted: frozenset[str], undoing: frozenset[str]
) -> Iterable[tuple[str, MigrationPlan | NodeMaintenance]]:
    """Nodes that are to be cordoned, with who wants it, in the order in which they are asked."""
    yield from ((each.spec.node_name, each) for each in maintenances_in_order(snapshot) if each.uid in admitted)
    yield from _cordoned_by_plans(snapshot, undoing)


def _may_take(thing: MigrationPlan | NodeMaintenance, name: str, snapshot: Snapshot) -> bool:
    """A node that carries our mark stays cordoned for anybody who wants it. To take one anew our finalizer comes first,
    so that the way back is certain, and a pause before the beginning takes nothing."""
    node = snapshot.node(name)
    if node is not None and before(node) is not None:
        return True
    return not ended(thing) and not thing.spec.paused and FINALIZER in thing.metadata.finalizers


def _holds(maintenance: NodeMaintenance, snapshot: Snapshot) -> bool:
    """Whether it took its node before: the annotation on the node says by whom."""
    node = snapshot.node(maintenance.spec.node_name)
    was = before(node) if node is not None else None
    return was is not None and was.uid == maintenance.uid


def name_taken(maintenance: NodeMaintenance, snapshot: Snapshot) -> bool:
    """Whether a plan with the name of the one it would own exists and is somebody else's."""
    plan = snapshot.plan(owned_plan_name(maintenance))
    return plan is not None and not owns(maintenance, plan)


def _others_usable(name: str, taken: Mapping[str, str], snapshot: Snapshot) -> bool:
    return any(usable(node) and node.name != name and node.name not in taken for node in snapshot.nodes.values())


def _emptied_by_plans(snapshot: Snapshot) -> dict[str, str]:
    """Nodes that running plans evacuate."""
    return {
        node: str(reference(plan))
        for plan in plans_in_order(snapshot)
        if not is_undone(plan) and (run := plan.status.run) is not None
        if run.id == run_id(plan) and run.finished_at is None
        for node in run.resolved_nodes
    }


def _cordoned_by_plans(snapshot: Snapshot, undoing: frozenset[str]) -> Iterable[tuple[str, MigrationPlan]]:
    """Nodes whose plan applies the cordon: from the start of its run until it is undone, also after success. After
    success a node that somebody uncordoned is theirs again."""
    for plan in plans_in_order(snapshot):
        evacuate, run = plan.spec.evacuate, plan.status.run
        if evacuate is None or evacuate.cordon != "Apply" or run is None:
            continue
        if not is_undone(plan) or plan.uid in undoing:
            over = run.id == run_id(plan) and run.finished_at is not None
            yield from ((node, plan) for node in run.resolved_nodes if not (over and _opened(node, snapshot)))


def _opened(name: str, snapshot: Snapshot) -> bool:
    """Whether somebody uncordoned a node that we had cordoned."""
    node = snapshot.node(name)
    return node is not None and before(node) is not None and not node.cordoned
