"""What is read from API objects."""

from typing import Any

import pytest

from demo import facts
from demo.facts import Goal, Move, Node, Scene, Waiting
from tests.unit.demo.scenes import END, MIDDLE, NOT_ASKED, at

Json = dict[str, Any]


def a_node(name: str, **spec: Any) -> Json:
    return {"metadata": {"name": name}, "spec": spec}


def a_vmi(node: str) -> Json:
    return {"metadata": {}, "status": {"nodeName": node}}


def an_event(version: str, reason: str, kind: str = "MigrationPlan", by: str = "drover") -> Json:
    return {
        "metadata": {"resourceVersion": version},
        "involvedObject": {"kind": kind, "name": "it"},
        "source": {"component": by},
        "lastTimestamp": "2026-05-04T22:00:07Z",
        "reason": reason,
        "message": "words",
        "type": "Warning" if reason == "MigrationFailed" else "Normal",
    }


def test_nodes_are_counted_and_cordons_seen() -> None:
    found = facts.nodes([a_node("b", unschedulable=True), a_node("a")], [a_vmi("b"), a_vmi("b"), a_vmi(""), {}])
    assert found == (Node("a", 0, False), Node("b", 2, True))


def test_a_maintenance_that_has_no_status_yet_has_a_goal() -> None:
    new: Json = {"spec": {"nodeName": "a"}}
    assert facts.goal(None) is None
    assert facts.goal(new) == Goal("a", "", "", 0, 0, 0, 0, 0)


def test_a_maintenance_is_read() -> None:
    summary = {"done": 1, "total": 9, "running": 2, "waiting": 4, "blocked": 2}
    status = {"phase": "Evacuating", "reason": "Moving", "summary": summary, "progressPercent": 30}
    assert facts.goal({"spec": {"nodeName": "a"}, "status": status}) == Goal(
        "a", "Evacuating", "Moving", 1, 9, 2, 4, 30
    )


def test_moves_are_read() -> None:
    steps = {
        "queued": "2026-05-04T22:00:00Z",
        "preparingTarget": "2026-05-04T22:00:01Z",
        "done": "2026-05-04T22:00:07Z",
    }
    waiting = {"reason": "NoRoom", "message": "none", "since": "2026-05-04T22:00:00Z"}
    listed = [
        {"namespace": "n", "name": "x", "step": "Done", "source": "a", "target": "b", "steps": steps},
        {"namespace": "n", "name": "y", "step": "Blocked", "source": "a", "waiting": waiting},
    ]
    assert facts.moves(None) == facts.moves({}) == ()
    assert facts.moves({"status": {"virtualMachines": listed}}) == (
        Move("n/x", "Done", "a", "b", at(1), at(7)),
        Move("n/y", "Blocked", "a", waiting=Waiting("NoRoom", "none")),
    )


def test_events_of_drover_are_told_once_and_in_order() -> None:
    found = facts.events(
        [
            an_event("10", "MigrationFailed"),
            an_event("9", "MigrationStarted"),
            an_event("8", "MigrationStarted", kind="VirtualMachineInstance"),
            an_event("7", "SuccessfulCreate", by="virtualmachine-controller"),
        ]
    )
    assert [(event.reason, event.warning) for event in found] == [
        ("MigrationStarted", False),
        ("MigrationFailed", True),
    ]


def test_what_is_not_final_is_in_flight() -> None:
    phases = ["", "Pending", "Running", "Succeeded", "Failed"]
    assert facts.flying([{}, *({"status": {"phase": phase}} for phase in phases)]) == 4


@pytest.mark.parametrize(
    ("scene", "settled"),
    [
        pytest.param(NOT_ASKED, False, id="nothing asked for"),
        pytest.param(MIDDLE, False, id="in the middle"),
        pytest.param(END, True, id="all done or blocked"),
        pytest.param(Scene(1.0, at(1), (), END.goal, MIDDLE.moves), False, id="the plan is behind the maintenance"),
        pytest.param(Scene(1.0, at(1), (), MIDDLE.goal, END.moves), False, id="the maintenance is behind the plan"),
        pytest.param(Scene(1.0, at(1), (), END.goal, ()), False, id="no move known"),
    ],
)
def test_settled_is_what_both_objects_call_so(scene: Scene, settled: bool) -> None:
    assert scene.settled is settled
