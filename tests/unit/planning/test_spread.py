"""A move keeps the VM's topology spread: judged on where everybody is in the end."""

from collections import Counter
from typing import Any

import pytest

from tests.builders import NodeBuilder, PodBuilder, VMIBuilder, a_node, a_plan, a_pod, a_vmi, a_vmim
from tests.unit.planning.scene import Part, Scene, a_scene, targets

DB = {"app": "db"}
ZONES = {"a": ("a1", "a2"), "b": ("b1", "b2"), "c": ("c1", "c2")}


def zoned(name: str, zone: str = "") -> NodeBuilder:
    return a_node(name).labelled(zone=zone or name[0])


def three_zones() -> list[NodeBuilder]:
    return [zoned(name) for names in ZONES.values() for name in names]


def a_db(name: str, node: str, skew: int = 1, key: str = "zone", **more: Any) -> VMIBuilder:
    """A VM that wants to be apart from others of its kind."""
    vmi = a_vmi(name).on(node)
    vmi.pod.labelled(DB).spreads(key, DB, skew, **more)
    return vmi


def others(*nodes: str) -> list[PodBuilder]:
    """One pod of the same kind on each of the nodes."""
    return [a_pod(f"db-{n}").on(node).labelled(DB) for n, node in enumerate(nodes)]


def homes(vmi: VMIBuilder, *parts: Part) -> str:
    """Where the VM may go, asked node by node as at dispatch: "b1 b2"."""
    scene = a_scene(*parts, vmi)
    names = sorted(name for _, name in scene.snapshot.nodes)
    return " ".join(name for name in names if name != vmi.json["status"]["nodeName"] and _admits(scene, vmi, name))


def _admits(scene: Scene, vmi: VMIBuilder, node: str) -> bool:
    """As at dispatch, and placement agrees."""
    refusal = scene.admits(vmi, node)
    barred = {name: "is not the one" for _, name in scene.snapshot.nodes if name != node}
    (answer,) = scene.place(scene.mover(vmi), barred=barred).values()
    assert (getattr(answer, "target", None) == node) is (refusal is None)
    return refusal is None


@pytest.mark.parametrize(
    ("vmi", "occupied", "allowed"),
    [
        pytest.param(a_db("v", "a1"), ("b1", "c1"), "a2", id="only its own zone is short of one"),
        pytest.param(a_db("v", "a1"), (), "a2 b1 b2 c1 c2", id="alone it may go anywhere"),
        pytest.param(a_db("v", "a1"), ("b1",), "a2 c1 c2", id="not where one is"),
        pytest.param(a_db("v", "a1", skew=2), ("b1",), "a2 b1 b2 c1 c2", id="unless the skew allows it"),
        pytest.param(a_db("v", "a1", skew=2), ("b1", "b2"), "a2 c1 c2", id="two are too many for that, too"),
        pytest.param(a_db("v", "a1"), ("a1", "a2", "b1", "b2"), "a2 b1 b2 c1 c2", id="a bad skew may stay"),
        pytest.param(a_db("v", "a1"), ("a2", "b1", "b2"), "a2 c1 c2", id="but may not grow"),
        pytest.param(a_db("v", "a1", key="kubernetes.io/hostname"), ("a2", "b1"), "b2 c1 c2", id="by host"),
        pytest.param(a_db("v", "a1", minDomains=3), ("b1", "c1"), "a2", id="as many domains as wanted"),
        pytest.param(
            a_db("v", "a1", skew=2), ("a2", "b1", "b2", "c1"), "a2 b1 b2 c1 c2", id="the least is that of zone c"
        ),
        pytest.param(
            a_db("v", "a1", skew=2, minDomains=4), ("a2", "b1", "b2", "c1"), "a2 c1 c2", id="too few domains: it is 0"
        ),
        pytest.param(
            a_db("v", "a1", whenUnsatisfiable="ScheduleAnyway"), ("b1", "c1"), "a2 b1 b2 c1 c2", id="a wish"
        ),
    ],
)  # fmt: skip
def test_zones(vmi: VMIBuilder, occupied: tuple[str, ...], allowed: str) -> None:
    assert homes(vmi, *three_zones(), *others(*occupied)) == allowed


