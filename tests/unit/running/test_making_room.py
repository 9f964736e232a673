"""A plan moves VMs that are not its own, if it may and if one of its own waits for that; and says so."""

import pytest

from drover.api.reasons import FindingReason, Outcome, PlanPhase, WaitReason
from drover.api.report import MigrationReport, RejectedTarget
from drover.facts.duration import duration
from drover.running.actions import StartMigration
from drover.running.allowed import still_allowed
from tests.builders import (
    ClusterBuilder,
    PlanBuilder,
    VMIBuilder,
    a_cluster,
    a_crd,
    a_kubevirt,
    a_node,
    a_plan,
    a_quota,
    a_record,
    a_report,
    a_vmi,
    a_vmim,
    an_attempt,
    at,
)
from tests.unit.running.rounds import Result, a_round, proposed


def the_plan(make_room: str = "Move", cordon: str = "Ignore") -> PlanBuilder:
    return a_plan("p").evacuates("n1", cordon=cordon).running().spec(makeRoom=make_room)


def tight(*parts: object, plan: PlanBuilder | None = None, small: str = "n2", web: str = "n1") -> ClusterBuilder:
    """web has to leave n1 and fits on n2 once small has gone from there to n3."""
    nodes = (a_node("n1").cordoned(), a_node("n2").memory("10Gi"), a_node("n3").memory("6Gi"))
    vms = (a_vmi("web").on(web).memory("8Gi"), a_vmi("small").on(small).memory("4Gi"))
    return a_cluster(*nodes, *vms, plan or the_plan(), *parts)  # type: ignore[arg-type]  # builders, said loosely


def starts(cluster: ClusterBuilder) -> tuple[dict[str, str], Result]:
    result = a_round(cluster)
    return result.starts, result


@pytest.mark.parametrize("cordon", ["Ignore", "Require"])
def test_who_makes_room_starts_first(cordon: str) -> None:
    """Its node is none that has to be cordoned."""
    found, result = starts(tight(plan=the_plan(cordon=cordon)))
    assert found == {"small": "n3"}
    assert result.waits("web") == WaitReason.AWAITING_MOVE
    assert result.plan().summary.total == 2  # type: ignore[union-attr]  # it is rendered
    assert result.vm("small").why == "makes room for shop/web"
    said = [each for each in result.plan().findings if each.reason == FindingReason.MAKES_ROOM]
    assert [each.message for each in said] == ["shop/small goes from n2 to n3 and makes room for shop/web"]


def test_who_waits_goes_when_the_other_has_arrived() -> None:
    done = an_attempt(1, Outcome.DONE, source="n2", target="n3")
    cluster = tight(small="n3").knows(a_report(the_plan(), a_record("small", done)))
    found, result = starts(cluster)
    assert found == {"web": "n2"}
    assert result.plan().summary.vms == "1/2"  # type: ignore[union-attr]  # it is rendered


def test_nothing_else_is_moved_while_it_is_on_its_way() -> None:
    flying = a_vmim("small").of(the_plan()).to("n3").phase("Running")
    found, result = starts(tight(flying))
    assert found == {}
    assert result.waits("web") == WaitReason.AWAITING_MOVE
    assert result.plan().summary.running == 1  # type: ignore[union-attr]  # it is rendered


def test_it_is_only_said_if_the_plan_may_not() -> None:
    found, result = starts(tight(plan=the_plan("Suggest")))
    assert found == {}
    assert result.waits("web") == WaitReason.NO_ROOM
    assert "shop/small from n2 to n3" in (result.vm("web").waiting.suggestion or "")  # type: ignore[union-attr]
    assert result.plan().summary.total == 1  # type: ignore[union-attr]  # it is rendered


def test_an_old_proposal_moves_nobody_for_nobody() -> None:
    """web has gone by other ways, or the plan may not any more."""
    old = proposed(tight())
    assert a_round(tight(web="n3"), proposals=old).starts == {}
    assert a_round(tight(plan=the_plan("Suggest")), proposals=old).starts == {}


def test_one_that_failed_is_not_asked_again() -> None:
    failed = an_attempt(1, Outcome.FAILED, source="n2", target="n3")
    found, result = starts(tight().knows(a_report(the_plan(), a_record("small", failed))))
    assert found == {}
    assert result.waits("web") == WaitReason.NO_ROOM


