"""Whatever the fleet: a placement overfills no node, breaks no check, and refuses only where there is no room."""

from hypothesis import given
from hypothesis import strategies as st

from drover.facts.kubevirt import VMI
from drover.planning import checks, fleet, placement
from drover.planning.proposal import Goal, bars, propose
from drover.planning.spread import Occupant, Spreading
from drover.planning.vmclass import GUEST_MEMORY, VMClass
from tests.builders import OVERHEAD, NodeBuilder, PodBuilder, VMIBuilder, a_node, a_plan, a_pod, a_vmi
from tests.unit.planning.scene import Scene, a_scene

GROUP = {"app": "db"}
SIZES = ["1Gi", "2Gi", "3Gi", "5Gi"]


@st.composite
def nodes(draw: st.DrawFn, name: str) -> NodeBuilder:
    node = a_node(name).labelled(rack=draw(st.sampled_from("ab")))
    node.allocatable(memory=draw(st.sampled_from(["2Gi", "6Gi", "12Gi"])), pods=draw(st.sampled_from(["2", "5"])))
    match draw(st.sampled_from(["", "", "", "cordoned", "tainted", "without", "unready", "no rack"])):
        case "cordoned":
            node.cordoned()
        case "tainted":
            node.tainted("gpu", "NoSchedule")
        case "without":
            node.without_kubevirt()
        case "unready":
            node.not_ready()
        case "no rack":
            del node.json["metadata"]["labels"]["rack"]
    return node


@st.composite
def vms(draw: st.DrawFn, name: str, homes: list[str]) -> VMIBuilder:
    vmi = a_vmi(name).on(draw(st.sampled_from(homes))).memory(draw(st.sampled_from(SIZES)))
    if draw(st.booleans()):
        vmi.requests(memory=draw(st.sampled_from(["500Mi", "2Gi"])))
    if draw(st.integers(0, 3)) == 0:
        vmi.set("spec.nodeSelector", {"rack": "a"})
    if draw(st.integers(0, 3)) == 0:
        vmi.pod.requires([{"key": "rack", "operator": "In", "values": ["b"]}])
    if draw(st.integers(0, 3)) == 0:
        vmi.pod.tolerates("gpu")
    if draw(st.booleans()):
        vmi.pod.labelled(GROUP)
        for _ in range(draw(st.integers(0, 2))):
            vmi.pod.spreads(draw(st.sampled_from(["rack", "kubernetes.io/hostname"])), GROUP, draw(st.integers(1, 2)))
    return vmi


@st.composite
def plain(draw: st.DrawFn, name: str, homes: list[str]) -> PodBuilder:
    pod = a_pod(name).on(draw(st.sampled_from(homes))).container({"memory": draw(st.sampled_from(SIZES))})
    return pod.labelled(GROUP) if draw(st.booleans()) else pod


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    homes = [f"n{n}" for n in range(draw(st.integers(1, 5)))]
    return a_scene(
        *(draw(nodes(name)) for name in homes),
        *(draw(vms(f"v{n}", homes)) for n in range(draw(st.integers(1, 7)))),
        *(draw(plain(f"p{n}", homes)) for n in range(draw(st.integers(0, 4)))),
    )


def goals(scene: Scene) -> list[Goal]:
    """Two plans that share the VMs; the first empties n0."""
    everybody = tuple(sorted(scene.snapshot.vmis.values(), key=lambda vmi: vmi.uid))
    half = len(everybody) // 2
    first = Goal(a_plan("one").evacuates("n0").build(), frozenset({"n0"}), everybody[:half])
    return [first, Goal(a_plan("two").build(), frozenset(), everybody[half:])]


def asked(scene: Scene, vmi: VMI) -> dict[str, int]:
    """What the VM needs, told in another way than by its class."""
    pod = scene.relations.source_pod(vmi)
    assert pod is not None
    requests = pod.requests()
    return {**requests, GUEST_MEMORY: max(vmi.guest_memory() + OVERHEAD, requests["memory"])}


def class_of(scene: Scene, vmi: VMI) -> VMClass:
    found = fleet.class_of(vmi, scene.snapshot, scene.relations)
    assert found is not None
    return found


@given(scenes())
def test_no_node_is_overfilled(scene: Scene) -> None:
    """By requests nor by guest memory, both hosts holding every VM that moves."""
    ground = scene.fleet()
    before = ground.free.copy()
    for proposal in propose(goals(scene), scene.snapshot, {}, {}).values():
        for uid, assignment in proposal.assignments.items():
            vmi = scene.relations.vmis_by_uid[uid]
            ground.take(ground.position[assignment.target], ground.vector(asked(scene, vmi)))
    worse = (ground.free < 0) & (ground.free < before)
    assert not worse.any()


