"""Where each VM goes."""

from typing import Any, cast

import pytest

from drover.planning.placing import placement, search
from drover.planning.placing.mover import Answers, Placed
from drover.planning.placing.refusal import Unplaced
from tests.builders import NodeBuilder, VMIBuilder, a_node, a_vmi
from tests.unit.planning.scene import Scene, a_scene


def small(name: str, memory: str) -> NodeBuilder:
    return a_node(name).memory(memory)


def targets(answers: dict[str, Placed | Unplaced]) -> dict[str, str]:
    return {uid.removesuffix("-uid"): a.target if isinstance(a, Placed) else "-" for uid, a in answers.items()}


def refusal(scene: Scene, vmi: VMIBuilder, barred: dict[str, str] | None = None) -> Unplaced:
    return cast(Unplaced, scene.place(scene.mover(vmi), barred=barred)[vmi.uid])


WEB = a_vmi("web").on("n1").memory("4Gi")


@pytest.mark.parametrize(
    ("kept", "shunned", "barred", "target"),
    [
        ("", (), (), "n3"),
        ("n2", (), (), "n2"),
        ("n9", (), (), "n3"),
        ("n2", (), ("n2",), "n3"),
        ("n2", ("n2",), (), "n3"),
        ("", ("n3",), (), "n2"),
        ("", ("n2", "n3"), (), "n3"),
        ("", ("n2",), ("n3",), "n2"),
        ("", (), ("n2", "n3"), "-"),
    ],
)
def test_one_vm(kept: str, shunned: tuple[str, ...], barred: tuple[str, ...], target: str) -> None:
    scene = a_scene(a_node("n1"), small("n2", "8Gi"), small("n3", "16Gi"), WEB)
    answers = scene.place(scene.mover(WEB, kept, shunned), barred=dict.fromkeys(barred, "is barred"))
    assert targets(answers) == {"web": target}


def test_a_target_is_kept_only_while_it_has_room() -> None:
    scene = a_scene(a_node("n1"), small("n2", "2Gi"), small("n3", "16Gi"), WEB)
    assert targets(scene.place(scene.mover(WEB, kept="n2"))) == {"web": "n3"}


def test_a_target_is_given_up_where_that_helps_another() -> None:
    """The room it has is all that the larger one could use; what is kept is kept for calm, and nobody pays for it."""
    large = a_vmi("x-large").on("n1").memory("7Gi")
    scene = a_scene(a_node("n1"), small("n2", "8Gi"), small("n3", "5Gi"), WEB, large)
    assert targets(scene.place(scene.mover(WEB, kept="n2"), scene.mover(large))) == {"x-large": "n2", "web": "n3"}


