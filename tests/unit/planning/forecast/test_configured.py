"""How a VM's migration is configured: KubeVirt's own rule, compared with the simulated KubeVirt's."""

from math import inf
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drover.facts.policy import MigrationPolicy, Options
from drover.planning.forecast.configured import combined, matching, policy_of
from drover.planning.forecast.policy import Policy
from tests.builders import NAMESPACE, Part, a_cluster, a_kubevirt, a_namespace, a_policy, a_vmi
from virtsim.virt_controller import policies as simulated

LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy"), max_size=3)
SELECTORS = st.none() | st.fixed_dictionaries(
    {}, optional={"virtualMachineInstanceSelector": LABELS, "namespaceSelector": LABELS}
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "allowAutoConverge": st.booleans(),
        "allowPostCopy": st.booleans(),
        "allowWorkloadDisruption": st.booleans(),
        "completionTimeoutPerGiB": st.integers(0, 9),
        "bandwidthPerMigration": st.sampled_from(["0", "1Mi", "64Mi"]),
    },
)


def decoded(policies: list[dict[str, Any]]) -> list[MigrationPolicy]:
    return [msgspec.convert(each, type=MigrationPolicy) for each in policies]


@given(st.lists(SELECTORS, max_size=5), LABELS, LABELS)
def test_the_policy_is_the_one_that_kubevirt_takes(selectors: list[Any], vmi: Any, namespace: Any) -> None:
    policies = [
        {"metadata": {"name": f"p{n}"}, "spec": {"selectors": each} if each is not None else {}}
        for n, each in enumerate(reversed(selectors))
    ]
    wanted = simulated.matching(policies, {"metadata": {"labels": vmi}}, {"metadata": {"labels": namespace}})
    found = matching(decoded(policies), vmi, namespace)
    assert (found.metadata.name if found else None) == (wanted["metadata"]["name"] if wanted else None)


@given(OPTIONS, OPTIONS)
def test_what_it_says_goes_before_what_the_cluster_says(above: dict[str, Any], below: dict[str, Any]) -> None:
    cluster = {"allowPostCopy": False, "allowAutoConverge": False, "completionTimeoutPerGiB": 150, **below}
    # KubeVirt resolves this before any policy is looked at (virt-config.go).
    cluster.setdefault("allowWorkloadDisruption", cluster["allowPostCopy"])
    applied = simulated.applied(cluster, {"spec": above})
    bandwidth = {"0": inf, "1Mi": 2.0**20, "64Mi": 2.0**26}[str(applied.get("bandwidthPerMigration", "0"))]
    ours = combined(msgspec.convert(above, type=Options), msgspec.convert(below, type=Options))
    assert ours == Policy(
        completion_timeout_per_gib=applied["completionTimeoutPerGiB"],
        auto_converge=applied["allowAutoConverge"],
        post_copy=applied["allowPostCopy"],
        workload_disruption=applied["allowWorkloadDisruption"],
        bandwidth=bandwidth,
    )


SLOW = a_policy("slow", {"app": "db"}, bandwidthPerMigration="8Mi")
PER_SPACE = (
    a_policy("space").set("spec.selectors", {"namespaceSelector": {"team": "a"}}).set("spec.allowPostCopy", True)
)


@pytest.mark.parametrize(
    ("parts", "bandwidth", "post_copy"),
    [
        ((), inf, False),
        ((a_kubevirt().set("spec.configuration.migrations.bandwidthPerMigration", "64Mi"),), 2.0**26, False),
        ((SLOW,), 2.0**23, False),
        ((a_policy("slow", {"app": "web"}, bandwidthPerMigration="8Mi"),), inf, False),
        ((PER_SPACE,), inf, False),
        ((PER_SPACE, a_namespace(NAMESPACE).labelled(team="a")), inf, True),
        ((PER_SPACE, a_namespace("lab").labelled(team="a")), inf, False),
        ((a_policy("all", bandwidthPerMigration="1Mi"), SLOW), 2.0**23, False),
    ],
)
def test_where_a_vm_finds_it(parts: tuple[Part, ...], bandwidth: float, post_copy: bool) -> None:
    vmi = a_vmi("db").labelled(app="db")
    found = policy_of(vmi.build(), a_cluster(vmi, *parts).snapshot())
    assert (found.bandwidth, found.post_copy, found.disrupts) == (bandwidth, post_copy, post_copy)
