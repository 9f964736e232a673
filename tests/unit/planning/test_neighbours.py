"""Required affinity between pods: the column of a VM beside the scheduler's rules told pod by pod and node by node."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from drover.facts.node import Node
from drover.planning.demand.terms import Term, bonds
from drover.planning.placing import search
from drover.planning.placing.mover import Placed
from drover.planning.site import survey
from drover.planning.site.neighbours import Neighbours
from drover.planning.site.population import Occupant, Population
from tests.builders import NodeBuilder, PodBuilder, VMIBuilder, a_namespace, a_node, a_plan, a_pod, a_vmi, a_vmim
from tests.unit.planning.scene import Part, a_scene, targets

HOST, ZONE = "kubernetes.io/hostname", "zone"
DB, WEB = {"app": "db"}, {"app": "web"}


def zoned(name: str) -> NodeBuilder:
    return a_node(name).labelled(zone=name[0])


NODES = [zoned(name) for name in ("a1", "a2", "b1", "b2")]


def near(labels: dict[str, str] | None, key: str = ZONE, **more: Any) -> dict[str, Any]:
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term(labels, key, **more)]}}


def apart(labels: dict[str, str] | None, key: str = ZONE, **more: Any) -> dict[str, Any]:
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term(labels, key, **more)]}}


def term(labels: dict[str, str] | None, key: str, **more: Any) -> dict[str, Any]:
    selector = {"labelSelector": {"matchLabels": labels}} if labels is not None else {}
    return {"topologyKey": key, **selector, **more}


def bound(vmi: VMIBuilder, *affinities: dict[str, Any]) -> VMIBuilder:
    """Pod and VM ask for the same."""
    whole = {key: value for affinity in affinities for key, value in affinity.items()}
    vmi.pod.set("spec.affinity", whole)
    return vmi.set("spec.affinity", whole)


def a_db(name: str, node: str, *affinities: dict[str, Any], labels: dict[str, str] = DB) -> VMIBuilder:
    vmi = bound(a_vmi(name).on(node), *affinities)
    vmi.pod.labelled(labels)
    return vmi


def a_web(name: str, node: str, *affinities: dict[str, Any], namespace: str = "shop") -> PodBuilder:
    pod = a_pod(name, namespace=namespace).on(node).labelled(WEB)
    for affinity in affinities:
        pod.set("spec.affinity", affinity)
    return pod


def homes(vmi: VMIBuilder, *parts: Part) -> str:
    """Where all checks let it go: "b1 b2"."""
    scene = a_scene(*NODES, vmi, *parts)
    names = sorted(name for _, name in scene.snapshot.nodes)
    return " ".join(name for name in names if name != vmi.json["status"]["nodeName"] and not scene.admits(vmi, name))


NOT_X = {"key": "team", "operator": "NotIn", "values": ["x"]}
EVERYWHERE = "a2 b1 b2"
TABLE = [
    pytest.param(a_db("v", "a1"), (), EVERYWHERE, id="nothing is required"),
    pytest.param(a_db("v", "a1", near(WEB)), (a_web("w", "b1"),), "b1 b2", id="near a pod of another kind"),
    pytest.param(a_db("v", "a1", near(WEB, HOST)), (a_web("w", "b1"),), "b1", id="on its host"),
    pytest.param(a_db("v", "a1", near(WEB)), (), "", id="nobody to be near"),
    pytest.param(a_db("v", "a1", near(DB)), (), "a2", id="its own pod is one to be near"),
    pytest.param(a_db("v", "a1", near(DB, HOST)), (), "", id="on the same host as itself it is already"),
    pytest.param(a_db("v", "a1", near(WEB)), (a_web("w", "b1").deleting(),), "b1 b2", id="who is ending is there"),
    pytest.param(a_db("v", "a1", near(WEB)), (a_web("w", "b1").phase("Succeeded"),), "", id="who has ended is not"),
    pytest.param(a_db("v", "a1", near(WEB)), (a_web("w", "b1", namespace="lab"),), "", id="in its own namespace"),
    pytest.param(
        a_db("v", "a1", near(WEB, namespaces=["lab"])), (a_web("w", "b1", namespace="lab"),), "b1 b2",
        id="in a namespace that is named",
    ),
    pytest.param(
        a_db("v", "a1", near(WEB, namespaceSelector={})), (a_web("w", "b1", namespace="lab"),), "b1 b2",
        id="in any namespace",
    ),
    pytest.param(
        a_db("v", "a1", near(WEB, namespaceSelector={"matchLabels": {"team": "x"}})),
        (a_web("w", "b1", namespace="lab"), a_web("u", "a1", namespace="shop"), a_namespace("lab").labelled(team="x")),
        "b1 b2",
        id="in a namespace that is selected, and not in its own",
    ),
    pytest.param(
        a_db("v", "a1", near(WEB, namespaceSelector={"matchExpressions": [NOT_X]})),
        (a_web("w", "b1", namespace="lab"), a_namespace("lab").labelled(team="x")), "b1 b2",
        id="by what a namespace is not, all are selected",
    ),
    pytest.param(
        a_db("v", "a1"),
        (a_web("w", "b1", apart(DB, namespaceSelector={"matchExpressions": [NOT_X]}), namespace="lab"),
         a_namespace("shop").labelled(team="x")), EVERYWHERE,
        id="but not by who is there",
    ),
    pytest.param(a_db("v", "a1", near(None)), (a_web("w", "b1"),), "", id="no selector means nobody"),
    pytest.param(a_db("v", "a1", near({})), (a_web("w", "b1"),), EVERYWHERE, id="an empty one means everybody"),
    pytest.param(a_db("v", "a1", apart(WEB)), (a_web("w", "b1"),), "a2", id="apart from a pod"),
    pytest.param(a_db("v", "a1", apart(WEB, HOST)), (a_web("w", "b1"),), "a2 b2", id="not on its host"),
    pytest.param(a_db("v", "a1", apart(DB)), (), "b1 b2", id="apart from its own pod, which is still there"),
    pytest.param(a_db("v", "a1", apart(DB, HOST)), (), EVERYWHERE, id="a target is another host anyhow"),
    pytest.param(a_db("v", "a1"), (a_web("w", "b1", apart(DB)),), "a2", id="who is there requires it to be apart"),
    pytest.param(a_db("v", "a1"), (a_web("w", "b1", apart(WEB)),), EVERYWHERE, id="of another"),
    pytest.param(
        a_db("v", "a1"), (a_web("w", "b1", apart(DB, namespaces=["lab"])),), EVERYWHERE, id="in another namespace"
    ),
    pytest.param(
        a_db("v", "a1"), (a_web("w", "b1", apart(DB, namespaceSelector={}), namespace="lab"),), "a2",
        id="wherever it is",
    ),
    pytest.param(
        a_db("v", "a1", apart({}, matchLabelKeys=["version"]), labels={**DB, "version": "2"}),
        (a_web("w", "b1").labelled(version="1"), a_web("u", "b2").labelled(version="3")), "b1 b2",
        id="keys stand for its own values",
    ),
    pytest.param(
        a_db("v", "a1", near({}, mismatchLabelKeys=["version"]), labels={**DB, "version": "2"}),
        (a_web("w", "b1").labelled(version="1"),), "b1 b2",
        id="or for any other",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("vmi", "parts", "allowed"), TABLE)
def test_where_it_may_go(vmi: VMIBuilder, parts: tuple[Part, ...], allowed: str) -> None:
    assert homes(vmi, *parts) == allowed


def test_a_node_without_the_key_is_near_nobody_and_apart_from_everybody() -> None:
    bare = a_node("bare")
    assert homes(a_db("v", "a1", near(WEB)), a_web("w", "b1"), bare) == "b1 b2"
    assert homes(a_db("v", "a1", apart(WEB)), a_web("w", "b1"), a_web("u", "bare"), bare) == "a2 bare"


def test_both_hosts_of_a_moving_vm_count() -> None:
    other = a_db("other", "a2", labels=WEB)
    vmim = a_vmim(other).of(a_plan("p")).to("b1").phase("Pending")
    assert homes(a_db("v", "a1", apart(WEB, HOST)), other, vmim) == "b2"


def test_the_words_name_the_label() -> None:
    vmi = a_db("v", "a1", near(WEB), apart(WEB, HOST))
    scene = a_scene(*NODES, vmi, a_web("w", "b1"), a_web("u", "b2", apart(DB, HOST)))
    said = [scene.verdict(vmi, node).words for node in ("a2", "b1", "b2")]
    assert said == [
        "lacks, in its zone, the pods that the VM requires near it",
        "has pods in its kubernetes.io/hostname that the VM requires to be apart from",
        "has pods in its kubernetes.io/hostname that the VM requires to be apart from",
    ]
    assert scene.verdict(vmi, "b1").plugin == "InterPodAffinity"
    alone = a_scene(*NODES, plain := a_db("v", "a1"), a_web("u", "b2", apart(DB, HOST)))
    assert (
        alone.verdict(plain, "b2").words
        == "has pods in its kubernetes.io/hostname that require to be apart from the VM"
    )


def test_who_is_required_near_goes_first_and_is_waited_for() -> None:
    """KubeVirt moves a group whose members require each other's host one by one: the one that requires nobody first."""
    leader, follower = a_db("x-leader", "a1"), a_db("follower", "a1", near(DB, HOST), labels=WEB)
    scene = a_scene(*NODES, leader, follower)
    found = scene.propose(scene.goal(a_plan("p"), "x-leader", "follower", sources=("a1",)))["p"]
    placed = targets(found)
    assert placed["follower"] == placed["x-leader"]
    assert found.assignments[follower.uid].after == ((leader.uid, placed["x-leader"]),)
    assert found.assignments[leader.uid].after == ()


