"""One round's decision over all plans and maintenances together: what is done now, what is said, when to look again.

Pure and level-triggered: the same facts give the same decision, and a decision that was lost is made again.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from drover.api.plan import PlanStatus, Run
from drover.api.reasons import EventReason, Reason
from drover.api.shared import FINALIZER, Finding
from drover.facts.index import index
from drover.facts.node import Before
from drover.facts.snapshot import Snapshot
from drover.planning.proposal import Proposal, Proposals
from drover.running import budgets, maintenance, maintenance_scene, preflight, slots, status
from drover.running.actions import Action, Cordon, Decision, ObjectRef, SetFinalizer, Tell, Uncordon
from drover.running.blind import BLIND, unsure
from drover.running.dispatch import dispatch, joined
from drover.running.endings import Endings, endings
from drover.running.eta import Course, etas
from drover.running.gates.tries import backoff
from drover.running.goals import undoing
from drover.running.move import Move
from drover.running.nodes import Standing, maintenances_in_order, reference, stand
from drover.running.progress import is_left
from drover.running.round import Round
from drover.running.view import View
from drover.running.views import views

log = logging.getLogger(__name__)


def decide(snapshot: Snapshot, proposals: Proposals, now: datetime) -> Decision:
    """The decision of a round. A plan or maintenance that cannot be judged, by a defect of ours, stops no other."""
    if snapshot.unlisted & BLIND:
        return unsure(snapshot, now)
    relations = index(snapshot)
    seen = views(snapshot, relations)
    standing = stand(snapshot, undoing(seen, snapshot))
    shared = Round(snapshot, relations, now, slots.count(snapshot, relations), standing.taken)
    actions: list[Action] = list(_cordons(snapshot, standing, now))
    drafts: list[_Draft] = []
    for view in seen:
        with _alone(view.ref):
            drafts.append(_plan(view, proposals.get(view.plan.uid), standing, shared))
    ends = _etas(drafts, proposals, shared)
    plans: dict[str, PlanStatus] = {}
    for draft in drafts:
        with _alone(draft.course.view.ref):
            said = replace(draft.facts, eta=ends.get(draft.course.view.plan.uid))
            plans[draft.course.view.plan.name] = status.render(said, now)
            actions += draft.actions
    flying = frozenset(view.plan.name for view in seen if view.flying)
    maintenances = {}
    for each in maintenances_in_order(snapshot):
        with _alone(reference(each)):
            scene = maintenance_scene.gather(each, snapshot, relations, standing, plans, flying)
            result = maintenance.run(scene, snapshot, now)
            actions += result.actions
            maintenances[each.name] = result.status
    return Decision(tuple(_not_backed_off(actions, shared)), plans, maintenances, min(shared.wake, default=None))


@contextmanager
def _alone(about: ObjectRef) -> Iterator[None]:
    """What goes wrong in here is told in the log, and goes no further."""
    try:
        yield
    except Exception:
        log.exception("%s cannot be judged", about)


def _not_backed_off(actions: Iterable[Action], shared: Round) -> Iterable[Action]:
    """Without what the API server refused a moment ago; status shows the refusal meanwhile."""
    for action in actions:
        until = _backs_off(action, shared)
        if until is not None:
            shared.wake.append(until)
        else:
            yield action


@dataclass(frozen=True, slots=True)
class _Draft:
    """A plan's actions, and all that its status is rendered from but its ETA, which hangs on the other plans."""

    actions: list[Action]
    facts: status.Facts
    course: Course


def _etas(drafts: Iterable[_Draft], proposals: Proposals, shared: Round) -> Mapping[str, float]:
    """Without them everything else goes on as well."""
    try:
        return etas([draft.course for draft in drafts], proposals, shared)
    except Exception:
        log.exception("no plan's ETA can be estimated")
        return {}


