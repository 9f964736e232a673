"""Whatever the fleet: a placement overfills no node, breaks no check, and refuses only where there is no room."""

from functools import cache

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from drover.facts.kubevirt import VMI
from drover.planning import reasons
from drover.planning.barred import bars
from drover.planning.checks import chain
from drover.planning.checks.check import Answer
from drover.planning.checks.room import shortages
from drover.planning.demand.guest import Guest
from drover.planning.demand.vmclass import GUEST_MEMORY
from drover.planning.explain import Reason, summarize
from drover.planning.judging import judge
from drover.planning.placing import placement
from drover.planning.placing.mover import Mover, Placed
from drover.planning.proposal import Goal
from drover.planning.proposing import propose
from drover.planning.site.fleet import Fleet
from drover.planning.site.population import Population
from drover.planning.site.spread import Spreading
from drover.planning.site.survey import guest as a_guest
from tests.builders import OVERHEAD, NodeBuilder, PodBuilder, VMIBuilder, a_node, a_plan, a_pod, a_vmi
from tests.unit.planning.scene import Scene, a_scene

GROUP = {"app": "db"}
SIZES = ["1Gi", "2Gi", "3Gi", "5Gi"]


MEMORIES = st.sampled_from(["2Gi", "6Gi", "12Gi"])
PODS = st.sampled_from(["2", "5"])
RACKS = st.sampled_from("ab")
STATES = st.sampled_from(["", "", "", "cordoned", "tainted", "without", "unready", "no rack"])
WANTED = st.sampled_from(SIZES)
REQUESTED = st.sampled_from(["500Mi", "2Gi"])
KEYS = st.sampled_from(["rack", "kubernetes.io/hostname"])


@cache  # strategies are checked when they are first drawn from, which takes longer than to draw
@st.composite
def nodes(draw: st.DrawFn, name: str) -> NodeBuilder:
    node = a_node(name).labelled(rack=draw(RACKS))
    node.allocatable(memory=draw(MEMORIES), pods=draw(PODS))
    match draw(STATES):
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


@cache
@st.composite
def vms(draw: st.DrawFn, name: str, homes: st.SearchStrategy[str]) -> VMIBuilder:
    vmi = a_vmi(name).on(draw(homes)).memory(draw(WANTED))
    if draw(st.booleans()):
        vmi.requests(memory=draw(REQUESTED))
    if draw(st.integers(0, 3)) == 0:
        vmi.set("spec.nodeSelector", {"rack": "a"})
    if draw(st.integers(0, 3)) == 0:
        vmi.pod.requires([{"key": "rack", "operator": "In", "values": ["b"]}])
    if draw(st.integers(0, 3)) == 0:
        vmi.pod.tolerates("gpu")
    if draw(st.booleans()):
        vmi.pod.labelled(GROUP)
        for _ in range(draw(st.integers(0, 2))):
            vmi.pod.spreads(draw(KEYS), GROUP, draw(st.integers(1, 2)))
    return vmi


@cache
@st.composite
def plain(draw: st.DrawFn, name: str, homes: st.SearchStrategy[str]) -> PodBuilder:
    pod = a_pod(name).on(draw(homes)).container({"memory": draw(WANTED)})
    return pod.labelled(GROUP) if draw(st.booleans()) else pod


