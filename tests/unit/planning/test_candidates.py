"""Which nodes and VMs a goal means."""

from typing import Any

import pytest

from drover.api.shared import NodeSet, VMSet
from drover.facts.index import index
from drover.planning.candidates import Nodes, max_nodes, on_nodes, resolve_nodes, select, unmatched
from tests.builders import a_cluster, a_node, a_plan, a_vmi, a_vmim

NODES = a_cluster(a_node("n2").labelled(rack="b"), a_node("n1").labelled(rack="a"), a_node("n3").labelled(rack="b"))


@pytest.mark.parametrize(
    ("asked", "found", "missing"),
    [
        ({"names": ["n3", "n1"]}, ("n1", "n3"), ()),
        ({"names": ["n1", "n1", "n9", "n8"]}, ("n1",), ("n8", "n9")),
        ({"selector": {"matchLabels": {"rack": "b"}}}, ("n2", "n3"), ()),
        ({"selector": {"matchLabels": {"rack": "c"}}}, (), ()),
        (
            {"selector": {"matchExpressions": [{"key": "rack", "operator": "NotIn", "values": ["b"]}]}},
            ("n1",),
            (),
        ),
    ],
)
def test_nodes(asked: dict[str, Any], found: tuple[str, ...], missing: tuple[str, ...]) -> None:
    assert resolve_nodes(NodeSet.model_validate(asked), NODES.snapshot()) == Nodes(found, missing)


VMS = a_cluster(
    a_vmi("web", "shop").labelled(tier="front"),
    a_vmi("db", "shop").labelled(tier="back"),
    a_vmi("web", "lab").labelled(tier="front"),
    a_vmi("old", "lab").phase("Succeeded"),
).snapshot()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (None, {"shop/web", "shop/db", "lab/web"}),
        ({"names": [{"namespace": "lab", "name": "web"}]}, {"lab/web"}),
        ({"names": [{"namespace": "lab", "name": "old"}]}, set()),
        ({"namespaces": ["shop"]}, {"shop/web", "shop/db"}),
        ({"selector": {"matchLabels": {"tier": "front"}}}, {"shop/web", "lab/web"}),
        ({"namespaces": ["lab"], "selector": {"matchLabels": {"tier": "front"}}}, {"lab/web"}),
        ({"namespaces": ["none"]}, set()),
    ],
)
def test_vms(asked: dict[str, Any] | None, found: set[str]) -> None:
    wanted = VMSet.model_validate(asked) if asked is not None else None
    chosen = select(wanted, VMS.vmis.values())
    assert {f"{vmi.metadata.namespace}/{vmi.metadata.name}" for vmi in chosen} == found


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (None, ()),
        ({"namespaces": ["none"]}, ()),
        (
            {"names": [{"namespace": n, "name": v} for n, v in (("lab", "web"), ("lab", "db"), ("lab", "old"))]},
            ("lab/db", "lab/old"),
        ),
    ],
)
def test_names_that_match_nothing(asked: dict[str, Any] | None, names: tuple[str, ...]) -> None:
    assert unmatched(VMSet.model_validate(asked) if asked is not None else None, VMS) == names


@pytest.mark.parametrize(
    ("nodes", "asked", "most"), [(1, None, 1), (9, None, 1), (10, None, 2), (24, None, 4), (9, 7, 7)]
)
def test_a_plan_empties_a_fifth_of_the_kubevirt_nodes(nodes: int, asked: int | None, most: int) -> None:
    others = [a_node(f"plain{n}").set("metadata.labels", {}) for n in range(20)]
    cluster = a_cluster(*(a_node(f"n{n}") for n in range(nodes)), *others)
    plan = a_plan("p").evacuates("n0").set("spec.evacuate.maxNodes", asked)
    assert max_nodes(plan.build(), cluster.snapshot()) == most


def test_on_a_node_are_its_guests_and_whoever_has_a_pod_there() -> None:
    arriving, leaving = a_vmi("arriving").on("n2"), a_vmi("leaving").on("n2")
    arriving.launcher(vmim=a_vmim("arriving")).pods[1].on("n1")
    leaving.launcher().pods[1].on("n1").phase("Succeeded")
    cluster = a_cluster(a_vmi("guest").on("n1"), arriving, leaving, a_vmi("over").on("n1").phase("Failed"))
    found = on_nodes(["n1"], index(cluster.snapshot()))
    assert sorted(vmi.metadata.name for vmi in found) == ["arriving", "guest"]