@pytest.mark.parametrize("bound", [False, True])
def test_who_is_on_its_way_is_near_where_it_goes_and_waited_for(bound: bool) -> None:
    """Before its pod is there as well: who was to follow it keeps its target. The scheduler would say yes as soon as
    the pod is bound; should the migration fail, the VM would be alone."""
    leader, follower = a_db("leader", "a1"), a_db("follower", "a1", near(DB, HOST), labels=WEB)
    vmim = a_vmim(leader).of(a_plan("p")).to("b1").phase("Scheduling")
    if bound:
        leader.launcher(vmim=vmim).pods[1].on("b1").labelled(DB)
    scene = a_scene(*NODES, leader, follower, vmim)
    assert (scene.admits(follower, "b1") is None) is bound
    found = scene.propose(scene.goal(a_plan("p"), "follower", sources=("a1",)))["p"]
    assert [each.after for each in found.assignments.values()] == [((leader.uid, "b1"),)]


@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize("labels", [WEB, DB], ids=["needs it", "is like it"])
def test_nobody_is_sent_near_one_in_flight_who_leaves(bound: bool, labels: dict[str, str]) -> None:
    """The scheduler lets it go to a2 as long as the leader is on a1; it would be alone there a moment later."""
    leader, follower = a_db("leader", "a1"), a_db("follower", "c1", near(DB), labels=labels)
    vmim = a_vmim(leader).of(a_plan("p")).to("b2").phase("Scheduling")
    if bound:
        leader.launcher(vmim=vmim).pods[1].on("b2").labelled(DB)
    scene = a_scene(*NODES[:2], zoned("b1"), zoned("b2").cordoned(), a_node("c1"), leader, follower, vmim)
    assert scene.admits(follower, "a2") is None
    found = scene.propose(scene.goal(a_plan("p"), "follower", sources=("c1",)))["p"]
    assert targets(found) == {"follower": "b1"}
    assert found.assignments[follower.uid].after == ((leader.uid, "b2"),)


