"""What is to move where: a Proposal for each goal, in a fixed order, each on the fleet the previous one left."""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace

from drover.facts.index import index
from drover.facts.kubevirt import VMI
from drover.facts.snapshot import Snapshot
from drover.planning.barred import barred_for, bars
from drover.planning.demand.selection import pins_host
from drover.planning.marks import goal_hash, nodes_mark
from drover.planning.placing import placement
from drover.planning.placing.mover import Mover, Placed
from drover.planning.placing.refusal import Unplaced
from drover.planning.proof.capacity import Proofs, spare
from drover.planning.proof.reserve import Reserve
from drover.planning.proposal import Assignment, Goal, Proposal, Proposals, Refused
from drover.planning.relief import Asking, Relief, relieve
from drover.planning.sharing import elsewhere, parted
from drover.planning.site import survey
from drover.planning.site.fleet import Fleet
from drover.planning.timing import timetable
from drover.planning.timing.timetable import Scene

NOT_RUNNING = "no launcher pod of it runs on its node", "see why it does not run"


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
    scene = Scene(snapshot, relations, timetable.pace(snapshot, relations))
    result: dict[str, Proposal] = {}
    moved: dict[str, Assignment] = {}
    wanted = frozenset(vmi.uid for goal in goals for vmi in goal.vmis)
    for goal in sorted(goals, key=lambda goal: goal.tentative):
        ground = shared.copy() if goal.tentative else shared
        try:
            found = _one(goal, scene, ground, before.get(goal.plan.uid), wanted, moved)
            found = _timed(found, goal, scene, ground, moved, reserve)
        except Exception as defect:
            # Of this goal alone: the others go on, on a fleet in which it has moved nobody.
            found = _broken(goal, snapshot, before.get(goal.plan.uid), defect)
            shared = _with(moved, survey.build(snapshot, relations, taken, ahead=True), scene)
        if not goal.tentative:
            moved = {**found.assignments, **moved}
        result[goal.plan.uid] = found
    return result


def _timed(
    found: Proposal,
    goal: Goal,
    scene: Scene,
    ground: Fleet,
    moved: Mapping[str, Assignment],
    reserve: Reserve | None,
) -> Proposal:
    """A goal's proposal with what follows from it."""
    times = timetable.arrange(found.assignments.values(), goal.plan.spec.order, goal.limits, scene)
    if reserve is None:
        return replace(found, timetable=times)
    after = {uid: each.target for uid, each in {**found.assignments, **moved}.items()}
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


def _with(moved: Mapping[str, Assignment], fleet: Fleet, scene: Scene) -> Fleet:
    """The fleet in which these VMs are on their way."""
    for uid, each in moved.items():
        guest = survey.guest(scene.relations.vmis_by_uid[uid], scene.snapshot, scene.relations, fleet.position)
        assert guest is not None
        fleet.move(guest, fleet.position[each.target])
    return fleet


def _one(
    goal: Goal,
    scene: Scene,
    ground: Fleet,
    before: Proposal | None,
    wanted: frozenset[str],
    moved: Mapping[str, Assignment],
) -> Proposal:
    """Targets and refusals; `wanted` are the VMs that any goal means, `moved` those that earlier ones move: where they
    send them, if this one lets them go there."""
    barred = barred_for(goal.plan, goal.sources, scene.snapshot, ground.taken)
    had = before.assignments if before is not None else {}
    everybody = _movers(goal, scene, ground, had)
    movers, standing, astray = parted(everybody, moved, barred)
    proofs, empty = Proofs(barred), ground.copy()
    answers = placement.place(movers, ground, barred, goal.limits, proofs.least)
    asking = Asking(
        movers=movers,
        ground=ground,
        before=empty,
        barred=barred,
        limits=goal.limits,
        kept=wanted | moved.keys() | goal.tried,
        avoid=goal.avoid,
        asked=frozenset(uid for uid, each in had.items() if each.extra),
        proven=proofs.least,
        snapshot=scene.snapshot,
        relations=scene.relations,
    )
    relief = relieve(answers, asking, may_move=goal.plan.spec.make_room == "Move")
    short = any(isinstance(each, Unplaced) and each.eligible for each in relief.answers.values())
    others = elsewhere(astray, moved, ground, barred, goal.limits)
    relief = replace(relief, answers={**relief.answers, **others})
    return Proposal(
        goal_hash(goal, barred, scene.snapshot),
        standing | _assignments(relief, scene),
        _absent(goal, everybody) | _refusals([*movers, *astray], relief),
        nodes_mark(scene.snapshot),
        shortfall=proofs.of(movers, empty) if short else None,
    )


def _movers(goal: Goal, scene: Scene, ground: Fleet, before: Mapping[str, Assignment]) -> list[Mover]:
    """The VMs of the goal whose pod runs, each with the target it has had and its rank among those that had one."""
    ranks = {uid: rank for rank, uid in enumerate(before)}
    result = []
    for vmi in goal.vmis:
        guest = survey.guest(vmi, scene.snapshot, scene.relations, ground.position)
        if guest is None:
            continue
        barred = bars(vmi, scene.relations, goal.avoid.get(vmi.uid, ()))
        kept = before[vmi.uid].target if vmi.uid in before else ""
        shunned = goal.shunned.get(vmi.uid, frozenset())
        result.append(Mover(guest, barred, kept, shunned, ranks.get(vmi.uid, 0)))
    return result


def _absent(goal: Goal, movers: Sequence[Mover]) -> dict[str, Refused]:
    """Those of which no pod runs."""
    there = {mover.uid for mover in movers}
    return {vmi.uid: Refused(vmi.uid, True, *NOT_RUNNING) for vmi in goal.vmis if vmi.uid not in there}


def _assignments(relief: Relief, scene: Scene) -> dict[str, Assignment]:
    placed = {uid: each for uid, each in {**relief.answers, **relief.extra}.items() if isinstance(each, Placed)}
    vmis = scene.relations.vmis_by_uid
    return {uid: _assignment(vmis[uid], each, uid in relief.extra) for uid, each in placed.items()}


def _assignment(vmi: VMI, placed: Placed, extra: bool) -> Assignment:
    return Assignment(vmi.uid, vmi.node, placed.target, placed.why, placed.doubt, placed.after, extra)


def _refusals(movers: Sequence[Mover], relief: Relief) -> dict[str, Refused]:
    """Each with who would have to make room for it, if that is known."""
    result = {}
    for mover in movers:
        answer = relief.answers[mover.uid]
        if isinstance(answer, Unplaced):
            found = _refused(mover, answer)
            result[mover.uid] = replace(found, suggestion=relief.suggestions.get(mover.uid, found.suggestion))
    return result


def _refused(mover: Mover, answer: Unplaced) -> Refused:
    uid, host = mover.uid, pins_host(mover.guest.vm_class.node_selector)
    if host is not None and not answer.eligible:
        return Refused(
            uid,
            False,
            f"its nodeSelector pins it to the host {host}",
            "remove kubernetes.io/hostname from the VM's nodeSelector, or shut it down for the maintenance",
        )
    return Refused(uid, answer.eligible, answer.message, answer.suggestion)
