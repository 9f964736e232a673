"""When a plan's VMs start, how long that takes and at least: assignments, facts and limits put together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from math import exp, sqrt
from statistics import NormalDist
from typing import Protocol, TypeGuard

from drover.api.reasons import Outcome
from drover.api.report import Attempt, Record
from drover.api.shared import Order
from drover.facts.index import Index
from drover.facts.kubevirt import VMI
from drover.facts.pod import Pod
from drover.facts.snapshot import Snapshot
from drover.planning.forecast.calibration import Finished, Pace
from drover.planning.forecast.calibration import pace as learnt
from drover.planning.forecast.configured import policy_of
from drover.planning.forecast.estimate import Z90, Range
from drover.planning.forecast.predict import Forecast, Subject, predict
from drover.planning.timing import bounds, order
from drover.planning.timing.bounds import Bound
from drover.planning.timing.moves import Job, Limits

_NORMAL = NormalDist()
GOOD_ENOUGH = 1.005
"""A schedule that is longer than its lower bound by no more than this is not worth another attempt."""
REMEMBERED = 500
"""Of so many migrations that ended last the pace is learnt."""


class Planned(Protocol):
    """A VM (by VMI UID), the node it is on, and the node it goes to."""

    @property
    def vm(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def after(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def extra(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Scene:
    """What a timetable is made for."""

    snapshot: Snapshot
    relations: Index
    pace: Pace


@dataclass(frozen=True, slots=True)
class Timetable:
    """`order` are the VMs (by VMI UID) as they are to start; `size` the bytes of their memory; `seconds` how long it
    takes when all slots are free now."""

    order: tuple[str, ...]
    size: int
    seconds: Range
    bound: Bound
    pace: Pace


def arrange(planned: Iterable[Planned], wanted: Order, limits: Limits | None, scene: Scene) -> Timetable | None:
    """The timetable of VMs that have a target and have not started, or None while nothing may start."""
    if not allows(limits):
        return None
    there = scene.relations.vmis_by_uid
    moves = [(there[each.vm], each) for each in planned if each.vm in there]
    extra = {vmi.uid: name(vmi) for vmi, each in moves if each.extra}
    seen = forecasts([vmi for vmi, _ in moves], scene)
    jobs = [
        Job(name(vmi), each.source, each.target, forecast.seconds.p50, _first(each, extra), size=forecast.sent.p50)
        for (vmi, each), forecast in zip(moves, seen, strict=True)
    ]
    bound = bounds.makespan(jobs, limits)
    fastest = order.fastest(jobs, limits, bound.seconds * GOOD_ENOUGH)
    first, makespan = fastest.order, fastest.makespan
    if wanted != "Fastest":
        first = _listed(jobs, wanted, first, {name(vmi): vmi for vmi, _ in moves}, scene)
        place = {vm: n for n, vm in enumerate(first)}
        makespan = order.in_order(sorted(jobs, key=lambda job: place[job.vm]), limits).makespan
    uids = {name(vmi): vmi.uid for vmi, _ in moves}
    seconds = spread(makespan, [job.seconds for job in jobs], scene.pace)
    size = int(sum(job.size for job in jobs))
    return Timetable(tuple(uids[vm] for vm in first), size, seconds, bound, scene.pace)


def _first(planned: Planned, extra: Mapping[str, str]) -> tuple[str, ...]:
    """Who has to make room before the VM may go."""
    return tuple(extra[uid] for uid, _ in planned.after if uid in extra)


def allows(limits: Limits | None) -> TypeGuard[Limits]:
    """Whether anything may start at all."""
    return limits is not None and min(limits.total, limits.per_source, limits.per_target) >= 1


def name(vmi: VMI) -> str:
    """Of a VM, for people."""
    return f"{vmi.metadata.namespace}/{vmi.metadata.name}"


def _listed(
    jobs: Sequence[Job], wanted: Order, fastest: Sequence[str], vmis: Mapping[str, VMI], scene: Scene
) -> tuple[str, ...]:
    """The VMs by size and then by name, or by the priority of their pods and then as they would be fastest."""
    if wanted == "SmallestFirst":
        return tuple(job.vm for job in sorted(jobs, key=lambda job: (job.size, job.vm)))

    def priority(vm: str) -> int:
        pod = scene.relations.source_pod(vmis[vm])
        return pod.spec.priority if pod is not None else 0

    return tuple(sorted(fastest, key=lambda vm: -priority(vm)))


def forecasts(vmis: Iterable[VMI], scene: Scene) -> list[Forecast]:
    """What the migration of each VM will be like, in their order. No dirty rate is known."""
    subjects = [_subject(vmi, scene) for vmi in vmis]
    # Many are alike, and what is not known of any does not tell them apart.
    kinds = list(dict.fromkeys(subjects))
    seen = dict(zip(kinds, predict(kinds, scene.pace.setup.median, goodput=scene.pace.goodput), strict=True))
    return [seen[subject] for subject in subjects]


def _subject(vmi: VMI, scene: Scene) -> Subject:
    return Subject(
        vmi.guest_memory(),
        disks=vmi.copied_disks(),
        single_stream=_single_stream(scene.relations.source_pod(vmi)),
        policy=policy_of(vmi, scene.snapshot),
    )


def _single_stream(pod: Pod | None) -> bool:
    """Whether the guest's container has a CPU limit; one with dedicated CPUs has."""
    if pod is None:
        return False
    return any("cpu" in container.resources.limits for container in pod.spec.containers if container.name == "compute")


