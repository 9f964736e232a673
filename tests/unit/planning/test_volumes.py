"""Where volumes let a VM go: node affinity, zones, limits, and claims that only one pod may use."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drover.planning.checks.check import Answer
from drover.planning.demand.volumes import Handle
from drover.planning.site.attaching import Attached, Attaching
from tests.builders import (
    PlainBuilder,
    VMIBuilder,
    a_claim,
    a_csinode,
    a_node,
    a_pod,
    a_vmi,
    a_volume,
    an_attachment,
)
from tests.unit.planning.scene import Part, a_scene

ZONE = "topology.kubernetes.io/zone"
BETA = "failure-domain.beta.kubernetes.io/zone"
CSI = "csi.example.com"


def a_vm(*claims: str, name: str = "v", node: str = "n1") -> VMIBuilder:
    """Its claims are volumes of the VM and of its pod."""
    vmi = a_vmi(name).on(node)
    named = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
    vmi.pod.set("spec.volumes", named)
    return vmi.set("spec.volumes", named)


def reachable_in(*terms: dict[str, Any]) -> PlainBuilder:
    return a_volume("pv").set("spec.nodeAffinity.required.nodeSelectorTerms", list(terms))


def in_zone(*zones: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": ZONE, "operator": "In", "values": list(zones)}]}


NAMED = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]}
NODES = [a_node("n1"), *(a_node(f"n{n}").labelled({ZONE: zone}) for n, zone in ((2, "a"), (3, "b"), (4, "c")))]
CLAIM = a_claim("disk", "pv")
TABLE = [
    pytest.param((CLAIM, a_volume("pv")), "n2 n3 n4", id="a volume that is everywhere"),
    pytest.param((CLAIM, reachable_in(in_zone("a", "b"))), "n2 n3", id="one term"),
    pytest.param((CLAIM, reachable_in(in_zone("a"), in_zone("c"))), "n2 n4", id="either term"),
    pytest.param((CLAIM, reachable_in()), "", id="no term matches no node"),
    pytest.param((CLAIM, reachable_in(NAMED)), "n2 n3 n4", id="a volume knows no names of nodes, and does not ask"),
    pytest.param((CLAIM, reachable_in({**NAMED, **in_zone("b")})), "n3", id="but for labels"),
    pytest.param((CLAIM, reachable_in({})), "", id="a term that asks for nothing"),
    pytest.param((CLAIM, a_volume("pv").labelled({ZONE: "b"})), "n3", id="the volume's zone"),
    pytest.param((CLAIM, a_volume("pv").labelled({ZONE: "b__c"})), "n3 n4", id="its zones"),
    pytest.param((CLAIM, a_volume("pv").labelled({BETA: "b"})), "n3", id="by the label of old"),
    pytest.param((CLAIM, a_volume("pv").labelled({ZONE: ""})), "n2 n3 n4", id="no zone at all"),
    pytest.param((CLAIM, a_volume("pv").labelled({ZONE: "a____b"})), "n2 n3 n4", id="a zone without a name among them"),
    pytest.param((a_claim("disk", "pv").deleting(), a_volume("pv")), "", id="a claim that is being deleted"),
    pytest.param((), "", id="a claim that is not there"),
    pytest.param((a_claim("disk"),), "", id="a claim that is not bound"),
    pytest.param((CLAIM,), "", id="a volume that is not there"),
    pytest.param((a_claim("disk", "pv", "ReadWriteOncePod"), a_volume("pv")), "", id="only for one pod"),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "allowed"), TABLE)
def test_where_a_claim_lets_it_go(parts: tuple[Part, ...], allowed: str) -> None:
    assert homes(a_vm("disk"), *parts) == allowed


def homes(vmi: VMIBuilder, *parts: Part) -> str:
    scene = a_scene(*NODES, vmi, *parts)
    return " ".join(name for name in ("n2", "n3", "n4") if scene.admits(vmi, name) is None)


def test_a_node_in_no_zone_is_in_every_zone() -> None:
    scene = a_scene(*NODES, a_node("bare"), vmi := a_vm("disk"), CLAIM, a_volume("pv").labelled({ZONE: "b"}))
    assert scene.admits(vmi, "bare") is None
    assert scene.admits(vmi, "n2") == "is not in the zone of a volume of the VM"


def test_every_volume_counts_also_one_that_was_plugged_into_the_running_vm() -> None:
    vmi = a_vm("disk").set("spec.volumes", [{"name": "plugged", "dataVolume": {"name": "plugged"}}])
    second = a_volume("other").labelled({ZONE: "c"})
    parts = (CLAIM, reachable_in(in_zone("b", "c")), a_claim("plugged", "other"), second)
    assert homes(vmi, *parts) == "n4"
    assert homes(a_vm("disk"), *parts) == "n3 n4"


@pytest.mark.parametrize(
    ("parts", "check", "plugin", "words"),
    [
        ((), "ClaimMissing", "VolumeRestrictions", "cannot use the claim disk, which does not exist"),
        ((a_claim("disk"),), "ClaimUnbound", "VolumeBinding", "cannot use the claim disk, which is not bound"),
        ((a_claim("disk").set("spec.volumeName", "pv"), a_volume("pv")), "ClaimUnbound", "VolumeBinding",
         "cannot use the claim disk, which is not bound"),
        ((a_claim("disk", "pv").deleting(), a_volume("pv")), "ClaimUnbound", "VolumeBinding",
         "cannot use the claim disk, which is being deleted"),
        ((a_claim("disk", "pv").set("status.phase", "Lost"),), "ClaimUnbound", "VolumeBinding",
         "cannot use the claim disk, which has lost its volume pv"),
        ((CLAIM,), "VolumeMissing", "VolumeZone",
         "cannot use the claim disk, whose volume pv does not exist"),
        ((a_claim("disk", "pv", "ReadWriteOncePod"), a_volume("pv")), "VolumeUnusable", "VolumeRestrictions",
         "cannot use the claim disk, which only one pod may use at a time (ReadWriteOncePod)"),
        ((CLAIM, reachable_in(in_zone("a"))), "VolumeUnreachable", "VolumeBinding",
         "does not match the node affinity of a volume of the VM"),
        ((CLAIM, a_volume("pv").labelled({ZONE: "a"})), "VolumeZone", "VolumeZone",
         "is not in the zone of a volume of the VM"),
        ((CLAIM, a_volume("pv", CSI), a_csinode("n3", {CSI: 0})), "VolumeLimit", "NodeVolumeLimits",
         f"can attach 0 volumes of {CSI} and has 0"),
    ],
)  # fmt: skip
def test_the_reason(parts: tuple[Part, ...], check: str, plugin: str, words: str) -> None:
    vmi = a_vm("disk")
    said = a_scene(*NODES, vmi, *parts).verdict(vmi, "n3")
    assert (said.check, said.plugin, said.words) == (check, plugin, words)


def attached(*names: str) -> list[Part]:
    """Claims and volumes of these names."""
    return [part for name in names for part in (a_claim(name, f"pv-{name}"), a_volume(f"pv-{name}", CSI))]


@pytest.mark.parametrize(
    ("there", "limit", "fits"),
    [
        ((), 1, False),
        ((), 2, True),
        (("x",), 2, False),
        (("x",), 3, True),
        (("a",), 2, True),
        (("a", "x"), 2, False),
        (("a", "b", "x", "y"), 2, True),
    ],
)
def test_a_node_attaches_so_many(there: tuple[str, ...], limit: int, fits: bool) -> None:
    """A volume that is there already needs no further attachment."""
    vmi = a_vm("a", "b")
    other = a_vm(*there, name="other", node="n2")
    scene = a_scene(*NODES, vmi, other, *attached("a", "b", "x", "y"), a_csinode("n2", {CSI: limit}))
    assert (scene.admits(vmi, "n2") is None) is fits
    assert scene.admits(vmi, "n3") is None, "it has no limit"


def test_a_claim_that_no_pod_can_use_is_the_reason_whatever_else_is_wrong() -> None:
    vmi = a_vm("disk")
    said = a_scene(a_node("n1"), a_node("n2").cordoned(), vmi).verdict(vmi, "n2")
    assert said.check == "ClaimMissing"


@pytest.mark.parametrize("parts", [(), (a_claim("plugged"),)], ids=["no claim yet", "an unbound claim"])
def test_what_waits_to_be_plugged_in_is_a_doubt(parts: tuple[Part, ...]) -> None:
    plugged = {"name": "plugged", "persistentVolumeClaim": {"claimName": "plugged", "hotpluggable": True}}
    vmi = a_vmi("v").on("n1").set("spec.volumes", [plugged])
    said = a_scene(*NODES, vmi, *parts).verdict(vmi, "n2")
    assert said.answer is Answer.UNKNOWN
    assert said.words == "may refuse a VM that waits for the claim plugged to be bound and plugged in"


@pytest.mark.parametrize(("limit", "fits"), [(1, False), (2, True)])
def test_a_volume_of_the_vm_that_is_attached_and_not_used_counts_twice(limit: int, fits: bool) -> None:
    """As it stands, and as a new one: kube-scheduler takes only those that pods use off the new ones."""
    vmi = a_vm("a")
    parts = [*attached("a"), a_csinode("n2", {CSI: limit}), an_attachment("left-over", "n2", "pv-a", CSI)]
    assert (a_scene(*NODES, vmi, *parts).admits(vmi, "n2") is None) is fits


def test_what_is_attached_although_no_pod_uses_it_counts() -> None:
    vmi = a_vm("a")
    parts = [*attached("a", "x"), a_csinode("n2", {CSI: 1})]
    assert a_scene(*NODES, vmi, *parts).admits(vmi, "n2") is None
    held = an_attachment("left-over", "n2", "pv-x", CSI)
    assert a_scene(*NODES, vmi, *parts, held).admits(vmi, "n2") == f"can attach 1 volumes of {CSI} and has 1"


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("cinder", {"volumeID": "x"}),
        ("awsElasticBlockStore", {"volumeID": "aws://zone/vol-x"}),
        ("gcePersistentDisk", {"pdName": "x"}),
        ("azureDisk", {"diskName": "x", "diskURI": "/subscriptions/x"}),
        ("portworxVolume", {"volumeID": "x"}),
    ],
)
def test_an_in_tree_volume_counts_for_the_driver_that_replaces_its_plugin(source: str, named: dict[str, str]) -> None:
    driver, vmi, other = DRIVER_OF[source], a_vm("a"), a_vm("x", name="other", node="n2")
    parts = [
        a_claim("a", "pv"),
        a_volume("pv", driver),
        a_claim("x", "old"),
        a_volume("old").set(f"spec.{source}", named),
    ]
    scene = a_scene(*NODES, vmi, other, *parts, a_csinode("n2", {driver: 1}))
    assert scene.admits(vmi, "n2") == f"can attach 1 volumes of {driver} and has 1"
    said = scene.verdict(other, "n3")
    assert said.answer is Answer.UNKNOWN
    assert said.words == "may refuse a VM that has the volume old of an in-tree plugin that a CSI driver replaces"


DRIVER_OF = {
    "cinder": "cinder.csi.openstack.org",
    "awsElasticBlockStore": "ebs.csi.aws.com",
    "gcePersistentDisk": "pd.csi.storage.gke.io",
    "azureDisk": "disk.csi.azure.com",
    "portworxVolume": "pxd.portworx.com",
}


def test_pods_that_have_ended_attach_nothing() -> None:
    vmi, gone = a_vm("a"), a_pod("gone").on("n2").phase("Succeeded")
    gone.set("spec.volumes", [{"name": "x", "persistentVolumeClaim": {"claimName": "x"}}])
    assert a_scene(*NODES, vmi, gone, *attached("a", "x"), a_csinode("n2", {CSI: 1})).admits(vmi, "n2") is None


HANDLES = st.frozensets(st.tuples(st.sampled_from(["one", "two"]), st.sampled_from("abcd")), max_size=4)


@given(
    st.lists(st.tuples(HANDLES, HANDLES, st.dictionaries(st.sampled_from(["one", "two"]), st.integers(0, 4)))),
    st.lists(st.tuples(HANDLES, st.integers(0, 2))),
    HANDLES,
    st.integers(0, 5),
)
def test_the_column_is_each_node_counted_by_itself(
    nodes: list[tuple[frozenset[Handle], frozenset[Handle], dict[str, int]]],
    moves: list[tuple[frozenset[Handle], int]],
    wanted: frozenset[Handle],
    asked_after: int,
) -> None:
    """`used` by pods, `left` whoever uses it."""
    there = {n: set(used) for n, (used, _, _) in enumerate(nodes)}
    limits = {n: limit for n, (_, _, limit) in enumerate(nodes)}
    attached = Attached(
        limits, {n: frozenset(each) for n, each in there.items()}, {n: x for n, (_, x, _) in enumerate(nodes)}
    )
    attaching = Attaching(len(nodes), lambda: attached)
    before = {n: set(each) for n, each in there.items()}
    for count, (volumes, node) in enumerate(moves):
        if count == asked_after:
            attaching.allowed(wanted)
        if node < len(nodes):
            attaching.move(volumes, node)
            before[node] |= volumes
    expected = []
    for n, (_, left, limit) in enumerate(nodes):
        new = wanted - before[n]
        counted = [*(before[n] | left), *new]
        expected.append(
            all(sum(d == driver for d, _ in counted) <= limit.get(driver, 99) for driver in {d for d, _ in new})
        )
    assert attaching.allowed(wanted).tolist() == expected
    assert attaching.copy().allowed(wanted).tolist() == expected
    assert [attaching.refuses(wanted, n) is None for n in range(len(nodes))] == expected