@given(scenes())
def test_no_target_is_one_a_check_refuses_nor_one_to_be_emptied(scene: Scene) -> None:
    both = goals(scene)
    found = propose(both, scene.snapshot, {}, {})
    for goal in both:
        proposal = found[goal.plan.uid]
        assert {vmi.uid for vmi in goal.vmis} == proposal.assignments.keys() | proposal.refused.keys()
        for uid, assignment in proposal.assignments.items():
            vmi, node = scene.relations.vmis_by_uid[uid], scene.snapshot.node(assignment.target)
            assert node is not None
            assert checks.explain(class_of(scene, vmi), node) is None
            assert node.name not in {vmi.node, *goal.sources}


@given(scenes())
def test_each_choice_is_one_of_the_nodes_that_would_do_and_a_refusal_means_none(scene: Scene) -> None:
    """Asked node by node at the moment of the choice."""
    ground = scene.fleet()
    for uid, vmi in sorted(scene.relations.vmis_by_uid.items()):
        vm_class = class_of(scene, vmi)
        need = asked(scene, vmi)
        good = {
            node.name
            for n, node in enumerate(ground.nodes)
            if node.name != vmi.node
            and checks.explain(vm_class, node) is None
            and ground.spreading.refuses(uid, vm_class, node.name) is None
            and all(
                need.get(name, 0) <= max(0, free) for name, free in zip(ground.resources, ground.free[n], strict=True)
            )
        }
        answer = placement.place([placement.Mover(uid, vm_class, bars(vmi, scene.relations, ()))], ground, {})[uid]
        assert answer.target in good if isinstance(answer, placement.Placed) else not good


@given(scenes())
def test_counting_on_and_counting_anew_agree_on_spread(scene: Scene) -> None:
    ground = scene.fleet()
    vmis = scene.relations.vmis_by_uid
    movers = [placement.Mover(u, class_of(scene, v), bars(v, scene.relations, ())) for u, v in vmis.items()]
    placed = placement.place(movers, ground, {})
    where = {uid: answer.target for uid, answer in placed.items() if isinstance(answer, placement.Placed)}
    settled = {
        namespace: {uid: Occupant(each.labels, where.get(uid, each.node)) for uid, each in members.items()}
        for namespace, members in fleet.occupants(scene.snapshot, scene.relations).items()
    }
    anew = Spreading(ground.nodes, lambda: settled)
    for mover in movers:
        assert (ground.spreading.allowed(mover.uid, mover.vm_class) == anew.allowed(mover.uid, mover.vm_class)).all()


def movers(scene: Scene) -> list[placement.Mover]:
    vmis = scene.relations.vmis_by_uid
    return [placement.Mover(u, class_of(scene, v), bars(v, scene.relations, ())) for u, v in vmis.items()]


def why_not(mover: placement.Mover, ground: fleet.Fleet, node: str, barred: dict[str, str]) -> str:
    """Told node by node, as `admits` does at dispatch."""
    position = ground.position[node]
    return (
        mover.barred.get(node)
        or barred.get(node)
        or checks.explain(mover.vm_class, ground.nodes[position])
        or ground.spreading.refuses(mover.uid, mover.vm_class, node)
        or checks.shortage(ground.vector(dict(mover.vm_class.requests)), ground, position)
    )


@given(scenes(), st.dictionaries(st.sampled_from(["n1", "n2", "n9"]), st.sampled_from(["is barred", "is taken"])))
def test_a_refusal_says_what_each_node_would_say(scene: Scene, barred: dict[str, str]) -> None:
    """At the moment of the choice, although movers that ask the same get the same answer."""
    ground, twin = scene.fleet(), scene.fleet()
    asked_for = {mover.uid: mover for mover in movers(scene)}
    for uid, answer in placement.place(list(asked_for.values()), ground, barred).items():
        mover = asked_for[uid]
        if isinstance(answer, placement.Placed):
            twin.take(twin.position[answer.target], twin.vector(dict(mover.vm_class.requests)))
            twin.spreading.move(uid, answer.target)
            continue
        reasons = [why_not(mover, twin, node.name, barred) for node in twin.nodes]
        others = [reason for reason in reasons if reason != checks.IS_SOURCE]
        words = f"none of {len(others)} other nodes fits: {checks.summarize(others)}"
        assert answer.message == (words if others else "no other node exists")


@given(scenes())
def test_all_nodes_are_told_at_once_what_each_is_told(scene: Scene) -> None:
    ground = scene.fleet()
    for mover in movers(scene):
        vm_class, row = mover.vm_class, ground.vector(dict(mover.vm_class.requests))
        assert checks.explanations(vm_class, ground.nodes) == [checks.explain(vm_class, node) for node in ground.nodes]
        spread = [ground.spreading.refuses(mover.uid, vm_class, node.name) for node in ground.nodes]
        assert ground.spreading.refusals(mover.uid, vm_class) == spread
        short = [checks.shortage(row, ground, n) for n in range(len(ground.nodes))]
        assert checks.shortages(row, ground) == short
