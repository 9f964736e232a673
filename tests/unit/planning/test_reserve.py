"""A reserve that is kept can be used, and one that is not cannot: against trying everything."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drover.planning.certificate.question import Question
from drover.planning.proof.refit import Standing, any_fits, homes
from drover.planning.proof.reserve import Reserve, keeps
from tests.unit.planning.questions import a_question, placeable, questions


def a_standing(*classes: tuple[str, Sequence[int], str], free: Mapping[str, Sequence[int]]) -> Standing:
    """Classes as (where its VMs are: "a a b", demand, the nodes they may go to)."""
    question = a_question(*((1, demand, allowed) for _, demand, allowed in classes), free=free)
    on = [[where.split().count(node) for node in free] for where, _, _ in classes]
    return standing_of(question, np.array(on, dtype=np.int64))


def standing_of(question: Question, on: "np.ndarray[tuple[int, int], np.dtype[np.int64]]") -> Standing:
    return Standing(
        question.demand, on, question.allowed, question.free, tuple(question.resources), tuple(question.nodes)
    )


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    question = draw(questions())
    shape = len(question.count), len(question.nodes)
    cells = draw(st.lists(st.integers(0, 2), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    return standing_of(question, np.array(cells, dtype=np.int64).reshape(shape))


def survives(standing: Standing, lost: Sequence[str]) -> bool:
    """Whether all VMs of these nodes that may go elsewhere fit there, by trying every way."""
    gone = np.array([name in lost for name in standing.nodes], dtype=np.bool_)
    allowed = standing.allowed & ~gone
    count = np.where(allowed.any(axis=1), standing.on[:, gone].sum(axis=1), 0)
    question = Question(standing.demand, count, allowed, standing.free, standing.resources, standing.nodes)
    return placeable(question) == int(count.sum())


@given(standings(), st.integers(1, 2))
def test_a_yes_can_be_done_and_a_no_cannot(standing: Standing, number: int) -> None:
    number = min(number, len(standing.nodes))
    found = keeps(Reserve(number), standing)
    every = [tuple(sorted(lost)) for lost in combinations(standing.nodes, number)]
    for lost, fits in found.losses.items():
        assert fits in (None, survives(standing, lost))
    if found.kept is not None:
        assert found.kept is all(survives(standing, lost) for lost in every)
    assert (found.kept is True) is (found.worst == ())
    assert (found.kept is False) is (found.certificate is not None)
    if found.worst:
        assert found.losses[found.worst] is found.kept
    if not (found.kept is True and number == 2):
        assert found.losses.keys() == set(every)


@given(standings(), st.integers(1, 2))
def test_what_fits_without_sharing_fits(standing: Standing, number: int) -> None:
    number = min(number, len(standing.nodes))
    if any_fits(standing, homes(standing), number):
        assert all(survives(standing, lost) for lost in combinations(standing.nodes, number))


@given(standings(), st.data())
def test_the_order_changes_nothing(standing: Standing, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(standing.nodes))))
    classes = data.draw(st.permutations(range(len(standing.demand))))
    other = Standing(
        standing.demand[classes],
        standing.on[classes][:, order],
        standing.allowed[classes][:, order],
        standing.free[order],
        standing.resources,
        tuple(standing.nodes[n] for n in order),
    )
    assert keeps(Reserve(), other) == keeps(Reserve(), standing)


ROOMY = {"a": [8], "b": [8], "c": [8]}


@pytest.mark.parametrize(
    ("nodes", "standing", "kept", "worst"),
    [
        pytest.param(1, a_standing(("a b c", [4], "*"), free=ROOMY), True, (), id="one goes"),
        pytest.param(2, a_standing(("a b c", [4], "*"), free=ROOMY), True, (), id="two go"),
        pytest.param(
            3, a_standing(("a b c", [4], "*"), free=ROOMY), True, (), id="all go, and nobody has another home"
        ),
        pytest.param(0, a_standing(("a", [99], "*"), free=ROOMY), True, (), id="no reserve is asked for"),
        pytest.param(9, a_standing(("a", [1], "*"), free=ROOMY), True, (), id="more than there are"),
        pytest.param(
            1, a_standing(("a a a a a", [4], "*"), ("b", [4], "*"), free=ROOMY), False, ("a",), id="too many on one"
        ),
        pytest.param(
            2, a_standing(("a b c", [6], "*"), free=ROOMY), False, ("a", "b"), id="one is survived, two are not"
        ),
        pytest.param(1, a_standing(("a", [99], "a"), free=ROOMY), True, (), id="nobody else's room helps a tied VM"),
        pytest.param(1, a_standing(("a", [4], "*"), free={"a": [0], "b": [-8]}), False, ("a",), id="overdrawn"),
        pytest.param(
            1,
            # By size the two large ones go first, one to each node, and each leaves room for one small one.
            a_standing(("a a", [5], "*"), ("a a", [3], "*"), free={"a": [0], "b": [8], "c": [8]}),
            True,
            (),
            id="they share",
        ),
        pytest.param(
            1,
            # 4 and 4 to one, 3, 3 and 2 to the other; the largest first leaves 2 on each.
            a_standing(("a a", [4], "*"), ("a a", [3], "*"), ("a", [2], "*"), free={"a": [0], "b": [8], "c": [8]}),
            True,
            (),
            id="packed to the last unit",
        ),
    ],
)
def test_a_reserve(nodes: int, standing: Standing, kept: bool | None, worst: tuple[str, ...]) -> None:
    found = keeps(Reserve(nodes), standing)
    assert (found.kept, found.worst) == (kept, worst)


def test_what_neither_fits_nor_is_proven_is_not_known() -> None:
    """4 + 2 + 2 and 3 + 3 + 2 fit; taken by size, each where it leaves the least, it is 4 + 3 and 3 + 2 + 2."""
    sizes = ("4", "3 3", "2 2 2")
    classes = [(" ".join("a" for _ in each.split()), [int(each[0])], "*") for each in sizes]
    standing = a_standing(*classes, free={"a": [0], "b": [8], "c": [8]})
    found = keeps(Reserve(), standing)
    assert survives(standing, ["a"])
    assert (found.kept, found.worst, found.certificate) == (None, ("a",), None)


def test_the_proof_says_what_is_short() -> None:
    found = keeps(Reserve(), a_standing(("a a a a a", [4], "*"), free=ROOMY))
    assert found.certificate is not None
    (short,) = found.certificate.shortages
    (lack,) = short.lacks
    assert (short.vms, short.nodes, lack.resource, lack.amount) == (1, ("b", "c"), "memory", 4)


def test_several_losses_beyond_what_is_tried_are_not_known() -> None:
    """2,145 pairs, each of which fits where VMs share a node."""
    busy = [f"n{n:02}" for n in range(63)]
    standing = a_standing((" ".join(busy), [1], "*"), free={name: [0] for name in busy} | {name: [4] for name in "xyz"})
    found = keeps(Reserve(2), standing)
    assert (found.kept, found.worst, len(found.losses), all(found.losses.values())) == (None, (), 2000, True)
