"""What is to move where: a Proposal for each goal, in a fixed order, each on the fleet the previous one left."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from drover.api.plan import MigrationPlan
from drover.facts.index import Index, index
from drover.facts.kubevirt import VMI
from drover.facts.snapshot import Snapshot
from drover.planning import reasons
from drover.planning.candidates import resolve_nodes
from drover.planning.checks import chain
from drover.planning.checks.check import Answer, Verdict
from drover.planning.demand.selection import pins_host
from drover.planning.demand.vmclass import VMClass
from drover.planning.placing import placement
from drover.planning.proof.capacity import Shortfall, Spare, shortfall, spare
from drover.planning.proof.reserve import Reserve
from drover.planning.site import survey
from drover.planning.site.fleet import Fleet
from drover.planning.site.nodeclass import NodeClasses
from drover.planning.timing import timetable
from drover.planning.timing.moves import Limits
from drover.planning.timing.timetable import Timetable


@dataclass(frozen=True, slots=True)
class Goal:
    """What a plan wants now: empty `sources`, move `vmis`. By VMI UID: `avoid` are the nodes the scheduler refused,
    `shunned` those it failed on."""

    plan: MigrationPlan
    sources: frozenset[str]
    vmis: tuple[VMI, ...]
    avoid: Mapping[str, frozenset[str]] = field(default_factory=dict)
    shunned: Mapping[str, frozenset[str]] = field(default_factory=dict)
    limits: Limits | None = None
    """How many may move at once; None while nobody knows."""

    @property
    def tentative(self) -> bool:
        """Whether it takes room from nobody: a dry run, or a plan that starts nothing now."""
        return self.plan.spec.mode == "DryRun" or self.plan.spec.paused


@dataclass(frozen=True, slots=True)
class Assignment:
    """A VM (by VMI UID), the node it is on, the node it is to go to, and why that one.

    `doubt`: what nobody can judge of the target. `after`: the VMs (by UID) that have to have arrived first, each with
    the node where.
    """

    vm: str
    source: str
    target: str
    why: str
    doubt: str = ""
    after: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """A VM (by VMI UID) without a target; `eligible`: only room is missing."""

    vm: str
    eligible: bool
    message: str
    suggestion: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """`assignments` and `refused` by VMI UID; `hash` covers the goal, the VMs and the allowed targets, nothing that
    changes with load or time."""

    hash: str
    assignments: Mapping[str, Assignment] = field(default_factory=dict)
    refused: Mapping[str, Refused] = field(default_factory=dict)
    nodes: str = ""
    """A mark of the nodes it was computed on: another one means that there may be a better target."""
    timetable: Timetable | None = None
    """In which order its VMs start and how long that takes; None while the limits are not known."""
    shortfall: Shortfall | None = None
    """What is proven to lack room, if VMs were refused for want of it."""
    spare: Spare | None = None
    """Whether the reserve is kept after it, if one was asked for."""


Proposals = Mapping[str, Proposal]
"""By plan UID."""


def propose(
    goals: Sequence[Goal],
    snapshot: Snapshot,
    taken: Mapping[str, str],
    before: Proposals,
    reserve: Reserve | None = None,
) -> Proposals:
    """A proposal for every goal. `taken` are the nodes in maintenance or being evacuated, with the object that does it.

    Goals that move come first and share the fleet; tentative ones see what those leave, each for itself. With a
    `reserve`, each says whether the fleet keeps it once this proposal and those before it are carried out.
    """
    relations = index(snapshot)
    shared = survey.build(snapshot, relations, taken)
    scene = timetable.Scene(snapshot, relations, timetable.pace(snapshot, relations))
    result: dict[str, Proposal] = {}
    moved: dict[str, str] = {}
    for goal in sorted(goals, key=lambda goal: goal.tentative):
        ground = shared.copy() if goal.tentative else shared
        found = _one(goal, snapshot, relations, ground, before.get(goal.plan.uid))
        times = timetable.arrange(found.assignments.values(), goal.plan.spec.order, goal.limits, scene)
        after = moved | {uid: each.target for uid, each in found.assignments.items()}
        moved = moved if goal.tentative else after
        gone = {*ground.taken, *goal.sources}
        kept = spare(reserve, ground, snapshot, relations, after, gone) if reserve is not None else None
        result[goal.plan.uid] = replace(found, timetable=times, spare=kept)
    return result


def _one(goal: Goal, snapshot: Snapshot, relations: Index, ground: Fleet, before: Proposal | None) -> Proposal:
    barred = barred_for(goal.plan, goal.sources, snapshot, ground.taken)
    kept = {uid: a.target for uid, a in before.assignments.items()} if before is not None else {}
    ranks = {uid: rank for rank, uid in enumerate(kept)}
    movers: list[placement.Mover] = []
    refused: dict[str, Refused] = {}
    for vmi in goal.vmis:
        guest = survey.guest(vmi, snapshot, relations, ground.position)
        if guest is None:
            refused[vmi.uid] = Refused(
                vmi.uid, True, "no launcher pod of it runs on its node", "see why it does not run"
            )
            continue
        avoid = goal.avoid.get(vmi.uid, frozenset())
        shunned = goal.shunned.get(vmi.uid, frozenset())
        barred_here = bars(vmi, relations, avoid)
        movers.append(placement.Mover(guest, barred_here, kept.get(vmi.uid, ""), shunned, ranks.get(vmi.uid, 0)))
    sources = {vmi.uid: vmi.node for vmi in goal.vmis}
    assignments: dict[str, Assignment] = {}
    classes = {mover.uid: mover.guest.vm_class for mover in movers}
    free = ground.free.copy()
    for uid, answer in placement.place(movers, ground, barred, goal.limits).items():
        if isinstance(answer, placement.Placed):
            assignments[uid] = Assignment(uid, sources[uid], answer.target, answer.why, answer.doubt, answer.after)
        else:
            refused[uid] = _refused(uid, answer, classes[uid])
    short = any(each.eligible for uid, each in refused.items() if uid in classes)
    lacking = shortfall(movers, ground, free, barred) if short else None
    mark = nodes_mark(snapshot)
    return Proposal(_hash(goal, barred, snapshot), assignments, refused, mark, shortfall=lacking)


def _refused(uid: str, answer: placement.Unplaced, vm_class: VMClass) -> Refused:
    host = pins_host(vm_class.node_selector)
    if host is not None and not answer.eligible:
        return Refused(
            uid,
            False,
            f"its nodeSelector pins it to the host {host}",
            "remove kubernetes.io/hostname from the VM's nodeSelector, or shut it down for the maintenance",
        )
    return Refused(uid, answer.eligible, answer.message, answer.suggestion)


def bars(vmi: VMI, relations: Index, avoid: Iterable[str]) -> dict[str, str]:
    """Nodes this VM may not go to: where pods of it are (required anti-affinity to itself, by hostname label, which
    another node may have too), where it was refused."""
    result = dict.fromkeys(avoid, reasons.REJECTED)
    for pod in relations.pods_of(vmi):
        result |= dict.fromkeys(relations.namesakes.get(pod.node, ()), reasons.SHARES_A_HOSTNAME)
    result |= {pod.node: reasons.HAS_A_POD for pod in relations.pods_of(vmi) if pod.node}
    result[vmi.node] = reasons.IS_SOURCE
    return result


def barred_for(
    plan: MigrationPlan, sources: frozenset[str], snapshot: Snapshot, taken: Mapping[str, str]
) -> dict[str, str]:
    """Nodes no VM of the plan may go to, each with the reason in words."""
    result = {name: f"{reasons.TAKEN} ({by})" for name, by in taken.items()}
    targets = plan.spec.targets
    if targets is not None and targets.nodes is not None:
        allowed = set(resolve_nodes(targets.nodes, snapshot).names)
        result |= {n.name: reasons.EXCLUDED for n in snapshot.nodes.values() if n.name not in allowed}
    if targets is not None and targets.exclude is not None:
        result |= dict.fromkeys(resolve_nodes(targets.exclude, snapshot).names, reasons.EXCLUDED)
    return result | dict.fromkeys(sources, reasons.TO_BE_EMPTIED)


def _hash(goal: Goal, barred: Mapping[str, str], snapshot: Snapshot) -> str:
    spec = goal.plan.spec
    allowed = sorted(n.name for n in snapshot.nodes.values() if barred.get(n.name) != reasons.EXCLUDED)
    goal_parts = spec.model_dump(mode="json", include={"evacuate", "virtual_machines", "targets", "non_migratable"})
    text = json.dumps([goal_parts, sorted(vmi.uid for vmi in goal.vmis), allowed], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def nodes_mark(snapshot: Snapshot) -> str:
    """Changes when a node comes, goes, or may be used or not used any more."""
    nodes = sorted((n.name, n.usable_by_kubevirt, n.ready, n.cordoned, n.spec.taints) for n in snapshot.nodes.values())
    return hashlib.sha256(repr(nodes).encode()).hexdigest()[:16]


def static_homes(vm_class: VMClass, classes: NodeClasses) -> tuple[str, ...]:
    """The nodes a VM of the class may go to as far as labels, taints, volumes and conditions say."""
    codes = chain.static(vm_class, classes)
    return tuple(node.name for node, code in zip(classes.topology.nodes, codes, strict=True) if code <= chain.FITS)


def judge(vmi: VMI, node: str, forbidden: Mapping[str, str], snapshot: Snapshot, relations: Index) -> Verdict:
    """May the VM go to this node now? `forbidden` are nodes that are out of the question whatever the checks say, with
    the reason.

    The same checks and the same counting as placement, on a fresh snapshot: asked again before every dispatch.
    """
    position = survey.positions(snapshot)
    guest = survey.guest(vmi, snapshot, relations, position)
    if guest is None:
        return Verdict(Answer.NO, words="cannot be judged: no launcher pod of the VM runs on its node")
    if node not in position:
        return Verdict(Answer.NO, words="does not exist")
    if node in forbidden:
        return Verdict(Answer.NO, words=forbidden[node])
    return chain.verdict(guest, survey.around(guest, node, snapshot, relations), position[node])


def admits(vmi: VMI, node: str, forbidden: Mapping[str, str], snapshot: Snapshot, relations: Index) -> str | None:
    """Why the VM may not go to this node now, in words that follow "the node", or None if it may or nobody knows."""
    verdict = judge(vmi, node, forbidden, snapshot, relations)
    return verdict.words if verdict.answer == Answer.NO else None
