"""The step a move is in, read off facts in whatever order the watches deliver them."""

from collections.abc import Callable
from typing import Any

import pytest

from drover.api.reasons import Outcome
from drover.api.shared import Steps
from tests.builders import (
    ClusterBuilder,
    VMIBuilder,
    VMIMBuilder,
    a_cluster,
    a_node,
    a_plan,
    a_record,
    a_report,
    a_vmi,
    a_vmim,
    an_attempt,
    at,
    stamp,
)
from tests.unit.running.rounds import a_round

PLAN = a_plan("p").evacuates("n1").running()
MOVED = {"startTimestamp": stamp(at(-20)), "endTimestamp": stamp(at(-5)), "mode": "PreCopy"}


def ours(phase: str) -> VMIMBuilder:
    vmim = a_vmim("web").of(PLAN).to("n2")
    return vmim.phase(phase, at(-3)) if phase else vmim


def web(node: str = "n1", **state: Any) -> VMIBuilder:
    """The VM, with our migration's state if there is something to say."""
    vmi = a_vmi("web").on(node)
    return vmi.migrating(ours(""), "n1", "n2", **state) if state else vmi


def scene(vmi: VMIBuilder, *parts: Any) -> ClusterBuilder:
    return a_cluster(a_node("n1"), a_node("n2"), PLAN, vmi, *parts)


def recorded(vmi: VMIBuilder, outcome: Outcome, *parts: Any) -> ClusterBuilder:
    attempt = an_attempt(1, outcome, uid=ours("").uid, migration=ours("").name, mode="PreCopy", ended_at=at(-3))
    attempt = attempt.model_copy(update={"steps": Steps(switchover=at(-5))})
    return scene(vmi, *parts).knows(a_report(PLAN, a_record("web", attempt)))


STEPS: list[tuple[str, str, Callable[[], ClusterBuilder]]] = [
    ("nothing was done", "Queued", lambda: scene(web())),
    ("created", "PreparingTarget", lambda: scene(web(), ours(""))),
    ("waits in KubeVirt", "PreparingTarget", lambda: scene(web(), ours("Pending"))),
    ("handed off", "PreparingTarget", lambda: scene(web(sourcePod="x"), ours("TargetReady"))),
    ("begun, the VMI says", "PreCopy", lambda: scene(web(startTimestamp=stamp(at(-20))), ours("TargetReady"))),
    ("begun, the VMIM says", "PreCopy", lambda: scene(web(), ours("Running"))),
    ("post-copy", "Switchover", lambda: scene(web(startTimestamp=stamp(at(-9)), mode="PostCopy"), ours("Running"))),
    ("gone over", "Switchover", lambda: scene(web("n2", **MOVED), ours("Running"))),
    ("completed", "Switchover", lambda: scene(web("n2", **MOVED, completed=True), ours("Running"))),
    ("a success that is not on record", "Verifying", lambda: scene(web("n2", **MOVED), ours("Succeeded"))),
    ("a success, the VMI watch behind", "Verifying", lambda: scene(web(), ours("Succeeded"))),
    ("a success on record", "Verifying", lambda: recorded(web("n2", **MOVED), Outcome.SUCCEEDED, ours("Succeeded"))),
    ("a success, KubeVirt has tidied up", "Verifying", lambda: recorded(web("n2"), Outcome.SUCCEEDED)),
    ("verified", "Done", lambda: recorded(web("n2", **MOVED), Outcome.DONE, ours("Succeeded"))),
    ("not verified", "Failed", lambda: recorded(web("n2").not_ready(), Outcome.VERIFICATION_FAILED)),
    ("failed", "Queued", lambda: recorded(web(**MOVED, failed=True), Outcome.FAILED, ours("Failed"))),
    ("failing", "PreCopy", lambda: scene(web(**MOVED, failed=True), ours("Running"))),
    ("verified, and back on its source", "Queued", lambda: recorded(web(), Outcome.DONE)),
    ("cancelled", "Queued", lambda: recorded(web(), Outcome.CANCELLED)),
    ("another try flies", "PreparingTarget", lambda: recorded(web(), Outcome.FAILED, a_vmim("web").of(PLAN, 2))),
]


@pytest.mark.parametrize(("step", "cluster"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS])
def test_the_step(step: str, cluster: Callable[[], ClusterBuilder]) -> None:
    assert a_round(cluster()).vm("web").step == step


def test_what_a_flying_move_says() -> None:
    vm = a_round(scene(web("n2", **MOVED), ours("Running"))).vm("web")
    assert (vm.source, vm.target, vm.why, vm.attempt) == ("n1", "n2", "the only node that fits", 1)
    assert vm.migration == ours("").name
    assert vm.steps == Steps(
        queued=at(-600), preparing_target=at(-30), pre_copy=at(-20), switchover=at(-5), verifying=None
    )
    assert vm.switchover is not None
    assert (vm.switchover.at, vm.switchover.mode, vm.switchover.from_, vm.switchover.to) == (
        at(-5),
        "PreCopy",
        "n1",
        "n2",
    )


def test_a_move_that_is_done_says_it_from_its_record() -> None:
    """Also when KubeVirt has collected the migration, and the VMI carries the state of another."""
    vm = a_round(recorded(a_vmi("web").on("n2"), Outcome.DONE)).vm("web")
    assert (vm.source, vm.target, vm.migration) == ("n1", "n2", ours("").name)
    assert vm.switchover is not None
    assert (vm.switchover.at, vm.switchover.mode) == (at(-5), "PreCopy")


def test_a_failure_has_no_switchover() -> None:
    vm = a_round(scene(web(**MOVED, failed=True), ours("Running"))).vm("web")
    assert vm.switchover is None
    assert vm.steps is not None
    assert vm.steps.switchover is None


def test_it_waits_since_its_last_attempt_ended() -> None:
    vm = a_round(recorded(web(), Outcome.FAILED)).vm("web")
    assert vm.steps is not None
    assert (vm.steps.queued, vm.attempt) == (at(-3), 1)


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [(Outcome.DONE, ["web"]), (Outcome.SUCCEEDED, ["web"]), (Outcome.FAILED, []), (Outcome.CANCELLED_BY_OTHERS, [])],
)
def test_a_vm_that_ended_counts_if_we_had_moved_it(outcome: Outcome, shown: list[str]) -> None:
    attempt = an_attempt(1, outcome)
    cluster = a_cluster(a_node("n1"), a_node("n2"), PLAN).knows(a_report(PLAN, a_record("web", attempt)))
    assert [vm.name for vm in a_round(cluster).plan().virtual_machines] == shown


def test_a_vm_that_was_made_anew_is_another_one() -> None:
    """Of the same name, with another UID: what its forerunner came to is not its own."""
    result = a_round(recorded(a_vmi("web").with_uid("new"), Outcome.DONE))
    assert [(vm.name, vm.step) for vm in result.plan().virtual_machines] == [("web", "Queued"), ("web", "Done")]
    assert result.starts == {"web": "n2"}
