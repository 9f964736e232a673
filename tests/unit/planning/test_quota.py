"""Quota for the second pod of a VM that moves."""

from typing import Any

import pytest

from drover.planning.demand import attachment, quota
from tests.builders import NAMESPACE, PlainBuilder, VMIBuilder, a_quota, a_vmi
from tests.unit.planning.scene import a_scene


def a_vm(limits: dict[str, str] | None = None) -> VMIBuilder:
    """It asks for 1 core and 4 GiB, and has a limit if one is given."""
    vmi = a_vmi("v").memory("4Gi").requests(cpu="1", memory="4Gi")
    vmi.pod.json["spec"]["containers"][0]["resources"]["limits"] = limits or {}
    return vmi


def left(hard: dict[str, str], used: dict[str, str], name: str = "q", **spec: Any) -> PlainBuilder:
    return a_quota(name).set("status", {"hard": hard, "used": used}).set("spec", spec)


def words(vmi: VMIBuilder, *quotas: PlainBuilder) -> str | None:
    scene = a_scene(vmi, *quotas)
    pods = attachment.migration_pods(vmi.build(), vmi.pod.build(), None)
    return quota.exceeded(pods, NAMESPACE, scene.relations)


@pytest.mark.parametrize(
    ("hard", "used", "limits", "said"),
    [
        ({"cpu": "2"}, {"cpu": "1"}, {}, None),
        ({"cpu": "2"}, {"cpu": "1500m"}, {}, "0.5 cores of cpu"),
        ({"requests.cpu": "2"}, {"requests.cpu": "1500m"}, {}, "0.5 cores of requests.cpu"),
        ({"requests.memory": "8Gi"}, {"requests.memory": "6Gi"}, {}, "2.0 GiB of requests.memory"),
        ({"memory": "8Gi"}, {"memory": "4Gi"}, {}, None),
        ({"limits.memory": "8Gi"}, {"limits.memory": "6Gi"}, {}, None),
        ({"limits.memory": "8Gi"}, {"limits.memory": "6Gi"}, {"memory": "8Gi"}, "6.0 GiB of limits.memory"),
        ({"limits.cpu": "1"}, {}, {"cpu": "2"}, "1 cores of limits.cpu"),
        ({"pods": "3"}, {"pods": "3"}, {}, "1 of pods"),
        ({"count/pods": "3"}, {"count/pods": "2"}, {}, None),
        ({quota.MIGRATIONS: "5"}, {quota.MIGRATIONS: "5"}, {}, f"1 of {quota.MIGRATIONS}"),
        ({"requests.example.com/gpu": "0"}, {}, {}, None),
        ({"cpu": "1"}, {"cpu": "3"}, {}, "1 cores of cpu"),
    ],
)
def test_what_is_short(hard: dict[str, str], used: dict[str, str], limits: dict[str, str], said: str | None) -> None:
    expected = f"the quota q lacks {said} for a second pod of it" if said else None
    assert words(a_vm(limits), left(hard, used)) == expected


@pytest.mark.parametrize(
    ("spec", "counts"),
    [
        ({}, True),
        ({"scopes": ["NotTerminating"]}, True),
        ({"scopes": ["NotTerminating", "NotBestEffort"]}, True),
        ({"scopes": ["Terminating"]}, False),
        ({"scopes": ["BestEffort"]}, False),
        ({"scopes": ["PriorityClass"]}, True),
        ({"scopes": ["CrossNamespacePodAffinity"]}, False),
        ({"scopes": ["Unheard"]}, False),
        ({"scopeSelector": {"matchExpressions": [
            {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}}, True),
        ({"scopeSelector": {"matchExpressions": [
            {"scopeName": "PriorityClass", "operator": "In", "values": ["low"]}]}}, False),
        ({"scopeSelector": {"matchExpressions": [
            {"scopeName": "PriorityClass", "operator": "NotIn", "values": ["high"]}]}}, False),
        ({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "DoesNotExist"}]}}, False),
    ],
)  # fmt: skip
def test_whom_a_quota_charges(spec: dict[str, Any], counts: bool) -> None:
    vmi = a_vm()
    vmi.pod.set("spec.priorityClassName", "high")
    assert (words(vmi, left({"cpu": "1"}, {"cpu": "1"}, **spec)) is not None) is counts


def test_affinity_with_other_namespaces_has_quota_of_its_own() -> None:
    vmi = a_vm()
    term = {"topologyKey": "zone", "labelSelector": {}, "namespaceSelector": {}}
    vmi.pod.set("spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution", [term])
    abroad = left({"pods": "0"}, {}, scopes=["CrossNamespacePodAffinity"])
    assert words(vmi, abroad) == "the quota q lacks 1 of pods for a second pod of it"


def test_the_first_that_is_short_is_named_and_other_namespaces_are_nothing_to_it() -> None:
    full = left({"cpu": "1"}, {"cpu": "1"}, "b")
    elsewhere = a_quota("a", "lab").set("status", {"hard": {"cpu": "0"}})
    roomy = left({"cpu": "9"}, {}, "a")
    assert words(a_vm(), elsewhere, roomy, full) == "the quota b lacks 1 cores of cpu for a second pod of it"
    assert words(a_vm(), elsewhere, roomy) is None
