"""Which MigrationPolicy matches a VMI, and what it overrides."""

from typing import Any

import pytest

from tests.unit.virtsim.objects import a_vmi
from virtsim.objects.resources import Object
from virtsim.virt_controller.policies import Score, applied, matching, score

VMI_LABELS = {"app": "web", "tier": "front"}
NAMESPACE_LABELS = {"team": "a", "env": "prod"}


def a_policy(name: str = "p", vmi: Any = None, namespace: Any = None, **spec: Any) -> Object:
    """A policy with these selectors; without any argument one that selects everything."""
    selectors = {"virtualMachineInstanceSelector": vmi, "namespaceSelector": namespace}
    given = {key: value for key, value in selectors.items() if value is not None}
    return {"metadata": {"name": name}, "spec": {"selectors": given, **spec}}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (a_policy(), Score(0, 0)),
        (a_policy(vmi={"app": "web"}), Score(1, 1)),
        (a_policy(vmi={"app": "db"}), None),
        (a_policy(vmi={"app": "web", "missing": "x"}), None),
        (a_policy(namespace={"team": "a"}), Score(1, 0)),
        (a_policy(namespace={"team": "b"}), None),
        (a_policy(vmi={"app": "web"}, namespace={"team": "b"}), None),
        (a_policy(vmi={"app": "web", "tier": "front"}, namespace={"team": "a"}), Score(3, 2)),
        ({"metadata": {"name": "none"}, "spec": {"selectors": None}}, None),
        ({"metadata": {"name": "none"}, "spec": {}}, None),
    ],
)
def test_all_labels_have_to_match(policy: Object, expected: Score | None) -> None:
    assert score(policy, VMI_LABELS, NAMESPACE_LABELS) == expected


def test_a_vmi_without_labels_is_matched_by_everything() -> None:
    assert score(a_policy(vmi={"app": "db"}, namespace={"team": "b"}), {}, NAMESPACE_LABELS) == Score(0, 0)


@pytest.mark.parametrize(
    ("policies", "name"),
    [
        ([], None),
        ([a_policy("other", vmi={"app": "db"})], None),
        ([a_policy("all"), a_policy("one", namespace={"team": "a"})], "one"),
        ([a_policy("two-of-the-namespace", namespace=NAMESPACE_LABELS), a_policy("one", vmi={"app": "web"})], "two-of"),
        ([a_policy("a-namespace", namespace={"team": "a"}), a_policy("z-vmi", vmi={"app": "web"})], "z-vmi"),
        ([a_policy("b", vmi={"app": "web"}), a_policy("a", vmi={"tier": "front"})], "a"),
        ([a_policy("b"), a_policy("a")], "a"),
    ],
    ids=["none", "no match", "more labels", "most labels in all", "more of the VMI's", "the first name", "both empty"],
)
def test_the_best_policy(policies: list[Object], name: str | None) -> None:
    vmi = a_vmi()
    vmi["metadata"]["labels"] = VMI_LABELS
    found = matching(policies, vmi, {"metadata": {"name": "shop", "labels": NAMESPACE_LABELS}})
    assert (found or {"metadata": {"name": "None"}})["metadata"]["name"].startswith(str(name))


CLUSTER = {
    "allowPostCopy": False,
    "allowWorkloadDisruption": False,
    "bandwidthPerMigration": "0",
    "completionTimeoutPerGiB": 150,
    "progressTimeout": 150,
}


@pytest.mark.parametrize(
    ("spec", "changed"),
    [
        ({}, {}),
        ({"bandwidthPerMigration": "64Mi"}, {"bandwidthPerMigration": "64Mi"}),
        ({"completionTimeoutPerGiB": 0}, {"completionTimeoutPerGiB": 0}),
        ({"allowPostCopy": True}, {"allowPostCopy": True, "allowWorkloadDisruption": True}),
        ({"allowPostCopy": True, "allowWorkloadDisruption": False}, {"allowPostCopy": True}),
        ({"allowWorkloadDisruption": True}, {"allowWorkloadDisruption": True}),
        ({"progressTimeout": 1}, {}),
        ({"experimental": {"compression": "zstd"}}, {"experimental": {"compression": "zstd"}}),
    ],
)
def test_what_a_policy_overrides(spec: dict[str, Any], changed: dict[str, Any]) -> None:
    assert applied(CLUSTER, a_policy(**spec)) == {**CLUSTER, **changed}


def test_experimental_options_are_merged_field_by_field() -> None:
    below = {"experimental": {"stallDetector": {"stallMargin": 4, "switchoverTimeout": 60}}}
    policy = a_policy(experimental={"stallDetector": {"stallMargin": 9}, "compression": "none"})
    assert applied(below, policy)["experimental"] == {
        "compression": "none",
        "stallDetector": {"stallMargin": 9, "switchoverTimeout": 60},
    }
