"""A certificate claims nothing that trying everything does not confirm, and says the same whatever the order."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drover.planning.certificate.bound import ONE, at_most, whole
from drover.planning.certificate.certify import Certificate, certify
from drover.planning.certificate.groups import collapse
from drover.planning.certificate.lacks import Lack
from drover.planning.certificate.question import Question
from drover.planning.certificate.shortages import Shortage
from tests.unit.planning.questions import GI, a_question, has_home, placeable, questions, reordered


@given(questions())
def test_what_it_calls_unplaceable_is(question: Question) -> None:
    found = certify(question)
    assert found.total == question.count.sum()
    assert found.barred == question.count[~question.allowed.any(axis=1)].sum()
    assert placeable(question) <= found.placeable


@given(questions(unit=True))
def test_it_is_exact_when_everybody_asks_for_one(question: Question) -> None:
    assert certify(question).placeable == placeable(question)


@example(
    Question(
        demand=np.array([[2, 0], [0, 2]]),
        count=np.array([2, 2]),
        allowed=np.array([[True, True], [False, True]]),
        free=np.array([[2, 0], [2, 3]]),
        resources=("memory", "cpu"),
        nodes=["n0", "n1"],
    )
)
@example(
    Question(
        demand=np.array([[1, 0], [0, 2]]),
        count=np.array([2, 2]),
        allowed=np.array([[False, True], [False, True]]),
        free=np.array([[0, 0], [0, 2]]),
        resources=("memory", "cpu"),
        nodes=["n0", "n1"],
    )
)
@given(questions())
def test_each_shortage_is_true_by_itself(question: Question) -> None:
    for each in certify(question).shortages:
        confined = [not home for home in has_home(question, set(each.nodes))]
        there = int(question.count[confined].sum())
        assert 0 < each.vms <= each.among <= there
        assert placeable(question, confined) <= there - each.vms
        assert each.lacks
        assert all(lack.amount > 0 and set(lack.nodes) <= set(each.nodes) for lack in each.lacks)


@given(questions(), st.data())
def test_any_prices_give_a_true_bound(question: Question, data: st.DataObject) -> None:
    """Whatever the solver says."""
    groups = collapse(question)
    cells = st.one_of(st.just(0), st.integers(0, 3 * ONE), st.integers(0, 3 * ONE // GI))
    price = np.empty(groups.free.shape, dtype=np.object_)
    for place in np.ndindex(price.shape):
        price[place] = data.draw(cells)
    assert placeable(question) <= at_most(groups, price)


@pytest.mark.parametrize("nonsense", [np.nan, np.inf, -np.inf, -1.0, 1e300])
def test_prices_that_are_none_do_no_harm(nonsense: float) -> None:
    question = a_question((5, [4, 1], "*"), free={"a": [8, 8]})
    groups = collapse(question)
    assert at_most(groups, whole(np.full(groups.free.shape, nonsense))) >= placeable(question)


@given(questions(), st.data())
def test_the_order_of_vms_and_nodes_changes_nothing(question: Question, data: st.DataObject) -> None:
    classes = data.draw(st.permutations(range(len(question.count))))
    nodes = data.draw(st.permutations(range(len(question.nodes))))
    assert certify(reordered(question, classes, nodes)) == certify(question)


@given(questions())
def test_vms_told_one_by_one_are_the_same_as_classes(question: Question) -> None:
    each = np.repeat(np.arange(len(question.count)), question.count)
    ones = np.ones(len(each), dtype=np.int64)
    apart = replace(question, demand=question.demand[each], count=ones, allowed=question.allowed[each])
    assert certify(apart) == certify(question)


@given(questions(), st.data())
def test_another_node_never_makes_it_worse(question: Question, data: st.DataObject) -> None:
    column = data.draw(st.lists(st.booleans(), min_size=len(question.count), max_size=len(question.count)))
    room = data.draw(st.integers(0, 8)) * GI
    more = replace(
        question,
        allowed=np.column_stack([question.allowed, column]),
        free=np.vstack([question.free, np.full((1, question.free.shape[1]), room)]),
        nodes=[*question.nodes, "another"],
    )
    assert certify(more).unplaceable <= certify(question).unplaceable


def a_rack(name: str, nodes: int, memory: int) -> dict[str, list[int]]:
    return {f"{name}{n:02}": [memory * GI] for n in range(nodes)}


B12 = tuple(f"b{n:02}" for n in range(12))
IN_B = " ".join(B12)
CASES: dict[str, tuple[Question, tuple[int, int], list[Shortage]]] = {
    "all fits": (a_question((3, [GI], "*"), free={"a": [3 * GI]}), (0, 0), []),
    "nobody": (a_question(free={"a": [GI]}), (0, 0), []),
    "no count": (a_question((0, [9 * GI], "*"), free={"a": [GI]}), (0, 0), []),
    "they may go nowhere": (a_question((3, [GI], ""), free={"a": [3 * GI]}), (3, 3), []),
    "a zone is too small": (
        a_question(
            (120, [8 * GI], IN_B),
            (40, [8 * GI], "*"),
            free={**a_rack("a", 4, 80), **a_rack("b", 11, 72), "b11": [56 * GI]},
        ),
        (14, 0),
        [Shortage(14, 120, B12, (Lack(B12, "memory", 112 * GI),))],
    ),
    "who is elsewhere could make room": (
        # Without those that may go to both, b alone would be full of them.
        a_question((2, [4], "a b"), (3, [4], "b"), free={"a": [4], "b": [12]}),
        (1, 0),
        [Shortage(1, 5, ("a", "b"), (Lack(("a", "b"), "memory", 4),))],
    ),
    "no node has room for one": (
        a_question((2, [16 * GI], "*"), (1, [GI], "*"), free=a_rack("a", 3, 12)),
        (2, 0),
        [
            Shortage(
                2,
                2,
                ("a00", "a01", "a02"),
                (Lack(("a00", "a01", "a02"), "memory", 32 * GI, 16 * GI, 16 * GI, 12 * GI),),
            )
        ],
    ),
    "enough in sum, and in pieces too small": (
        a_question((4, [8], "*"), free={"a": [12], "b": [12], "c": [12]}),
        (1, 0),
        [Shortage(1, 4, ("a", "b", "c"), (Lack(("a", "b", "c"), "memory", 8, 8, 8, 12),))],
    ),
    "two resources run out": (
        a_question((8, [1, 3], "a"), (8, [3, 1], "a"), free={"a": [20, 20]}),
        (6, 0),
        [Shortage(6, 16, ("a",), (Lack(("a",), "memory", 12), Lack(("a",), "cpu", 12)))],
    ),
    "two zones, each for itself": (
        a_question((3, [4], "a"), (4, [4], "b"), free={"a": [8], "b": [8], "c": [99]}),
        (3, 0),
        [
            Shortage(2, 4, ("b",), (Lack(("b",), "memory", 8),)),
            Shortage(1, 3, ("a",), (Lack(("a",), "memory", 4),)),
        ],
    ),
    "pieces of two sizes": (
        a_question((2, [16], "*"), (1, [20], "*"), free={"a": [12], "b": [0]}),
        (3, 0),
        [Shortage(3, 3, ("a", "b"), (Lack(("a", "b"), "memory", 52, 16, 20, 12),))],
    ),
    "overdrawn in what is asked for": (
        a_question((1, [1, 0], "*"), free={"a": [-5, 9]}),
        (1, 0),
        [Shortage(1, 1, ("a",), (Lack(("a",), "memory", 1, 1, 1, 0),))],
    ),
    "overdrawn in what is not": (a_question((1, [0, 1], "*"), free={"a": [-5, 9]}), (0, 0), []),
    "an overdrawn node takes nothing from the others": (
        a_question((2, [4], "*"), free={"a": [-8], "b": [8]}),
        (0, 0),
        [],
    ),
}


@pytest.mark.parametrize(("question", "counts", "shortages"), CASES.values(), ids=CASES)
def test_a_certificate(question: Question, counts: tuple[int, int], shortages: list[Shortage]) -> None:
    found = certify(question)
    assert (found.unplaceable, found.barred) == counts
    assert list(found.shortages) == shortages
    assert found.short == found.unplaceable - found.barred


def test_one_byte_too_few_of_a_petabyte_is_seen() -> None:
    """Floats of this size are coarser than what decides."""
    node, size = 1 << 50, (1 << 50) // 1000
    exact = a_question((1000, [size], "*"), free={"a": [size * 1000]})
    assert node > size * 1000 > 1 << 49
    assert certify(exact) == Certificate(1000, 0, 0, ())
    short = replace(exact, free=exact.free - 1)
    assert certify(short).unplaceable == 1


def test_more_than_64_bits_in_sum() -> None:
    huge = 1 << 60
    question = a_question((40, [huge], "*"), free={f"n{n:02}": [huge] for n in range(32)})
    assert certify(question).unplaceable == 8


def test_it_writes_nothing(capfd: Any) -> None:
    certify(a_question((3, [4], "*"), free={"a": [8]}))
    assert capfd.readouterr() == ("", "")