@pytest.mark.parametrize(
    ("pod", "counts"),
    [
        (a_pod("p").labelled(DB), True),
        (a_pod("p").labelled(DB).phase("Pending"), True),
        (a_pod("p"), False),
        (a_pod("p").labelled(app="web"), False),
        (a_pod("p", namespace="lab").labelled(DB), False),
        (a_pod("p").labelled(DB).phase("Succeeded"), False),
        (a_pod("p").labelled(DB).deleting(), False),
    ],
)
def test_whom_it_counts(pod: PodBuilder, counts: bool) -> None:
    allowed = homes(a_db("v", "a1"), *three_zones(), pod.on("b1"))
    assert ("b1" not in allowed) is counts


def test_its_own_pods_do_not_count() -> None:
    vmi, vmim = a_db("v", "a1"), a_vmim("v").phase("Failed")
    vmi.launcher(vmim=vmim).pods[1].on("b1").labelled(DB)
    assert homes(vmi, *three_zones(), vmim) == "a2 b2 c1 c2"


@pytest.mark.parametrize(
    ("to", "bound", "allowed"), [("b1", False, "a2 c1 c2"), ("b1", True, "a2 c1 c2"), ("c1", True, "a2 b1 b2")]
)
def test_a_vm_on_its_way_counts_where_it_goes(to: str, bound: bool, allowed: str) -> None:
    other, plan = a_db("other", "b2"), a_plan("p")
    vmim = a_vmim(other).of(plan).to(to).phase("Scheduling")
    if bound:
        other.launcher(vmim=vmim).pods[1].on(to).labelled(DB)
    assert homes(a_db("v", "a1"), *three_zones(), other, vmim) == allowed


def test_a_vm_that_has_just_arrived_counts_once() -> None:
    other = a_db("other", "b2")
    other.launcher().pods[1].on("c1").labelled(DB)
    other.set("status.nodeName", "c1")
    assert homes(a_db("v", "a1"), *three_zones(), other) == "a2 b1 b2"


def test_a_node_without_the_key_is_refused() -> None:
    scene = a_scene(zoned("a1"), a_node("bare"), vmi := a_db("v", "a1"))
    assert scene.admits(vmi, "bare") == "lacks the label zone, by which the VM is spread"


def test_all_constraints_must_hold_and_a_node_without_every_key_is_not_looked_at() -> None:
    vmi = a_db("v", "a1")
    vmi.pod.spreads("rack", DB)
    nodes = [each.labelled(rack="r1" if each.name in ("a1", "b2") else each.name) for each in three_zones()]
    del nodes[-1].json["metadata"]["labels"]["rack"]
    assert homes(vmi, *nodes, *others("c2")) == "a2 b1 b2 c1"
    assert homes(vmi, *nodes, *others("b1")) == "a2 c1"


def test_the_first_constraint_that_forbids_it_is_the_reason() -> None:
    vmi = a_db("v", "a1")
    vmi.pod.spreads("kubernetes.io/hostname", DB)
    scene = a_scene(*three_zones(), *others("b1"), vmi)
    words = "would break the VM's topology spread: a skew of 2 in zone=b, where 1 is allowed"
    assert scene.admits(vmi, "b1") == words


UNEVEN = ("a2", "b1", "b2")
"""With a maxSkew of 2, zone b may take one more only if the empty zone c is none."""