@pytest.mark.parametrize(("kept", "times"), [("", 1), ("n2", 2)])
def test_all_begin_anew_without_their_targets_only_where_there_were_any(
    kept: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the two is left out, and that is proven before those left out go first."""
    begun: list[int] = []
    real = search.Search._in_turn

    def counting(self: search.Search, *args: Any) -> Answers:
        begun.append(len(args[0]))
        return real(self, *args)

    monkeypatch.setattr(search.Search, "_in_turn", counting)
    db = a_vmi("db").on("n1").memory("4Gi")
    scene = a_scene(a_node("n1"), small("n2", "6Gi"), WEB, db)
    movers = [scene.mover(WEB, kept), scene.mover(db)]
    found = placement.place(movers, scene.fleet(), {}, proven=lambda *_: 1)
    assert sorted(targets(found).values()) == ["-", "n2"]
    assert begun == [bool(kept), 0][:times]


def test_of_many_only_those_give_their_target_up_who_are_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only on n2 is enough room for the large one; n4, which the third has, is less full than n5 would be."""
    monkeypatch.setattr(search, "BEGIN_ANEW", 0)
    large, third = a_vmi("x-large").on("n1").memory("7Gi"), a_vmi("y-third").on("n1").memory("4Gi")
    nodes = small("n2", "8Gi"), small("n3", "5Gi"), small("n4", "5Gi"), small("n5", "6Gi")
    scene = a_scene(a_node("n1"), *nodes, WEB, large, third)
    found = scene.place(scene.mover(WEB, kept="n2"), scene.mover(large), scene.mover(third, kept="n4"))
    assert targets(found) == {"x-large": "n2", "web": "n5", "y-third": "n4"}


def test_a_target_is_kept_where_giving_it_up_helps_nobody() -> None:
    larger = a_vmi("x-larger").on("n1").memory("9Gi")
    scene = a_scene(a_node("n1"), small("n2", "8Gi"), small("n3", "16Gi").cordoned(), small("n4", "5Gi"), WEB, larger)
    ground = scene.fleet()
    found = placement.place([scene.mover(WEB, kept="n4"), scene.mover(larger)], ground, {})
    assert targets(found) == {"web": "n4", "x-larger": "-"}
    free = scene.fleet().free - ground.free
    assert [node.name for node, taken in zip(ground.nodes, free, strict=True) if taken.any()] == ["n4"]


def test_one_is_sent_where_it_failed_before_where_another_needs_the_rest() -> None:
    tied = a_vmi("x-tied").on("n1").memory("4Gi").set("spec.nodeSelector", {"rack": "b"})
    first = a_vmi("a-first").on("n1").memory("4Gi")
    scene = a_scene(a_node("n1"), small("n2", "5Gi").labelled(rack="b"), small("n3", "5Gi"), first, tied)
    for shunned in (("n3",), ("n2",), ("n2", "n3")):
        answers = scene.place(scene.mover(first, shunned=shunned), scene.mover(tied))
        assert targets(answers) == {"a-first": "n3", "x-tied": "n2"}


def test_those_with_the_fewest_homes_come_first() -> None:
    tied = a_vmi("x-tied").on("n1").memory("4Gi").set("spec.nodeSelector", {"rack": "b"})
    scene = a_scene(a_node("n1"), small("n2", "5Gi").labelled(rack="b"), small("n3", "5Gi"), WEB, tied)
    assert targets(scene.place(scene.mover(WEB), scene.mover(tied))) == {"x-tied": "n2", "web": "n3"}


def test_the_largest_come_first() -> None:
    large = a_vmi("x-large").on("n1").memory("7Gi")
    scene = a_scene(a_node("n1"), small("n2", "8Gi"), small("n3", "5Gi"), WEB, large)
    assert targets(scene.place(scene.mover(WEB), scene.mover(large))) == {"x-large": "n2", "web": "n3"}


def test_nobody_takes_the_room_of_one_that_keeps_its_target() -> None:
    other = a_vmi("large").on("n1").memory("7Gi")
    scene = a_scene(a_node("n1"), small("n2", "8Gi"), WEB, other)
    assert targets(scene.place(scene.mover(other), scene.mover(WEB, kept="n2"))) == {"web": "n2", "large": "-"}


def test_room_is_taken_between_vms() -> None:
    vms = [a_vmi(f"v{n}").on("n1").memory("4Gi") for n in range(4)]
    scene = a_scene(a_node("n1"), small("n2", "10Gi"), small("n3", "5Gi"), *vms)
    placed = targets(scene.place(*(scene.mover(vmi) for vmi in vms)))
    assert sorted(placed.values()) == ["-", "n2", "n2", "n3"]


def test_why_it_is_that_one() -> None:
    scene = a_scene(a_node("n1"), small("n2", "8704Mi"), small("n3", "1Gi"), WEB)
    assert scene.place(scene.mover(WEB))[WEB.uid] == Placed(
        "n2", "one of 2 nodes that may take it; 50% of its scarcest resource stays free"
    )


def test_a_refusal_counts_the_reasons() -> None:
    scene = a_scene(a_node("n1"), a_node("n2").cordoned(), a_node("n3").cordoned(), small("n4", "1Gi"), WEB)
    answer = refusal(scene, WEB)
    assert answer.eligible
    assert answer.message == "none of 3 other nodes fits: 2× is cordoned, 1× lacks 3.2 GiB of memory"
    assert answer.suggestion == "free room on a node that can take it, or add a node"


@pytest.mark.parametrize(
    ("nodes", "barred", "message", "suggestion"),
    [
        ((), {}, "no other node exists", "allow further target nodes"),
        ((a_node("n2").cordoned(),), {}, "none of 1 other nodes fits: 1× is cordoned",
         "uncordon a node that can take it"),
        ((a_node("n2").cordoned(), a_node("n3").not_ready(), a_node("n4").not_ready()), {},
         "none of 3 other nodes fits: 2× is not Ready, 1× is cordoned", "bring the node back"),
        ((a_node("n2"),), {"n2": "is excluded"}, "none of 1 other nodes fits: 1× is excluded",
         "allow further target nodes"),
    ],
)  # fmt: skip
def test_a_vm_without_an_eligible_node(
    nodes: tuple[NodeBuilder, ...], barred: dict[str, str], message: str, suggestion: str
) -> None:
    answer = refusal(a_scene(a_node("n1"), *nodes, WEB), WEB, barred)
    assert answer == Unplaced(False, message, suggestion)


def test_each_is_told_what_is_short_when_the_others_have_their_targets() -> None:
    first, last, other = (a_vmi(name).on("n1").memory("7Gi") for name in ("first", "last", "other"))
    scene = a_scene(a_node("n1"), small("n2", "6Gi"), first, last, other.memory("2Gi"))
    answers = scene.place(scene.mover(first, kept="n2"), scene.mover(other, kept="n2"), scene.mover(last))
    assert targets(answers) == {"first": "-", "other": "n2", "last": "-"}
    found = {cast(Unplaced, answers[vmi.uid]).message for vmi in (first, last)}
    assert found == {"none of 1 other nodes fits: 1× lacks 3.5 GiB of memory"}


def test_where_nobody_can_judge_it_goes_only_if_there_is_nothing_else_and_says_so() -> None:
    vmi = a_vmi("web").on("n1").memory("4Gi").set("spec.nodeSelector", {"pool": "a"})
    vmi.pod.selects({"pool": "a", "rack": "a", "kubevirt.io/schedulable": "true"})
    nodes = [each.labelled(pool="a") for each in (small("n2", "32Gi"), small("n3", "6Gi").labelled(rack="a"))]
    scene = a_scene(a_node("n1"), *nodes, vmi)
    sure = scene.place(scene.mover(vmi))[vmi.uid]
    assert isinstance(sure, Placed)
    assert (sure.target, sure.doubt) == ("n3", "")
    perhaps = scene.place(scene.mover(vmi), barred={"n3": "is barred"})[vmi.uid]
    assert isinstance(perhaps, Placed)
    doubt = "lacks the label rack=a, which the running pod selects and the VM's spec does not"
    assert (perhaps.target, perhaps.doubt) == ("n2", doubt)


def test_each_is_told_what_it_lacks_itself() -> None:
    larger = a_vmi("larger").on("n1").memory("6Gi")
    scene = a_scene(a_node("n1"), small("n2", "1Gi"), WEB, larger)
    answers = scene.place(scene.mover(WEB), scene.mover(larger))
    found = [cast(Unplaced, answers[vmi.uid]).message for vmi in (WEB, larger)]
    assert found == [f"none of 1 other nodes fits: 1× lacks {short} GiB of memory" for short in ("3.2", "5.2")]


def test_each_is_told_of_the_spread_where_it_counts() -> None:
    """Although both ask the same and leave the same node: one of them counts where an earlier plan sends it."""
    vms = [a_vmi(f"v{n}").on("a1") for n in (1, 2)]
    for vmi in vms:
        vmi.pod.labelled(app="db").spreads("zone", {"app": "db"}, 1)
    scene = a_scene(*(small(f"{zone}1", "1Gi").labelled(zone=zone) for zone in "abc"), *vms)
    ground = scene.fleet()
    ground.spreading.move(vms[1].uid, ground.position["b1"])
    answers = placement.place([scene.mover(vmi) for vmi in vms], ground, {})
    assert ["would break" in cast(Unplaced, answers[vmi.uid]).message for vmi in vms] == [True, False]