HOMES = {count: st.sampled_from([f"n{n}" for n in range(count)]) for count in range(1, 6)}


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    count = draw(st.integers(1, 5))
    homes = HOMES[count]
    return a_scene(
        *(draw(nodes(f"n{n}")) for n in range(count)),
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


def guest(scene: Scene, vmi: VMI, ground: Fleet) -> Guest:
    found = a_guest(vmi, scene.snapshot, scene.relations, ground.position)
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
    both, ground = goals(scene), scene.fleet()
    found = propose(both, scene.snapshot, {}, {})
    for goal in both:
        proposal = found[goal.plan.uid]
        assert {vmi.uid for vmi in goal.vmis} == proposal.assignments.keys() | proposal.refused.keys()
        for uid, assignment in proposal.assignments.items():
            vmi, node = scene.relations.vmis_by_uid[uid], scene.snapshot.node(assignment.target)
            assert node is not None
            assert chain.static(guest(scene, vmi, ground).vm_class, ground.classes)[ground.position[node.name]] <= 0
            assert node.name not in {vmi.node, *goal.sources}


@given(scenes())
def test_each_choice_is_one_of_the_nodes_that_would_do_and_a_refusal_means_none(scene: Scene) -> None:
    """Asked node by node at the moment of the choice."""
    ground = scene.fleet()
    for _, vmi in sorted(scene.relations.vmis_by_uid.items()):
        mine, need = guest(scene, vmi, ground), asked(scene, vmi)
        good = {
            node.name
            for n, node in enumerate(ground.nodes)
            if node.name != vmi.node
            and chain.verdict(mine, ground, n).answer != Answer.NO
            and all(
                need.get(name, 0) <= max(0, free) for name, free in zip(ground.resources, ground.free[n], strict=True)
            )
        }
        answer = placement.place([Mover(mine, bars(vmi, scene.relations, ()))], ground, {})[vmi.uid]
        assert answer.target in good if isinstance(answer, Placed) else not good


@given(scenes())
def test_all_nodes_at_once_are_told_what_each_is_told(scene: Scene) -> None:
    ground = scene.fleet()
    for vmi in scene.relations.vmis_by_uid.values():
        mine = guest(scene, vmi, ground)
        codes = chain.column(mine, ground).tolist()
        for n, code in enumerate(codes):
            said = chain.verdict(mine, ground, n)
            assert said.check == (chain.CHECKS[abs(code) - 1].name if code else "")
            assert (said.answer == Answer.NO) is (code > 0)


@given(scenes())
def test_one_vm_and_one_node_are_judged_as_among_all(scene: Scene) -> None:
    """Although only what concerns the two is counted then."""
    ground = scene.fleet()
    for vmi in scene.relations.vmis_by_uid.values():
        mine = guest(scene, vmi, ground)
        for n, node in enumerate(ground.nodes):
            assert judge(vmi, node.name, {}, scene.snapshot, scene.relations) == chain.verdict(mine, ground, n)


@given(scenes())
def test_counting_on_and_counting_anew_agree_on_spread(scene: Scene) -> None:
    ground = scene.fleet()
    everybody = movers(scene, ground)
    placed = placement.place(everybody, ground, {})
    where = {uid: answer.target for uid, answer in placed.items() if isinstance(answer, Placed)}
    settled = [
        replace(each, home=ground.position[where[each.uid]] if each.uid in where else each.home)
        for each in ground.spreading.population.occupants
    ]
    anew = Spreading(ground.classes, Population(settled))
    for mover in everybody:
        occupant, vm_class = mover.guest.occupant, mover.guest.vm_class
        assert (ground.spreading.allowed(occupant, vm_class) == anew.allowed(occupant, vm_class)).all()


def movers(scene: Scene, ground: Fleet) -> list[Mover]:
    vmis = scene.relations.vmis_by_uid.values()
    return [Mover(guest(scene, vmi, ground), bars(vmi, scene.relations, ())) for vmi in vmis]


def why_not(mover: Mover, ground: Fleet, node: str, barred: dict[str, str]) -> Reason:
    """Told node by node: the goal has the first word, then the node itself, who else is there, and what is short."""
    n, mine = ground.position[node], mover.guest
    static = chain.words(mine.vm_class, ground.classes)[n]
    others = ground.neighbours.refuses(mine.occupant, n) or ground.spreading.refuses(mine.occupant, mine.vm_class, n)
    short = shortages(ground.demand(mine.vm_class), ground)[n]
    return mover.barred.get(node) or barred.get(node) or static or others or short or "is not asked"


@given(scenes(), st.dictionaries(st.sampled_from(["n1", "n2", "n9"]), st.sampled_from(["is barred", "is taken"])))
def test_a_refusal_says_what_each_node_would_say(scene: Scene, barred: dict[str, str]) -> None:
    """At the moment of the choice, although movers that ask the same get the same answer."""
    ground, twin = scene.fleet(), scene.fleet()
    asked_for = {mover.uid: mover for mover in movers(scene, ground)}
    for uid, answer in placement.place(list(asked_for.values()), ground, barred).items():
        mover = asked_for[uid]
        if isinstance(answer, Placed):
            twin.move(mover.guest, twin.position[answer.target])
            continue
        told = [why_not(mover, twin, node.name, barred) for node in twin.nodes]
        others = [reason for reason in told if reason != reasons.IS_SOURCE]
        words = f"none of {len(others)} other nodes fits: {summarize(others)}"
        assert answer.message == (words if others else "no other node exists")


@given(scenes())
def test_on_the_same_facts_nobody_loses_the_target_it_had(scene: Scene) -> None:
    both = goals(scene)
    first = propose(both, scene.snapshot, {}, {})
    again = propose(both, scene.snapshot, {}, first)
    for goal in both:
        kept = {uid: each.target for uid, each in again[goal.plan.uid].assignments.items()}
        assert kept == {uid: each.target for uid, each in first[goal.plan.uid].assignments.items()}