@pytest.mark.parametrize(("policy", "allowed"), [({}, "a2 b1 b2"), ({"nodeAffinityPolicy": "Ignore"}, "a2")])
def test_nodes_it_cannot_use_are_domains_only_if_affinity_is_ignored(policy: dict[str, str], allowed: str) -> None:
    vmi = a_db("v", "a1", skew=2, **policy).set("spec.nodeSelector", {"pool": "vms"})
    nodes = [each.labelled(pool="other" if each.name[0] == "c" else "vms") for each in three_zones()]
    assert homes(vmi, *nodes, *others(*UNEVEN)) == allowed


@pytest.mark.parametrize(("policy", "allowed"), [({}, "a2"), ({"nodeTaintsPolicy": "Honor"}, "a2 b1 b2")])
def test_tainted_nodes_are_domains_unless_taints_are_honored(policy: dict[str, str], allowed: str) -> None:
    nodes = [each.tainted("x", "NoSchedule") if each.name[0] == "c" else each for each in three_zones()]
    assert homes(a_db("v", "a1", skew=2, **policy), *nodes, *others(*UNEVEN)) == allowed


def test_match_label_keys_narrow_it_to_the_vms_own_values() -> None:
    vmi = a_db("v", "a1", matchLabelKeys=["version", "absent"])
    vmi.pod.labelled(version="2")
    old, new = others("b1", "c1")
    assert homes(vmi, *three_zones(), old.labelled(version="1"), new.labelled(version="2")) == "a2 b1 b2"


def test_a_vm_that_is_not_of_its_own_group_is_judged_by_the_others() -> None:
    vmi = a_vmi("v").on("a1")
    vmi.pod.spreads("zone", DB)
    assert homes(vmi, *three_zones(), *others("b1", "b2", "c1")) == "a2 c1 c2"


def test_two_of_a_group_are_not_sent_into_one_domain() -> None:
    vms = [a_db("v1", "a1"), a_db("v2", "a1")]
    nodes = [zoned("a1"), zoned("b1"), zoned("b2"), zoned("c1").memory("5Gi")]
    scene = a_scene(*nodes, *vms)
    placed = targets(scene.propose(scene.goal(a_plan("p"), "v1", "v2", sources=("a1",)))["p"])
    assert sorted(node[0] for node in placed.values()) == ["b", "c"]


def test_who_finds_none_is_told_why() -> None:
    scene = a_scene(zoned("a1"), zoned("b1"), zoned("c1"), a_db("v", "a1"), *others("b1", "c1"))
    found = scene.propose(scene.goal(a_plan("p"), "v", sources=("a1",)))["p"]
    (refused,) = found.refused.values()
    assert not refused.eligible
    assert "would break the VM's topology spread: a skew of 2 in zone=" in refused.message
    assert refused.suggestion == "relax the VM's topologySpreadConstraints, or allow a node in another domain"


def test_a_group_that_is_too_close_leaves_together_as_long_as_nothing_gets_worse() -> None:
    """All three in one zone are a skew of three; two and one are better than that, and more than the constraint has."""
    vms = [a_db(f"v{n}", "a1") for n in range(3)]
    scene = a_scene(zoned("a1"), zoned("b1"), zoned("c1"), *vms)
    found = scene.propose(scene.goal(a_plan("p"), "v0", "v1", "v2", sources=("a1",)))["p"]
    assert sorted(Counter(targets(found).values()).values()) == [1, 2]


def test_a_tentative_goal_moves_nobody_for_the_others() -> None:
    first, second = a_db("v1", "a1"), a_db("v2", "a1")
    scene = a_scene(zoned("a1"), zoned("b1"), first, second)
    dry, also = scene.goal(a_plan("dry").dry(), "v1"), scene.goal(a_plan("also").dry(), "v2")
    found = scene.propose(dry, also)
    assert (targets(found["dry"]), targets(found["also"])) == ({"v1": "b1"}, {"v2": "b1"})


