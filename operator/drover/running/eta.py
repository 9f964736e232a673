"""How long until each plan has done what it can: what is left of all plans, scheduled as dispatch will start it.

All plans together, since they share the slots and the older ones come first. Estimated anew each round: moves in
flight by how long they have taken so far, the others under the limits that hold now.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from drover.api.reasons import WaitReason
from drover.planning.forecast.calibration import Pace
from drover.planning.proposal import Proposals
from drover.planning.site.arriving import towards
from drover.planning.timing import order, timetable
from drover.planning.timing.moves import Job, Limits
from drover.planning.timing.order import Slot
from drover.running import slots
from drover.running.move import Move
from drover.running.preflight import Hold
from drover.running.progress import is_blocked, is_left
from drover.running.round import Round
from drover.running.slots import Allowed
from drover.running.view import View

FLYING = frozenset({"PreparingTarget", "PreCopy", "Switchover"})
"""Steps in which a move holds its slots."""


@dataclass(frozen=True, slots=True)
class Course:
    """A plan in this round: its moves as dispatch has left them, in the order in which they start."""

    view: View
    moves: Sequence[Move]
    limits: Allowed | None
    hold: Hold | None


@dataclass(slots=True)
class _Work:
    """The moves of all plans in the order of dispatch, by VMI UID; and when some may start at the earliest."""

    jobs: dict[str, Job] = field(default_factory=dict)
    earliest: dict[str, float] = field(default_factory=dict)


def etas(courses: Sequence[Course], proposals: Proposals, shared: Round) -> dict[str, float]:
    """Seconds until all is done that can be done, by plan UID; nothing for a plan of which nothing moves."""
    mine = {course.view.plan.uid: _unfinished(course) for course in courses}
    if not any(mine.values()):
        return {}
    pace = next((each.timetable.pace for each in proposals.values() if each.timetable is not None), Pace())
    work = _work([(course, mine[course.view.plan.uid]) for course in courses], pace, _room(proposals), shared)
    known: dict[Limits, Mapping[str, Slot]] = {}
    result: dict[str, float] = {}
    for course in courses:
        uids = [move.uid for move in mine[course.view.plan.uid]]
        limits = course.limits
        if not uids or limits is None:
            continue
        wanted = Limits(limits.total, limits.per_source, limits.per_target)
        if not timetable.allows(wanted):
            continue
        if wanted not in known:
            known[wanted] = order.in_order(list(work.jobs.values()), wanted).slots
        end = max(_end(uid, known[wanted], work) for uid in uids)
        lengths = [work.jobs[uid].seconds for uid in uids if uid in work.jobs]
        result[course.view.plan.uid] = timetable.spread(end, lengths, pace).p50
    return result


def _end(uid: str, known: Mapping[str, Slot], work: _Work) -> float:
    if uid not in known:
        return 0.0
    return max(known[uid].end, work.earliest.get(uid, 0.0) + work.jobs[uid].seconds)


def _unfinished(course: Course) -> list[Move]:
    """The moves whose end the plan waits for; none of a plan that is held, as nobody knows until when."""
    if course.hold is not None:
        return []
    return [move for move in course.moves if move.step in (*FLYING, "Verifying") or _will_start(move, course.view)]


def _will_start(move: Move, view: View) -> bool:
    if move.step != "Queued" or is_blocked(move) or is_left(move, view):
        return False
    reason = move.waiting.reason if move.waiting is not None else None
    if reason == WaitReason.PODS_ENDING:
        # Without a target its guest has gone already.
        return bool(move.target)
    evacuate = view.plan.spec.evacuate
    return reason != WaitReason.AWAITING_CORDON or (evacuate is not None and evacuate.cordon == "Apply")


def _room(proposals: Proposals) -> dict[str, tuple[str, ...]]:
    """By VMI UID those that make room for it. Nobody waits for himself: they come one after the other in a proposal,
    and no other plan may want them."""
    return {
        uid: tuple(who for who, _ in each.after if who in found.assignments and found.assignments[who].extra)
        for found in proposals.values()
        for uid, each in found.assignments.items()
        if each.after
    }


def _work(
    courses: Iterable[tuple[Course, Sequence[Move]]], pace: Pace, room: Mapping[str, tuple[str, ...]], shared: Round
) -> _Work:
    """What is in flight, whoever made it, and then what starts, the oldest plan's first."""
    scene = timetable.Scene(shared.snapshot, shared.index, pace)
    work = _Work(_in_flight(scene, shared.now))
    queued = {move.uid: move for _, moves in courses for move in moves if move.step == "Queued"}
    there = [(move, shared.index.vmis_by_uid[uid]) for uid, move in queued.items() if uid in shared.index.vmis_by_uid]
    seen = timetable.forecasts([vmi for _, vmi in there], scene)
    for (move, _), forecast in zip(there, seen, strict=True):
        # One that somebody else migrates now is moved by that, or again after it: it is counted once.
        job = Job(move.uid, move.source, move.target, forecast.seconds.p50, room.get(move.uid, ()))
        work.jobs.setdefault(move.uid, job)
        until = _until(move)
        if until is not None:
            work.earliest[move.uid] = (until - shared.now).total_seconds()
    return work


def _until(move: Move) -> datetime | None:
    until = move.waiting.until if move.waiting is not None else None
    return datetime.strptime(until, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) if until else None


def _in_flight(scene: timetable.Scene, now: datetime) -> dict[str, Job]:
    """A job for each VM with a migration in flight that holds a slot."""
    relations, flying = scene.relations, []
    for key, vmims in relations.in_flight.items():
        vmi = scene.snapshot.vmis.get(key)
        flying += [(vmi, vmim) for vmim in vmims if vmi is not None and slots.counts(vmim, relations)]
    flying.sort(key=lambda pair: (pair[0].uid, pair[1].uid))
    seen = timetable.forecasts([vmi for vmi, _ in flying], scene)
    result: dict[str, Job] = {}
    for (vmi, vmim), forecast in zip(flying, seen, strict=True):
        began = vmim.metadata.creation_timestamp or now
        left = forecast.seconds.left((now - began).total_seconds())
        state = vmi.state_of(vmim.uid)
        source = state.source_node if state is not None and state.source_node else vmi.node
        result[vmi.uid] = Job(vmi.uid, source, towards(vmim, scene.snapshot, relations), left, running=True)
    return result