def test_nobody_is_waited_for_where_somebody_is_already() -> None:
    leader, follower = a_db("x-leader", "a1"), a_db("follower", "a1", near(DB), labels=WEB)
    scene = a_scene(*NODES[:3], leader, follower, a_pod("there").on("b1").labelled(DB))
    found = scene.propose(scene.goal(a_plan("p"), "x-leader", "follower", sources=("a1", "a2")))["p"]
    assert found.assignments[follower.uid].after == ()


def test_those_who_follow_each_other_in_chains_go_in_their_order() -> None:
    """However they are called, and whatever their size, each goes where the first of its chain goes."""
    vms = [a_db(f"v{n % 10}-{n // 10}", f"{'abc'[n % 3]}1", labels={"app": f"c{n}"}) for n in range(60)]
    for n, vmi in enumerate(vms):
        bound(vmi.memory(f"{1 + n % 3}Gi"), *([near({"app": f"c{n - 1}"})] if n % 20 else []))
    scene = a_scene(*(zoned(f"{zone}{n}").memory("64Gi") for zone in "abc" for n in (1, 2, 3, 4)), *vms)
    emptied = dict.fromkeys(("a1", "b1", "c1"), "is emptied")
    found = scene.place(*(scene.mover(vmi) for vmi in vms), barred=emptied)
    zones = [each.target[0] if isinstance(each := found[vmi.uid], Placed) else "-" for vmi in vms]
    assert [len({*zones[n : n + 20]} - {"-"}) + zones[n : n + 20].count("-") for n in (0, 20, 40)] == [1, 1, 1]