def test_goals_that_move_see_each_other() -> None:
    scene = a_scene(*three_zones(), a_db("v1", "a1"), a_db("v2", "a2"))
    found = scene.propose(
        scene.goal(a_plan("one").moves("v1", to="b1"), "v1"), scene.goal(a_plan("two").moves("v2", to="b2"), "v2")
    )
    assert (targets(found["one"]), targets(found["two"])) == ({"v1": "b1"}, {})


def test_a_vm_without_a_constraint_moves_and_counts() -> None:
    plain = a_vmi("plain").on("a2")
    plain.pod.labelled(DB)
    scene = a_scene(*three_zones(), a_db("v1", "a1"), plain)
    found = scene.propose(
        scene.goal(a_plan("one").moves("plain", to="b1"), "plain"), scene.goal(a_plan("two").moves("v1", to="b2"), "v1")
    )
    assert (targets(found["one"]), targets(found["two"])) == ({"plain": "b1"}, {})


def test_a_vm_without_a_constraint_goes_where_it_breaks_nobodys_spread() -> None:
    """It could go to a domain with room for more, and the scheduler would not ask."""
    plain = a_vmi("plain").on("c1").memory("2Gi")
    plain.pod.labelled(DB)
    nodes = [
        zoned("a1"),
        zoned("a2").memory("60Gi"),
        zoned("b1").memory("40Gi"),
        zoned("c1"),
        zoned("c2").memory("9Gi"),
    ]
    scene = a_scene(*nodes, a_db("v", "a1"), plain, *others("b1"))
    found = scene.propose(scene.goal(a_plan("p"), "v", "plain", sources=("a1", "c1")))["p"]
    assert targets(found) == {"v": "a2", "plain": "c2"}


def test_nor_does_one_whose_own_constraint_allows_more() -> None:
    """By its own maxSkew of 2 it may go to b; those of a would then have three more than there are in c."""
    vmi = a_db("v", "c1", skew=2)
    nodes = [*three_zones()[:2], *(zoned(name).memory("64Gi") for name in ("b1", "b2")), zoned("c1"), zoned("c2")]
    scene = a_scene(*nodes[:5], zoned("c2").memory("9Gi"), vmi, *others("a1", "a1", "a2", "b1"))
    assert scene.admits(vmi, "b2") is None
    assert targets(scene.propose(scene.goal(a_plan("p"), "v", sources=("c1",)))["p"]) == {"v": "c2"}


def test_but_it_moves_where_there_is_no_such_place() -> None:
    plain = a_vmi("plain").on("c1")
    plain.pod.labelled(DB)
    scene = a_scene(zoned("a1"), zoned("a2"), zoned("b1"), zoned("c1"), a_db("v", "a1"), plain, *others("b1"))
    found = scene.propose(scene.goal(a_plan("p"), "v", "plain", sources=("a1", "c1")))["p"]
    assert (sorted(targets(found)), found.refused) == (["plain", "v"], {})


HONORED = {"nodeTaintsPolicy": "Honor"}


@pytest.mark.parametrize(
    ("source", "policy", "allowed"),
    [
        pytest.param(zoned("a1"), {}, "a2 b1 b2 c1 c2", id="it is counted where it is: a bad skew may stay"),
        pytest.param(zoned("a1").cordoned(), {}, "a2 b1 b2 c1 c2", id="taints are ignored unless told otherwise"),
        pytest.param(zoned("a1").cordoned(), HONORED, "c1 c2", id="who is not counted would be one more"),
    ],
)
def test_a_skew_that_is_bad_may_stay_for_who_is_counted(
    source: NodeBuilder, policy: dict[str, Any], allowed: str
) -> None:
    """Two more in a and in b than in c: with the VM counted, it is no worse in b than in a. Where taints are honored a
    node that they keep the VM from is not looked at (podtopologyspread/common.go), nor is who is on it."""
    vmi = a_db("v", "a1", **policy)
    assert homes(vmi, source, *three_zones()[1:], *others("a2", "a2", "b1", "b2")) == allowed
