"""How long until it is done: kept over whole runs, shared by the plans, absent where nobody knows, told with calm."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drover.api.plan import ProposalStatus
from drover.api.reasons import Outcome
from drover.facts.duration import duration
from drover.planning.forecast.calibration import SETUP
from drover.planning.forecast.predict import GOODPUT
from drover.planning.proposal import Proposal, Proposals
from drover.running.actions import StartMigration
from drover.running.times import LONGEST_STEP, proposed, rounded, step_of, told
from tests.builders import (
    NOW,
    ClusterBuilder,
    PlanBuilder,
    VMIBuilder,
    a_cluster,
    a_kubevirt,
    a_maintenance,
    a_node,
    a_plan,
    a_record,
    a_report,
    a_vmi,
    a_vmim,
    an_attempt,
    at,
)
from tests.examples import examples
from tests.unit.running.rounds import Result, a_round
from tests.unit.running.rounds import proposed as computed

GIB = 1 << 30
PLAN = a_plan("p").evacuates("n1").running()


def takes(gib: int) -> float:
    """Seconds a migration of so much memory is expected to take before anything was seen."""
    return SETUP.median + gib * GIB / GOODPUT.median


def scene(*parts: Any, plan: PlanBuilder = PLAN) -> ClusterBuilder:
    return a_cluster(a_node("n1"), a_node("n2"), a_node("n3"), plan, *parts)


def seconds(eta: str | None) -> float:
    assert eta is not None
    return duration(eta).total_seconds()


@dataclass
class Run:
    """A run of some plans on a virtual clock, every migration taking what is expected of it times `pace`."""

    vms: dict[str, tuple[str, int]]
    """Node and GiB by name."""
    plans: list[PlanBuilder]
    limits: tuple[int, int] = (5, 2)
    pace: float = 1.0
    now: float = 0.0
    flying: dict[str, tuple[float, float, StartMigration]] = field(default_factory=dict)
    """When it began and when it will have ended, by name."""
    done: dict[str, list[Any]] = field(default_factory=dict)
    """Records by plan."""
    said: list[tuple[float, dict[str, str | None]]] = field(default_factory=list)
    ended: dict[str, float] = field(default_factory=dict)
    """When the last VM of each plan had moved."""

    def play(self) -> None:
        while True:
            self.round()
            if not self.flying:
                return
            self.now = min(end for _, end, _ in self.flying.values())
            self.land()

    def round(self) -> Result:
        cluster, moment = self.cluster(), at(self.now)
        result = a_round(cluster, moment, computed(cluster, moment))
        self.said.append((self.now, {name: status.eta for name, status in result.decision.plans.items()}))
        for start in result.of(StartMigration):
            _, size = self.vms[start.vmi.name]
            self.flying[start.vmi.name] = (self.now, self.now + takes(size) * self.pace, start)
        return result

    def land(self) -> None:
        for name, (_, end, start) in list(self.flying.items()):
            if end <= self.now:
                del self.flying[name]
                self.vms[name] = (start.target, self.vms[name][1])
                attempt = an_attempt(1, Outcome.DONE, uid=name, steps=None, ended_at=at(self.now))
                self.done.setdefault(start.plan.name, []).append(a_record(name, attempt))
                self.ended[start.plan.name] = self.now

    def cluster(self) -> ClusterBuilder:
        nodes = [a_node(f"{kind}{n}").memory("256Gi") for kind in "st" for n in range(3)]
        cluster = a_cluster(*nodes, *self.plans, a_kubevirt().limits(*self.limits))
        for name, (node, size) in self.vms.items():
            vm = a_vmi(name).on(node).memory(f"{size}Gi")
            cluster.parts.append(vm)
            if name in self.flying:
                cluster.parts.append(self.migration(name, vm))
        reports = [a_report(plan, *self.done[plan.name]) for plan in self.plans if plan.name in self.done]
        return cluster.knows(*reports)

    def migration(self, name: str, vm: VMIBuilder) -> Any:
        began, _, start = self.flying[name]
        plan = next(each for each in self.plans if each.uid == start.plan.uid)
        vmim = a_vmim(vm).of(plan).to(start.target).created(at(began)).phase("Running", at(began))
        vm.migrating(vmim, start.source, start.target)
        return vmim


sizes = st.lists(st.integers(1, 32), min_size=1, max_size=8)


@settings(max_examples=examples(15))
@given(sizes, sizes, st.integers(1, 5), st.integers(1, 2), st.sampled_from(["Fastest", "SmallestFirst", "Priority"]))
def test_it_is_kept_when_all_goes_as_expected(
    some: list[int], others: list[int], total: int, out: int, by: str
) -> None:
    """Two plans share the slots. Whenever something starts or ends each is as far from its end as it says, but for the
    steps in which that is told, and for what is added because some migrations take much longer than most."""
    plans = [a_plan(f"p{n}").evacuates(f"s{n}").running().created(at(n - 9)).spec(order=by) for n in range(2)]
    vms = {f"a{n}": ("s0", size) for n, size in enumerate(some)} | {
        f"b{n}": ("s1", size) for n, size in enumerate(others)
    }
    run = Run(vms, plans, (total, out))
    run.play()
    assert not {node for node, _ in run.vms.values()} & {"s0", "s1"}
    for moment, etas in run.said:
        for name, eta in etas.items():
            left = run.ended[name] - moment
            assert (eta is None) == (left <= 0)
            if eta is not None:
                # What is about to end might take as long again, for all that is known before anything has ended.
                overdue = takes(max(size for _, size in run.vms.values()))
                assert left * 0.8 - 5 <= seconds(eta) <= left * 1.75 + step_of(seconds(eta)) + overdue


def test_it_learns_within_a_run() -> None:
    """Migrations that take three times as long as was thought: what is in flight is expected to take longer yet, and
    never to be over at once."""
    run = Run({f"a{n}": ("s0", 8) for n in range(6)}, [a_plan("p").evacuates("s0").running()], (2, 2), pace=3.0)
    run.round()
    said = []
    for share in (0.1, 0.9, 1.5, 2.9):
        run.now = share * takes(8)
        said.append(seconds(run.round().plan().eta))
    assert said[0] > said[1] > 0
    assert said[3] >= 2 * takes(8), "four are still to come, two at once"


def flying(name: str, since: float = -5, plan: PlanBuilder = PLAN) -> Any:
    return a_vmim(name).of(plan).to("n2").phase("Running").created(at(since))


WITHOUT: list[tuple[str, ClusterBuilder]] = [
    ("nothing to move", scene()),
    ("a blocked VM", scene(a_vmi("web").not_migratable())),
    ("no room anywhere", scene(a_vmi("web").memory("500Gi"))),
    ("paused", scene(a_vmi("web"), plan=a_plan("p").evacuates("n1").running().paused())),
    ("withdrawn", scene(a_vmi("web"), flying("web"), plan=a_plan("p").evacuates("n1").running().withdrawn())),
    ("a dry run", scene(a_vmi("web"), plan=a_plan("p").evacuates("n1").dry())),
    ("somebody has to cordon", scene(a_vmi("web"), plan=a_plan("p").evacuates("n1", cordon="Require").running())),
    ("silence", scene(a_vmi("web")).stale("vmis")),
    ("no KubeVirt", scene(a_vmi("web")).without_kubevirt()),
    ("KubeVirt lets nothing begin", scene(a_vmi("web"), a_kubevirt().limits(0, 2))),
    ("finished", scene(plan=a_plan("p").evacuates("n1").running(finished=at(-60)))),
]


@pytest.mark.parametrize("cluster", [row[1] for row in WITHOUT], ids=[row[0] for row in WITHOUT])
def test_it_is_absent_where_nobody_knows(cluster: ClusterBuilder) -> None:
    assert a_round(cluster).plan().eta is None


WITH: list[tuple[str, ClusterBuilder, float]] = [
    ("a VM waits", scene(a_vmi("web")), takes(4)),
    ("a VM moves", scene(a_vmi("web"), flying("web", 0)), takes(4)),
    ("it moves, another is blocked", scene(a_vmi("web"), flying("web", 0), a_vmi("db").not_migratable()), takes(4)),
    ("it is being verified", scene(a_vmi("web").on("n2"), flying("web").phase("Succeeded")), 0),
    ("we cordon", scene(a_vmi("web"), plan=a_plan("p").evacuates("n1", cordon="Apply").running()), takes(4)),
    (
        "somebody else's migrations have the slots",
        scene(
            *(a_vmi(f"v{n}").on("n3").memory("32Gi") for n in range(5)),
            *(a_vmim(f"v{n}").phase("Running").created(at(0)) for n in range(5)),
            a_vmi("web"),
        ),
        takes(32) + takes(4),
    ),
    (
        "it is tried again later",
        scene(a_vmi("web")).knows(
            a_report(PLAN, a_record("web", *(an_attempt(n, ended_at=NOW) for n in (1, 2)))),
        ),
        40 + takes(4),
    ),
]


@pytest.mark.parametrize(("cluster", "length"), [row[1:] for row in WITH], ids=[row[0] for row in WITH])
def test_what_it_counts(cluster: ClusterBuilder, length: float) -> None:
    assert seconds(a_round(cluster).plan().eta) == pytest.approx(length, rel=0.3, abs=11)


def test_before_the_targets_are_known() -> None:
    assert a_round(scene(a_vmi("web")), proposals={}).plan().eta is not None


def test_a_vm_that_another_plan_moves_is_counted_once() -> None:
    older = a_plan("older").evacuates("n1").running().created(at(-7200))
    result = a_round(scene(a_vmi("web"), older, a_kubevirt().limits(1, 1)))
    assert seconds(result.plan("p").eta) == seconds(result.plan("older").eta)


def test_the_maintenance_says_what_its_plan_says() -> None:
    maintenance = a_maintenance("n1").finalized()
    plan = a_plan("n1-maintenance").evacuates("n1").owned_by(maintenance).running()
    node = a_node("n1").cordoned().held_by(maintenance)
    result = a_round(a_cluster(node, a_node("n2"), a_vmi("web"), maintenance, plan))
    assert result.maintenance("n1").eta == result.plan("n1-maintenance").eta is not None


def test_a_defect_in_it_stops_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("drover.running.decide.etas", fails)
    result = a_round(scene(a_vmi("web")))
    assert result.starts == {"web": "n2"}
    assert result.plan().eta is None


@pytest.mark.parametrize(
    ("length", "up", "down"),
    [
        (0, "10s", "0s"),
        (0.4, "10s", "0s"),
        (41, "50s", "40s"),
        (120, "2m", "2m"),
        (121, "2m30s", "2m"),
        (721, "12m30s", "12m"),
        (2650, "45m", "44m"),
        (3600, "1h", "1h"),
        (6301, "1h50m", "1h40m"),
        (90_000, "25h", "25h"),
    ],
)
def test_durations_in_steps(length: float, up: str, down: str) -> None:
    assert (rounded(length), rounded(length, down=True)) == (up, down)


@given(st.floats(0, 1e6))
def test_it_is_never_told_less_than_it_is(length: float) -> None:
    said = seconds(told(length, None))
    assert length <= said <= length + LONGEST_STEP


@given(st.floats(15, 1e5), st.floats(-0.24, 0.24), st.integers(1, 20))
def test_an_estimate_that_trembles_does_not_change_what_is_told(length: float, by: float, times: int) -> None:
    """By up to a quarter of a step, to both sides."""
    first = told(length, None)
    shaken = first
    for n in range(times):
        shaken = told(length + by * step_of(length) * (-1) ** n, shaken)
    assert shaken == first


@settings(max_examples=examples(12))
@given(st.floats(20, 9000))
def test_as_time_passes_it_is_told_rarely(length: float) -> None:
    """Second by second to the end: never further off than a step and a half, at most one change in seven seconds."""
    told_now, changes, left = told(length, None), 0, length
    while left > 0:
        left -= 1
        after = told(left, told_now)
        changes += after != told_now
        told_now = after
        assert abs(seconds(told_now) - left) <= 1.5 * step_of(seconds(told_now)) + 1
    assert changes <= length / 7 + 1


def test_what_is_told_of_a_proposal() -> None:
    cluster = scene(a_vmi("web"), a_vmi("db"), a_kubevirt().limits(1, 1))
    known: Proposals = computed(cluster)
    said = a_round(cluster, proposals=known).plan().proposal
    assert said is not None
    assert (said.migrations, said.bytes) == (2, 8 * GIB)
    assert said.lower_bound is not None
    assert said.duration is not None
    assert said.lower_bound.by == "the 1 slot of the cluster"
    assert seconds(said.lower_bound.duration) <= 2 * takes(4) <= seconds(said.duration.p50) < seconds(said.duration.p90)


def test_a_proposal_that_says_the_same_keeps_when_it_was_computed() -> None:
    before = ProposalStatus(hash="h", computed_at=at(-100), migrations=0)
    assert proposed(Proposal("h"), before, NOW) == before
    assert proposed(None, before, NOW) == before
    assert proposed(Proposal("other"), before, NOW) == replace_time(before, "other")


def replace_time(status: ProposalStatus, hash_: str) -> ProposalStatus:
    return status.model_copy(update={"hash": hash_, "computed_at": NOW})