def _plan(view: View, proposal: Proposal | None, standing: Standing, shared: Round) -> _Draft:
    """The actions of one plan and the facts of its status."""
    snapshot, kubevirt = shared.snapshot, shared.snapshot.kubevirt
    limits = slots.allowed(view.plan.spec.limits, kubevirt) if kubevirt is not None else None
    found = preflight.blockers(view, snapshot)
    hold = preflight.start_hold(view, found, snapshot)
    ended = endings(view, shared)
    view = joined(view, proposal, limits, hold, shared)
    moves, starts = dispatch(view, proposal, limits, hold, shared)
    keys = dict.fromkeys([*_keys(view), *(save.key for save in ended.saves), *(one.key for one in ended.cancels)])
    noted = [*preflight.notes(view, limits, snapshot), *budgets.findings(view, shared.index, snapshot)]
    findings = [*found, *noted, *preflight.refusals(keys, snapshot)]
    run = _run(view, hold, not ended.saves and _all_done(view, moves, found), shared.now)
    restored = not view.flying and not _marked(view, standing)
    said = status.Facts(view, run, moves, proposal, hold, findings, restored)
    # Told when it is on record, or every round would tell it again.
    tells = ended.tells if not any(_backs_off(save, shared) for save in ended.saves) else []
    actions = [*starts, *ended.saves, *ended.cancels, *tells, *_finalizer(view, restored, ended)]
    return _Draft(actions, said, Course(view, moves, limits, hold))


def _backs_off(action: Action, shared: Round) -> datetime | None:
    """Until when an action waits that the API server has refused."""
    refusal = shared.snapshot.refusals.get(action.key)
    until = backoff(refusal, shared.now) if refusal is not None else shared.now
    return until if until > shared.now else None


def _keys(view: View) -> list[str]:
    """Of the writes done for a plan and not for one of its VMs, as `Action.key` makes them."""
    reports = [f"report {name}" for name in view.ledger.reports]
    return [f"finalizer {view.plan.uid}", *reports, *(f"cordon {name}" for name in view.sources.names)]


def _run(view: View, hold: preflight.Hold | None, done: bool, now: datetime) -> Run | None:
    """The run as it is to be stored: started when nothing holds it and our finalizer is on, finished when all is done
    and verified and on record. A pause does not keep it from that."""
    if view.run is None:
        starts = hold is None and FINALIZER in view.plan.metadata.finalizers
        fresh = Run(id=view.run_id, started_at=now, resolved_nodes=view.sources.names)
        return fresh if starts else view.plan.status.run
    held = hold is not None and hold.reason is not Reason.PAUSED
    return view.run if view.finished or held or not done else view.run.model_copy(update={"finished_at": now})


def _all_done(view: View, moves: list[Move], found: list[Finding]) -> bool:
    """Everything asked for is off its source, verified; what is left on purpose does not count."""
    if view.flying or view.lingering or any(each.severity == "Blocker" for each in found):
        return False
    return all(move.step == "Done" or is_left(move, view) for move in moves)


def _marked(view: View, standing: Standing) -> bool:
    """Whether a node still carries this plan's cordon and nobody else keeps it."""
    return any(was.uid == view.plan.uid and name not in standing.cordons for name, was in standing.marks.items())


def _finalizer(view: View, restored: bool, ended: Endings) -> list[Action]:
    present = FINALIZER in view.plan.metadata.finalizers
    if view.plan.metadata.deleting:
        over = restored and not ended.saves and not ended.cancels
        return [SetFinalizer(view.ref, False)] if present and over else []
    wanted = not view.dry and not view.withdrawn
    return [SetFinalizer(view.ref, True)] if wanted and not present else []


def _cordons(snapshot: Snapshot, standing: Standing, now: datetime) -> Iterable[Action]:
    """Nodes to take and to give back. A node that carries our mark and that nobody wants any more goes back to what
    the mark says it was. Whose object cannot be read is still wanted, for all we know."""
    unread = {uid for _, _, uid in snapshot.illegible}
    for name in sorted({*standing.marks, *standing.cordons}):
        node, was, by = snapshot.node(name), standing.marks.get(name), standing.cordons.get(name)
        if was is not None and was.uid in unread:
            continue
        if by is None and was is not None:
            # Who uncordoned it meanwhile wants it so, whatever it was like before us.
            yield Uncordon(name, was.unschedulable and (node is None or node.cordoned))
        elif node is not None and by is not None and (was is None or was.uid != by.uid or not node.cordoned):
            # The mark goes to who holds the node now, and still says what it was like before the first of us.
            first = was or Before(unschedulable=node.cordoned, since=f"{now:%Y-%m-%dT%H:%M:%SZ}", by="", uid="")
            mark = msgspec.structs.replace(first, by=str(by), uid=by.uid)
            yield Cordon(name, by, msgspec.json.encode(mark).decode())
            if f"cordon {name}" not in snapshot.refusals:
                yield Tell(by, "Normal", EventReason.CORDONED, f"cordons {name}", f"{name}-{now:%Y%m%d%H%M}")
