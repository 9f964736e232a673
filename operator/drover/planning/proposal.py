"""What is to move where: a Proposal for each goal, in a fixed order, each on the fleet the previous one left."""

import hashlib
import json
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from drover.api.plan import MigrationPlan
from drover.facts.index import Index, index
from drover.facts.kubevirt import VMI
from drover.facts.snapshot import Snapshot
from drover.planning import reasons
from drover.planning.barred import barred_for, bars
from drover.planning.checks import chain
from drover.planning.checks.check import Answer, Verdict
from drover.planning.demand.selection import pins_host
from drover.planning.demand.vmclass import VMClass
from drover.planning.placing import placement
from drover.planning.placing.mover import Mover, Placed
from drover.planning.placing.refusal import Unplaced
from drover.planning.proof.capacity import Shortfall, Spare, shortfall, spare
from drover.planning.proof.reserve import Reserve
from drover.planning.relief import Asking, relieve
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
    tried: frozenset[str] = frozenset()
    """VMs by UID that this run has moved or failed to: none of them is asked to make room."""

    @property
    def tentative(self) -> bool:
        """Whether it takes room from nobody: a dry run, or a plan that starts nothing now."""
        return self.plan.spec.mode == "DryRun" or self.plan.spec.paused


@dataclass(frozen=True, slots=True)
class Assignment:
    """A VM (by VMI UID), the node it is on, the node it is to go to, and why that one.

    `doubt`: what nobody can judge of the target. `after`: the VMs (by UID) that have to have arrived first, each with
    the node where. `extra`: the goal does not want it moved, it makes room.
    """

    vm: str
    source: str
    target: str
    why: str
    doubt: str = ""
    after: tuple[tuple[str, str], ...] = ()
    extra: bool = False


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
    defect: str = ""
    """Where our own code went wrong, for the log: then all its VMs are refused, and say so."""


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
    shared = survey.build(snapshot, relations, taken, ahead=True)
    scene = timetable.Scene(snapshot, relations, timetable.pace(snapshot, relations))
    result: dict[str, Proposal] = {}
    moved: dict[str, str] = {}
    wanted = frozenset(vmi.uid for goal in goals for vmi in goal.vmis)
    for goal in sorted(goals, key=lambda goal: goal.tentative):
        ground = shared.copy() if goal.tentative else shared
        try:
            found = _timed(goal, scene, ground, before.get(goal.plan.uid), wanted, moved, reserve)
        except Exception as defect:
            # Of this goal alone: the others go on, on a fleet in which it has moved nobody.
            found = _broken(goal, snapshot, before.get(goal.plan.uid), defect)
            shared = _with(moved, survey.build(snapshot, relations, taken, ahead=True), scene)
        if not goal.tentative:
            moved |= {uid: each.target for uid, each in found.assignments.items()}
        result[goal.plan.uid] = found
    return result


def _timed(
    goal: Goal,
    scene: timetable.Scene,
    ground: Fleet,
    before: Proposal | None,
    wanted: frozenset[str],
    moved: Mapping[str, str],
    reserve: Reserve | None,
) -> Proposal:
    """A goal's proposal with what follows from it; `wanted` are the VMs that any goal means, `moved` those that earlier
    ones move, and where to."""
    found = _one(goal, scene.snapshot, scene.relations, ground, before, wanted | moved.keys())
    times = timetable.arrange(found.assignments.values(), goal.plan.spec.order, goal.limits, scene)
    if reserve is None:
        return replace(found, timetable=times)
    after = {**moved, **{uid: each.target for uid, each in found.assignments.items()}}
    gone = {*ground.taken, *goal.sources}
    return replace(found, timetable=times, spare=spare(reserve, ground, scene.snapshot, scene.relations, after, gone))


def _broken(goal: Goal, snapshot: Snapshot, before: Proposal | None, defect: Exception) -> Proposal:
    """Nobody moves, and everybody is told why. What was approved stays so."""
    words = f"its target could not be computed, by a defect of ours: {type(defect).__name__}: {defect}"
    fix = "report it with the operator's log; it is tried again whenever something changes"
    refused = {vmi.uid: Refused(vmi.uid, False, words, fix) for vmi in goal.vmis}
    trace = "".join(traceback.format_exception(defect))
    known = before.hash if before is not None else ""
    return Proposal(known, refused=refused, nodes=nodes_mark(snapshot), defect=trace)