def spread(makespan: float, lengths: Sequence[float], pace: Pace) -> Range:
    """How long it takes, when that is `makespan` if every migration takes its median of these seconds.

    Log-normal lengths in a row come to more than their medians, and the last of several rows to end ends later than
    one does. The more there are the more their differences even out; what is not known of the pace does not. Set-up is
    taken for as uncertain as the transfer. An approximation: schedules with drawn lengths are its test.
    """
    if not lengths or not makespan:
        return Range(makespan, makespan)
    count = len(lengths)
    row = min(max(1.0, makespan * count / sum(lengths)), count)
    rows = count / row
    each, level = pace.goodput.each, pace.goodput.level
    last = each / row * _NORMAL.inv_cdf(0.5 ** (1 / rows))
    middle = makespan * exp(each**2 / 2 * (1 - 1 / row) + last)
    return Range(middle, middle * exp(Z90 * sqrt(level**2 + each**2 / (row * sqrt(rows)))))


def pace(snapshot: Snapshot, relations: Index) -> Pace:
    """How fast migrations are here, by those that succeeded and whose VMs are there still."""
    known = (
        (attempt, relations.vmis_by_uid[record.uid])
        for report in snapshot.reports.values()
        for record in report.status.records
        if record.uid in relations.vmis_by_uid
        for attempt in _succeeded(record)
    )
    last = nlargest(REMEMBERED, known, key=lambda pair: (str(pair[0].ended_at), pair[0].uid))
    return learnt(finished for attempt, vmi in last if (finished := _finished(attempt, vmi)) is not None)


def _succeeded(record: Record) -> list[Attempt]:
    """Its attempts that pre-copy alone brought to their end."""
    good = (Outcome.SUCCEEDED, Outcome.DONE)
    return [each for each in record.attempts if each.outcome in good and each.mode in (None, "", "PreCopy")]


def _finished(attempt: Attempt, vmi: VMI) -> Finished | None:
    steps = attempt.steps
    if steps is None or steps.pre_copy is None or steps.switchover is None:
        return None
    seconds = (steps.switchover - steps.pre_copy).total_seconds()
    if steps.preparing_target is None or steps.verifying is None:
        return Finished(vmi.guest_memory(), seconds)
    whole = (steps.verifying - steps.preparing_target).total_seconds()
    return Finished(vmi.guest_memory(), seconds, whole - seconds)