def test_it_is_asked_once_more_before_the_write() -> None:
    cluster = tight(a_kubevirt(), a_crd())
    (start,) = a_round(cluster).of(StartMigration)
    assert start.extra
    assert still_allowed(start, cluster.snapshot()) is None
    forbidden = still_allowed(start, tight(a_kubevirt(), a_crd(), plan=the_plan("Suggest")).snapshot())
    assert forbidden == "the plan may not move other VMs"
    in_vain = still_allowed(start, tight(a_kubevirt(), a_crd(), web="n4").snapshot())
    assert in_vain == "nobody waits for its room any more"


def failed(outcome: Outcome = Outcome.FAILED) -> MigrationReport:
    return a_report(the_plan(), a_record("small", an_attempt(1, outcome, source="n2", target="n3")))


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.REJECTED])
def test_one_that_stayed_where_it_was_is_not_counted_as_moved(outcome: Outcome) -> None:
    """It was never the plan's own, and nobody waits for it any more."""
    refused = RejectedTarget(node="n3", at=at(-60), message="no")
    record = a_record("small", an_attempt(1, outcome, source="n2", target="n3"), rejected=(refused,))
    result = a_round(tight().knows(a_report(the_plan(), record)))
    assert {vm.name for vm in result.plan().virtual_machines} == {"web"}
    assert result.plan().summary.vms == "0/1"  # type: ignore[union-attr]  # it is rendered


def test_it_is_asked_again_when_the_plan_goes_on_after_it_was_withdrawn() -> None:
    found, _ = starts(tight().knows(failed(Outcome.CANCELLED)))
    assert found == {"small": "n3"}


@pytest.mark.parametrize(
    "web",
    [
        a_vmi("web").set("status.phase", "Scheduled"),
        a_vmi("web").set("metadata.deletionTimestamp", "2026-01-01T00:00:00Z"),
        a_vmi("web").set("spec.utilityVolumes", [{"name": "u"}]),
    ],
)
def test_nobody_makes_room_for_one_that_does_not_move_anyway(web: VMIBuilder) -> None:
    found, result = starts(tight(web.on("n1").memory("8Gi")))
    assert found == {}
    assert result.waits("web") != WaitReason.AWAITING_MOVE
    assert result.plan().summary.total == 1  # type: ignore[union-attr]  # it is rendered


def test_nobody_makes_room_for_one_that_has_spent_its_retries() -> None:
    mark = a_round(tight(a_vmim("web").of(the_plan()).to("n2").phase("Failed"))).records[0].attempts[0].fingerprint
    spent = [an_attempt(n, fingerprint=mark, ended_at=at(-3600)) for n in range(1, 6)]
    found, result = starts(tight().knows(a_report(the_plan(), a_record("web", *spent))))
    assert result.waits("web") == WaitReason.RETRIES_SPENT
    assert found == {}


def test_nobody_leaves_before_the_node_is_cordoned() -> None:
    cluster = tight(a_node("n1"), plan=the_plan(cordon="Require"))
    found, result = starts(cluster)
    assert found == {}
    assert result.plan().phase == PlanPhase.BLOCKED


def test_a_quota_that_lets_nobody_make_room_is_not_waited_for() -> None:
    """small could not be migrated, so its room is none."""
    quota = a_quota("tight").set("status", {"hard": {"requests.cpu": "2"}, "used": {"requests.cpu": "0"}})
    found, result = starts(tight(quota, a_vmi("small").on("n2").requests(cpu="3", memory="4Gi")))
    assert found == {}
    assert result.waits("web") == WaitReason.NO_ROOM


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.DONE])
def test_an_old_proposal_asks_nobody_a_second_time(outcome: Outcome) -> None:
    """One that failed, and one that somebody has brought back."""
    again = tight().knows(failed(outcome))
    assert a_round(again, proposals=proposed(tight())).starts == {}


def test_the_end_is_estimated_with_both_one_after_the_other() -> None:
    """Side by side they would take hardly longer than the longer one; told is a rounded quantile, no sum."""
    both = seconds(a_round(tight()))
    web, small = (
        seconds(a_round(tight(small="n3"))),
        seconds(a_round(tight(plan=a_plan("p").moves("small", to="n3").running()))),
    )
    assert both >= web + 0.5 * small


def seconds(result: Result) -> float:
    eta = result.plan().eta
    assert eta is not None
    return duration(eta).total_seconds()
