"""Disruption budgets that nobody can evaluate for VMs are said."""

from typing import Any

import pytest

from drover.api.reasons import FindingReason
from tests.builders import a_budget, a_cluster, a_node, a_plan, a_vmi
from tests.unit.running.rounds import Result, a_round

APP = {"matchLabels": {"app": "db"}}


def a_round_with(spec: dict[str, Any], namespace: str = "shop") -> Result:
    db = a_vmi("db")
    db.pod.labelled(app="db")
    budget = a_budget("pdb", namespace).set("spec", spec)
    return a_round(
        a_cluster(a_node("n1"), a_node("n2"), db, a_vmi("web"), budget, a_plan("p").evacuates("n1").running())
    )


def said(result: Result) -> list[str]:
    return [each.message for each in result.plan().findings if each.reason == FindingReason.DISRUPTION_BUDGET]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"maxUnavailable": 1, "selector": APP}, "maxUnavailable 1"),
        ({"maxUnavailable": 0, "selector": APP}, "maxUnavailable 0"),
        ({"maxUnavailable": "50%", "selector": APP}, "maxUnavailable 50%"),
        ({"minAvailable": "50%", "selector": APP}, "50%"),
        ({"maxUnavailable": 1, "selector": {}}, "maxUnavailable 1"),
        ({"minAvailable": 1, "selector": APP}, ""),
        ({"maxUnavailable": 1}, ""),
        ({"maxUnavailable": 1, "selector": {"matchLabels": {"app": "other"}}}, ""),
    ],
)
def test_which(spec: dict[str, Any], why: str) -> None:
    message = f"the PodDisruptionBudget shop/pdb ({why}) cannot be evaluated for VMs: nothing evicts their pods"
    assert said(a_round_with(spec)) == ([message] if why else [])


def test_those_of_other_namespaces_are_nothing_to_it() -> None:
    assert said(a_round_with({"maxUnavailable": 1, "selector": {}}, "lab")) == []


def test_the_vms_are_named_and_move_all_the_same() -> None:
    result = a_round_with({"maxUnavailable": 1, "selector": APP})
    (found,) = (each for each in result.plan().findings if each.reason == FindingReason.DISRUPTION_BUDGET)
    assert (found.severity, found.virtual_machines, found.count) == ("Warning", ("shop/db",), 1)
    assert result.starts == {"db": "n2", "web": "n2"}