def _with(moved: Mapping[str, str], fleet: Fleet, scene: timetable.Scene) -> Fleet:
    """The fleet in which these VMs are on their way."""
    for uid, target in moved.items():
        guest = survey.guest(scene.relations.vmis_by_uid[uid], scene.snapshot, scene.relations, fleet.position)
        assert guest is not None
        fleet.move(guest, fleet.position[target])
    return fleet


def _one(
    goal: Goal, snapshot: Snapshot, relations: Index, ground: Fleet, before: Proposal | None, claimed: frozenset[str]
) -> Proposal:
    barred = barred_for(goal.plan, goal.sources, snapshot, ground.taken)
    kept = {uid: a.target for uid, a in before.assignments.items()} if before is not None else {}
    ranks = {uid: rank for rank, uid in enumerate(kept)}
    movers: list[Mover] = []
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
        movers.append(Mover(guest, barred_here, kept.get(vmi.uid, ""), shunned, ranks.get(vmi.uid, 0)))
    assignments: dict[str, Assignment] = {}
    classes = {mover.uid: mover.guest.vm_class for mover in movers}
    empty = ground.copy()

    proofs: dict[tuple[frozenset[str], bytes], Shortfall | None] = {}

    def proof(asking: Sequence[Mover], fleet: Fleet) -> Shortfall | None:
        key = frozenset(mover.uid for mover in asking), fleet.free.tobytes()
        if key not in proofs:
            proofs[key] = shortfall(asking, fleet, fleet.free, barred)
        return proofs[key]

    def proven(asking: Sequence[Mover], fleet: Fleet) -> int:
        found = proof(asking, fleet)
        return found.vms if found is not None else 0

    answers = placement.place(movers, ground, barred, goal.limits, proven)
    asked = (
        frozenset(uid for uid, each in before.assignments.items() if each.extra) if before is not None else frozenset()
    )
    asking = Asking(
        movers, ground, empty, barred, goal.limits, claimed | goal.tried, goal.avoid, asked, proven, snapshot, relations
    )
    more = relieve(answers, asking, may_move=goal.plan.spec.make_room == "Move")
    for uid, answer in {**more.answers, **more.extra}.items():
        if isinstance(answer, Placed):
            assignments[uid] = _assignment(relations.vmis_by_uid[uid], answer, uid in more.extra)
        else:
            found = _refused(uid, answer, classes[uid])
            refused[uid] = replace(found, suggestion=more.suggestions.get(uid, found.suggestion))
    short = any(each.eligible for uid, each in refused.items() if uid in classes)
    lacking = proof(movers, empty) if short else None
    mark = nodes_mark(snapshot)
    return Proposal(_hash(goal, barred, snapshot), assignments, refused, mark, shortfall=lacking)


def _assignment(vmi: VMI, placed: Placed, extra: bool) -> Assignment:
    return Assignment(vmi.uid, vmi.node, placed.target, placed.why, placed.doubt, placed.after, extra)


def _refused(uid: str, answer: Unplaced, vm_class: VMClass) -> Refused:
    host = pins_host(vm_class.node_selector)
    if host is not None and not answer.eligible:
        return Refused(
            uid,
            False,
            f"its nodeSelector pins it to the host {host}",
            "remove kubernetes.io/hostname from the VM's nodeSelector, or shut it down for the maintenance",
        )
    return Refused(uid, answer.eligible, answer.message, answer.suggestion)


def _hash(goal: Goal, barred: Mapping[str, str], snapshot: Snapshot) -> str:
    spec = goal.plan.spec
    allowed = sorted(n.name for n in snapshot.nodes.values() if barred.get(n.name) != reasons.EXCLUDED)
    goal_parts = spec.model_dump(
        mode="json", include={"evacuate", "virtual_machines", "targets", "make_room", "non_migratable"}
    )
    text = json.dumps([goal_parts, sorted(vmi.uid for vmi in goal.vmis), allowed], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def nodes_mark(snapshot: Snapshot) -> str:
    """Changes when a node comes, goes, or may be used or not used any more."""
    nodes = sorted(
        (n.name, n.usable_by_kubevirt, n.silent, n.ready, n.cordoned, n.spec.taints) for n in snapshot.nodes.values()
    )
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
