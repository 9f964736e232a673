"""KubeVirt 1.5's disruption budgets: which VMs have one, and when it is raised."""

from typing import Any

import pytest

from tests.unit.virtsim.objects import a_vmi, a_vmim
from virtsim.objects.resources import Object
from virtsim.virt_controller.disruption_budgets import belongs, budget_of, is_protected
from virtsim.virt_controller.protection import is_noted, is_raised


def _vmi(strategy: str | None, *, migratable: bool = True, phase: str = "Running") -> Object:
    vmi = a_vmi()
    vmi["spec"] |= {"evictionStrategy": strategy} if strategy else {}
    conditions = [{"type": "LiveMigratable", "status": str(migratable)}]
    return {**vmi, "status": {"phase": phase, "nodeName": "node-a", "conditions": conditions}}


PROTECTED: list[tuple[Object, bool]] = [
    (_vmi("LiveMigrate"), True),
    (_vmi("LiveMigrate", migratable=False), True),
    (_vmi("External"), True),
    (_vmi("External", migratable=False), True),
    (_vmi("LiveMigrateIfPossible"), True),
    (_vmi("LiveMigrateIfPossible", migratable=False), False),
    (_vmi("None"), False),
    (_vmi(None), False),
    (_vmi("LiveMigrate", phase="Succeeded"), False),
    (_vmi("LiveMigrate", phase="Pending"), True),
]


@pytest.mark.parametrize(("vmi", "protected"), PROTECTED)
def test_who_is_protected(vmi: Object, protected: bool) -> None:
    assert is_protected(vmi, []) is protected
    assert belongs(budget_of(vmi), vmi, []) is protected
    going = {**vmi, "metadata": {**vmi["metadata"], "deletionTimestamp": "now"}}
    assert not is_protected(going, [])


def test_the_clusters_strategy_counts_where_the_vmi_has_none() -> None:
    assert is_protected(_vmi(None), [{"spec": {"configuration": {"evictionStrategy": "LiveMigrate"}}}])


def test_a_budget_of_an_earlier_vmi_of_the_name_is_none_of_this_one() -> None:
    vmi = _vmi("LiveMigrate")
    earlier = {**vmi, "metadata": {**vmi["metadata"], "uid": "earlier"}}
    assert not belongs(budget_of(earlier), vmi, [])


RAISED: list[tuple[dict[str, Any], dict[str, str], bool]] = [
    ({"minAvailable": 2}, {"kubevirt.io/migrationName": "m"}, True),
    ({"minAvailable": 2}, {"kubevirt.io/migrationName": "other"}, False),
    ({"minAvailable": 1}, {"kubevirt.io/migrationName": "m"}, False),
    ({"minAvailable": 1}, {}, False),
]


@pytest.mark.parametrize(("spec", "labels", "raised"), RAISED)
def test_for_whom_a_budget_is_raised(spec: dict[str, Any], labels: dict[str, str], raised: bool) -> None:
    assert is_raised({"metadata": {"labels": labels}, "spec": spec}, a_vmim()) is raised


@pytest.mark.parametrize(
    ("status", "noted"),
    [
        ({"desiredHealthy": 2, "observedGeneration": 2}, True),
        ({"desiredHealthy": 2, "observedGeneration": 1}, False),
        ({"desiredHealthy": 1, "observedGeneration": 2}, False),
        ({}, False),
    ],
)
def test_when_kubernetes_has_taken_note(status: dict[str, Any], noted: bool) -> None:
    assert is_noted({"metadata": {"generation": 2}, "status": status}) is noted
