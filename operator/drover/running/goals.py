"""What every plan wants placed now: the input of `propose`."""

from collections.abc import Iterable
from datetime import datetime

from drover.facts.index import index
from drover.facts.kubevirt import KubeVirt
from drover.facts.snapshot import Snapshot
from drover.planning.proposal import Goal
from drover.planning.timing.moves import Limits
from drover.running import ledger, slots
from drover.running.nodes import Standing, is_undone, owned_plan_name, stand
from drover.running.view import View
from drover.running.views import views


def goals(snapshot: Snapshot, now: datetime) -> tuple[tuple[Goal, ...], Standing]:
    """What every plan wants placed now, and who holds which node: the input of `propose`."""
    relations = index(snapshot)
    seen = views(snapshot, relations)
    wanted = tuple(_goal(view, snapshot.kubevirt, now) for view in seen if not view.finished and not view.withdrawn)
    return wanted, stand(snapshot, undoing(seen, snapshot))


def _goal(view: View, kubevirt: KubeVirt | None, now: datetime) -> Goal:
    movers = [case for case in view.cases if case.to_move and not case.in_flight and case.vmi is not None]
    return Goal(
        plan=view.plan,
        sources=view.source_set,
        vmis=tuple(case.vmi for case in movers if case.vmi is not None and case.vmi.not_migratable() is None),
        avoid={case.uid: ledger.refused_targets(case.record, now) for case in view.cases if case.record is not None},
        shunned={case.uid: ledger.failed_targets(case.record) for case in movers},
        limits=_limits(view, kubevirt),
        tried=frozenset(case.uid for case in view.cases if not case.to_move and not case.resumes),
    )


def _limits(view: View, kubevirt: KubeVirt | None) -> Limits | None:
    if kubevirt is None:
        return None
    allowed = slots.allowed(view.plan.spec.limits, kubevirt)
    return Limits(allowed.total, allowed.per_source, allowed.per_target)


def undoing(seen: Iterable[View], snapshot: Snapshot) -> frozenset[str]:
    """Objects whose migrations have to end before their cordon may go."""
    busy = {view.plan.name: view for view in seen if view.flying}
    plans = {view.plan.uid for view in busy.values() if is_undone(view.plan) or view.owner_ended}
    owners = {each.uid for each in snapshot.maintenances.values() if is_undone(each) and owned_plan_name(each) in busy}
    return frozenset(plans | owners)
