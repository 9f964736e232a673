"""When a plan's VMs start and how long that takes: from facts, in the three orders, and what cannot be said."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from math import exp
from random import Random
from typing import Any

import pytest

from drover.api.reasons import Outcome
from drover.api.report import Attempt
from drover.api.shared import Order, Steps
from drover.facts.index import index
from drover.planning.forecast.calibration import SETUP, Pace
from drover.planning.forecast.estimate import Estimate
from drover.planning.forecast.predict import GOODPUT, SINGLE_STREAM
from drover.planning.proposal import Assignment, Proposal
from drover.planning.timing import order, timetable
from drover.planning.timing.moves import Job, Limits
from drover.planning.timing.timetable import Scene, Timetable, arrange, pace, spread
from tests.builders import (
    NOW,
    ClusterBuilder,
    VMIBuilder,
    a_cluster,
    a_kubevirt,
    a_node,
    a_plan,
    a_policy,
    a_record,
    a_report,
    a_vmi,
    an_attempt,
)
from tests.unit.planning.scene import a_scene

GIB = 1 << 30
LIMITS = Limits(5, 2, 2)
PLAN = a_plan("p").evacuates("n1")


def the_scene(cluster: ClusterBuilder, known: Pace | None = None) -> Scene:
    snapshot = cluster.snapshot()
    return Scene(snapshot, index(snapshot), known or Pace())


def arranged(
    *vms: VMIBuilder, wanted: Order = "Fastest", limits: Limits | None = LIMITS, known: Pace | None = None
) -> Timetable:
    """All of the VMs go from where they are to n9."""
    scene = the_scene(a_cluster(a_node("n1"), a_node("n2"), a_node("n9"), *vms), known)
    planned = [Assignment(vm.uid, vm.build().node, "n9", "") for vm in vms]
    found = arrange(planned, wanted, limits, scene)
    assert found is not None
    return found


def names(found: Timetable) -> list[str]:
    return [uid.removesuffix("-uid") for uid in found.order]


MANY = [
    a_vmi("small").memory("1Gi"),
    a_vmi("large").memory("16Gi"),
    a_vmi("urgent").memory("2Gi"),
    a_vmi("even").memory("2Gi"),
]
MANY[2].pod.set("spec.priority", 1000)
MANY[3].pod.set("spec.priority", -5)


@pytest.mark.parametrize(
    ("wanted", "first"),
    [
        ("Fastest", ["large", "even", "urgent", "small"]),
        ("SmallestFirst", ["small", "even", "urgent", "large"]),
        ("Priority", ["urgent", "large", "small", "even"]),
    ],
)
def test_in_which_order(wanted: Order, first: list[str]) -> None:
    assert names(arranged(*MANY, wanted=wanted, limits=Limits(1, 1, 1))) == first


def test_the_source_with_the_most_to_do_begins() -> None:
    vms = [a_vmi("a").on("n2").memory("4Gi"), *(a_vmi(f"b{n}").memory("3Gi") for n in range(3))]
    assert names(arranged(*vms, limits=Limits(1, 1, 1)))[0] == "b0"


def test_what_the_status_needs() -> None:
    found = arranged(a_vmi("web").memory("4Gi"), a_vmi("db").memory("4Gi"))
    seconds = SETUP.median + 4 * GIB / GOODPUT.median
    assert found.size == 8 * GIB
    assert found.bound.seconds == pytest.approx(seconds)
    assert found.bound.by == "the 2 slots out of n1"
    assert found.bound.seconds <= found.seconds.p50 <= found.seconds.p90


@pytest.mark.parametrize("limits", [None, Limits(0, 2, 2), Limits(5, 0, 2)])
def test_where_nothing_may_start_there_is_none(limits: Limits | None) -> None:
    web = a_vmi("web")
    assert arrange([Assignment(web.uid, "n1", "n9", "")], "Fastest", limits, the_scene(a_cluster(web))) is None


def test_of_nothing() -> None:
    found = arranged()
    assert (found.order, found.size, found.seconds.p90, found.bound.by) == ((), 0, 0, "nothing has to move")


def test_a_vm_that_is_gone_is_left_out() -> None:
    assert arrange([Assignment("gone", "n1", "n9", "")], "Fastest", LIMITS, the_scene(a_cluster())) is not None


def test_one_stream_and_a_limited_bandwidth_take_longer() -> None:
    fast = Pace(Estimate(5e9, 0.1, 0.1), SETUP)
    free, single = a_vmi("web").memory("64Gi"), a_vmi("web").memory("64Gi")
    single.pod.json["spec"]["containers"][0]["resources"]["limits"] = {"cpu": "4"}
    slow = 64 * GIB / SINGLE_STREAM
    assert arranged(free, known=fast).bound.seconds < slow < arranged(single, known=fast).bound.seconds
    kubevirt = a_kubevirt().set("spec.configuration.migrations.bandwidthPerMigration", "64Mi")
    scene = the_scene(a_cluster(free, kubevirt), fast)
    assert timetable.forecasts([free.build()], scene)[0].seconds.p50 == pytest.approx(SETUP.median + 1024)


def test_a_policy_and_copied_volumes_count() -> None:
    """64 GiB of memory and a disk of 10 GiB, of which the claim has 12, at 64 MiB/s."""
    copied = [{"sourcePVCInfo": {"capacity": {"storage": "12Gi"}, "requests": {"storage": "10Gi"}}}, {}]
    vmi = a_vmi("db").memory("64Gi").labelled(app="db").set("status.migratedVolumes", copied)
    slow = a_policy("slow", {"app": "db"}, bandwidthPerMigration="64Mi")
    scene = the_scene(a_cluster(vmi, slow), Pace(Estimate(5e9, 0.1, 0.1), SETUP))
    forecast = timetable.forecasts([vmi.build()], scene)[0]
    assert forecast.sent.p50 == 74 * GIB
    assert forecast.seconds.p50 == pytest.approx(SETUP.median + 74 * 16)


def attempt(seconds: float, number: int = 1, outcome: Outcome = Outcome.DONE, **changes: Any) -> Attempt:
    """One that took 3 s to prepare and 2 s to end beside the transfer."""
    times = [0.0, 3.0, 3.0 + seconds, 5.0 + seconds]
    moments = [NOW + timedelta(seconds=each) for each in times]
    steps = Steps(preparing_target=moments[0], pre_copy=moments[1], switchover=moments[2], verifying=moments[3])
    given = {"uid": f"m{number}", "steps": steps, "ended_at": moments[3], "mode": "PreCopy"} | changes
    return an_attempt(number, outcome, **given)


def seen(*attempts: Attempt, vm: VMIBuilder | None = None) -> Pace:
    web = a_vmi("web").memory("8Gi")
    cluster = a_cluster(vm or web).knows(*(a_report(PLAN, a_record(web, each)) for each in attempts))
    scene = the_scene(cluster)
    return pace(scene.snapshot, scene.relations)


def test_the_pace_is_learnt_from_what_succeeded() -> None:
    found = seen(attempt(40.0))
    assert found.goodput.median < GOODPUT.median
    assert found.setup.median < SETUP.median
    assert found.goodput.median > 8 * GIB / 40


@pytest.mark.parametrize(
    "other",
    [
        attempt(40.0, outcome=Outcome.FAILED),
        attempt(40.0, outcome=Outcome.VERIFICATION_FAILED),
        attempt(40.0, mode="PostCopy"),
        attempt(40.0, mode="Paused"),
        attempt(40.0, steps=None),
        attempt(40.0, steps=Steps(preparing_target=NOW)),
    ],
)
def test_the_rest_teaches_nothing(other: Attempt) -> None:
    assert seen(other) == Pace()


def test_a_vm_that_is_gone_teaches_nothing() -> None:
    """Nobody knows how large it was."""
    assert seen(attempt(40.0), vm=a_vmi("other")) == Pace()


def test_an_eta_gets_better_with_what_was_seen() -> None:
    """A cluster that moves 100 MiB a second: what is said of the next move comes near."""
    truth = 5 + 8 * GIB / (100 << 20)
    web = a_vmi("web").memory("8Gi")
    errors = []
    for count in (0, 1, 4, 30):
        vms = [a_vmi(f"v{n}").memory("8Gi") for n in range(count)]
        records = [a_record(vm, attempt(8 * GIB / (100 << 20), uid=vm.uid)) for vm in vms]
        scene = the_scene(a_cluster(web, *vms).knows(a_report(PLAN, *records)))
        known = replace(scene, pace=pace(scene.snapshot, scene.relations))
        errors.append(abs(timetable.forecasts([web.build()], known)[0].seconds.p50 - truth) / truth)
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.05


@pytest.mark.parametrize("level", [0.1, 0.3])
@pytest.mark.parametrize("each", [0.05, 0.25, 0.6])
@pytest.mark.parametrize(("count", "slots"), [(1, 1), (2, 2), (5, 3), (12, 2), (30, 5)])
def test_nine_of_ten_times_it_takes_no_longer_than_said(count: int, slots: int, each: float, level: float) -> None:
    """Against schedules with lengths drawn as the pace has them, all of one slower or faster at once."""
    known, limits = Pace(Estimate(GOODPUT.median, level, each), SETUP), Limits(slots, 9, 9)
    jobs = {f"v{n:02}": Job(f"v{n:02}", f"s{n % 4}", "", 20 + n % 3 * 10) for n in range(count)}
    planned = order.fastest(list(jobs.values()), limits)
    listed = [jobs[vm] for vm in planned.order]
    said = spread(planned.makespan, [job.seconds for job in listed], known)
    took = sorted(_drawn(listed, limits, known, Random(n)) for n in range(100))
    assert sum(found <= said.p90 for found in took) >= 80
    assert 30 <= sum(found <= said.p50 for found in took) <= 80


def _drawn(jobs: Sequence[Job], limits: Limits, known: Pace, dice: Random) -> float:
    level = dice.gauss(0, known.goodput.level)
    lengths = [replace(job, seconds=job.seconds * exp(level + dice.gauss(0, known.goodput.each))) for job in jobs]
    return order.in_order(lengths, limits).makespan


def test_a_proposal_has_one_when_the_limits_are_known() -> None:
    scene = a_scene(a_node("n1"), a_node("n2"), a_vmi("web"), a_vmi("db"))
    goal = scene.goal(PLAN, "web", "db", sources=("n1",))
    assert scene.propose(goal)["p"].timetable is None
    found: Proposal = scene.propose(replace(goal, limits=LIMITS))["p"]
    assert found.timetable is not None
    assert sorted(found.timetable.order) == sorted(found.assignments)


def test_the_order_of_the_spec_is_that_of_the_timetable() -> None:
    vms = [a_vmi("large").memory("8Gi"), a_vmi("small").memory("1Gi")]
    scene = a_scene(a_node("n1"), a_node("n2"), *vms)
    plan = a_plan("p").evacuates("n1").spec(order="SmallestFirst")
    found = scene.propose(replace(scene.goal(plan, "large", "small", sources=("n1",)), limits=LIMITS))["p"]
    assert found.timetable is not None
    assert names(found.timetable) == ["small", "large"]