@pytest.mark.parametrize(("room", "follows"), [("3Gi", "-"), ("12Gi", "b1")])
@pytest.mark.parametrize(("kept", "shunned"), [("", ()), ("", ("b1",)), ("c1", ())])
def test_nobody_goes_near_one_who_leaves(
    room: str, follows: str, kept: str, shunned: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader can only go to b1, which it takes as the last resort where it failed there before: and the follower
    had perhaps been sent where the leader was, or goes first as it was left out."""
    monkeypatch.setattr(search, "BEGIN_ANEW", 0)
    leader, follower = a_db("leader", "c1").memory("1Gi"), a_db("follower", "a1", near(DB), labels=WEB).memory("4Gi")
    scene = a_scene(zoned("a1"), zoned("b1").memory(room), zoned("c1"), leader, follower)
    found = scene.place(scene.mover(leader, shunned=shunned), scene.mover(follower, kept), barred={"a1": "is emptied"})
    placed = {uid: each.target if isinstance(each, Placed) else "-" for uid, each in found.items()}
    assert placed == {leader.uid: "b1", follower.uid: follows}


VALUES = st.sampled_from(["db", "web"])


@st.composite
def terms(draw: st.DrawFn) -> dict[str, Any]:
    more: dict[str, Any] = {}
    match draw(st.sampled_from(["own", "own", "named", "all", "selected"])):
        case "named":
            more["namespaces"] = draw(st.lists(st.sampled_from(["shop", "lab"]), min_size=1, max_size=2))
        case "all":
            more["namespaceSelector"] = {}
        case "selected":
            more["namespaceSelector"] = {"matchLabels": {"team": "x"}}
    key = draw(st.sampled_from([HOST, ZONE, "rack"]))
    match draw(st.sampled_from(["labels", "labels", "not in", "exists", "nobody"])):
        case "labels":
            return term({"app": draw(VALUES)}, key, **more)
        case "not in":
            selector = {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": [draw(VALUES)]}]}
            return {"topologyKey": key, "labelSelector": selector, **more}
        case "exists":
            return {
                "topologyKey": key,
                "labelSelector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]},
                **more,
            }
    return term(None, key, **more)


@st.composite
def affinities(draw: st.DrawFn) -> dict[str, Any]:
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    result: dict[str, Any] = {}
    if draw(st.integers(0, 2)) == 0:
        result["podAffinity"] = {required: draw(st.lists(terms(), min_size=1, max_size=2))}
    if draw(st.integers(0, 2)) == 0:
        result["podAntiAffinity"] = {required: draw(st.lists(terms(), min_size=1, max_size=2))}
    return result


@st.composite
def some_pods(draw: st.DrawFn, name: str) -> PodBuilder:
    pod = a_pod(name, namespace=draw(st.sampled_from(["shop", "lab"]))).on(draw(st.sampled_from(["a1", "a2", "b1"])))
    pod.set("spec.affinity", draw(affinities()))
    if draw(st.booleans()):
        pod.labelled(app=draw(VALUES))
    return pod.labelled(tier="back") if draw(st.booleans()) else pod


@given(st.data())
def test_the_column_is_what_the_scheduler_would_say(data: st.DataObject) -> None:
    vmi = a_db("v", "a1", data.draw(affinities()), labels={"app": data.draw(VALUES)})
    pods = [data.draw(some_pods(f"p{n}")) for n in range(data.draw(st.integers(0, 6)))]
    nodes = [*(zoned(name).labelled(rack=rack) for name, rack in (("a1", "x"), ("a2", "y"), ("b1", "x"))), a_node("c1")]
    scene = a_scene(*nodes, vmi, *pods, a_namespace("lab").labelled(team="x"), a_namespace("shop"))
    ground = scene.fleet()
    guest = scene.guest(vmi, ground)
    ours = ground.neighbours.allowed(guest.occupant).tolist()
    occupants = ground.neighbours.population.occupants
    assert ours == [_the_scheduler_says(guest.occupant, node, occupants, ground.nodes) for node in ground.nodes]
    for n, node in enumerate(ground.nodes):
        assert (ground.neighbours.refuses(guest.occupant, n) is None) is ours[n]
        alone = survey.around(guest, node.name, scene.snapshot, scene.relations)
        assert alone.neighbours.refuses(guest.occupant, n) == ground.neighbours.refuses(guest.occupant, n)


def _the_scheduler_says(vm: Occupant, node: Node, others: Iterable[Occupant], nodes: tuple[Node, ...]) -> bool:
    """Pod by pod: existing pods' anti-affinity, the VM's own, its affinity but for the first of a kind."""

    def together(place: int, each: Term) -> bool:
        value = nodes[place].labels.get(each.key)
        return value is not None and value == node.labels.get(each.key)

    everybody = [(other, place) for other in others for place in other.places]
    for other, place in everybody:
        if any(each.means(vm.namespace, vm.labels) and together(place, each) for each in other.bonds.apart):
            return False
        if any(each.means(other.namespace, other.labels) and together(place, each) for each in vm.bonds.apart):
            return False
    near = vm.bonds.near
    wanted = [(o, p) for o, p in everybody if all(each.means(o.namespace, o.labels) for each in near)]
    if any(each.key not in node.labels for each in near):
        return False
    if all(any(together(place, each) for _, place in wanted) for each in near):
        return True
    counted = any(each.key in nodes[place].labels for _, place in wanted for each in near)
    return not counted and all(each.means(vm.namespace, vm.labels) for each in near)


@pytest.mark.parametrize("kind", ["podAffinity", "podAntiAffinity"])
@given(data=st.data())
def test_counting_on_and_counting_anew_agree(kind: str, data: st.DataObject) -> None:
    """After any moves: a VM that was given a target repels on both hosts, and is near others on its target."""
    vms = []
    for n in range(4):
        asked = data.draw(affinities())
        only = {kind: asked[kind]} if kind in asked else {}
        vms.append(a_db(f"v{n}", "a1", only, labels={"app": data.draw(VALUES)}))
    scene = a_scene(*NODES, *vms, a_namespace("shop"))
    ground = scene.fleet()
    guests = [scene.guest(vmi, ground).occupant for vmi in vms]
    moved: dict[str, int] = {}
    for guest in guests:
        if data.draw(st.booleans()):
            ground.neighbours.allowed(data.draw(st.sampled_from(guests)))
            moved[guest.uid] = target = data.draw(st.integers(0, 3))
            ground.neighbours.move(guest.uid, target)
    kept = kind == "podAntiAffinity"
    settled = [
        replace(each, pods=tuple({*(each.pods if kept else ()), moved[each.uid]})) if each.uid in moved else each
        for each in ground.neighbours.population.occupants
    ]
    anew = Neighbours(ground.neighbours.topology, Population(settled))
    for guest in guests:
        assert (ground.neighbours.allowed(guest) == anew.allowed(guest)).all()


def test_kubevirts_own_term_is_left_out() -> None:
    """Every pod that was a migration's target has one: who is where the VM has pods is known without."""
    vmi = a_db("v", "a1", apart({"kubevirt.io/created-by": "v-uid"}, HOST))
    built = vmi.pod.build()
    assert bonds(built.spec.affinity, "shop", {}, {}).apart == ()
    zone = a_db("v", "a1", apart({"kubevirt.io/created-by": "v-uid"}, ZONE)).pod.build()
    assert len(bonds(zone.spec.affinity, "shop", {}, {}).apart) == 1


DECOYS = [zoned("a2").memory("64Gi").cpu("3"), zoned("b1").memory("5Gi")]
"""What a leader likes best by itself, the emptiest and the fullest: too few cores, too little memory for followers."""


def a_herd(strangers: int) -> list[VMIBuilder]:
    """A leader, three VMs that have to be on its host, and others."""
    leader = a_db("x-leader", "a1").memory("1Gi")
    herd = [a_db(f"f{n}", "a1", near(DB, HOST), labels=WEB).requests(cpu="2", memory="5Gi") for n in range(3)]
    return [leader, *herd, *(a_vmi(f"s{n:02}").on("a1").memory("1Gi") for n in range(strangers))]


@pytest.mark.parametrize("strangers", [0, 1, 20])
def test_a_leader_goes_where_its_followers_have_room(strangers: int) -> None:
    """Nor is the room given to others meanwhile, whether there are few enough to try every way or not."""
    herd = a_herd(strangers)
    scene = a_scene(zoned("a1"), *DECOYS, zoned("b2").memory("20Gi"), zoned("c1").cpu("3"), *herd)
    found = scene.propose(scene.goal(a_plan("p"), *(vm.name for vm in herd), sources=("a1",)))["p"]
    assert found.refused == {}
    placed = targets(found)
    assert {placed[f"f{n}"] for n in range(3)} == {placed["x-leader"]} == {"b2"}


def test_a_leader_goes_where_its_followers_may_be() -> None:
    herd = a_herd(20)
    for vm in herd[1:4]:
        vm.set("spec.nodeSelector", {"disk": "fast"})
    nodes = [zoned("a2"), zoned("b1").memory("5Gi"), zoned("b2").labelled(disk="fast").memory("32Gi")]
    scene = a_scene(zoned("a1"), *nodes, *herd)
    found = scene.propose(scene.goal(a_plan("p"), *(vm.name for vm in herd), sources=("a1",)))["p"]
    assert found.refused == {}


def test_those_who_follow_each_other_in_a_chain_have_room_together() -> None:
    """One follows the other, and a third the second."""
    names = ("x", "y", "z")
    chain = [a_db("x", "a1", labels={"app": "x"})]
    chain += [
        a_db(b, "a1", near({"app": a}, HOST), labels={"app": b}).requests(cpu="2", memory="5Gi")
        for a, b in pairwise(names)
    ]
    others = [a_vmi(f"s{n:02}").on("a1").memory("1Gi") for n in range(20)]
    scene = a_scene(zoned("a1"), *DECOYS, zoned("b2").memory("20Gi"), zoned("c1").cpu("3"), *chain, *others)
    vms = [vm.name for vm in (*chain, *others)]
    found = scene.propose(scene.goal(a_plan("p"), *vms, sources=("a1",)))["p"]
    assert found.refused == {}
    assert len({targets(found)[name] for name in names}) == 1
    assert [found.assignments[f"{name}-uid"].after != () for name in names] == [False, True, True]


def test_nobody_follows_one_who_goes_elsewhere() -> None:
    """The one in the middle is followed as well, and larger, and so is thought of before the one it follows."""
    last = a_db("z", "a1").memory("1Gi")
    middle = a_db("m", "a1", near(DB), labels={"app": "m"}).memory("5Gi")
    first = a_db("f", "a1", near({"app": "m"}), labels={"app": "f"}).memory("1Gi")
    others = [a_vmi(f"s{n:02}").on("a1").memory("1Gi") for n in range(12)]
    for crowd in ((), others):
        nodes = [zoned("a1"), zoned("a2").memory("6Gi"), zoned("b1").memory("30Gi")]
        scene = a_scene(*nodes, last, middle, first, *crowd)
        found = scene.propose(scene.goal(a_plan("p"), "z", "m", "f", *(vm.name for vm in crowd), sources=("a1",)))["p"]
        placed = targets(found)
        assert found.refused == {}
        assert len({placed[name][0] for name in ("z", "m", "f")}) == 1
