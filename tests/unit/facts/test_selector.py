"""Who is matched by what: operators, terms, taints."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drover.facts.selector import (
    LabelSelector,
    NodeSelectorTerm,
    Requirement,
    Taint,
    Toleration,
    includes,
    untolerated,
)

LABELS = {"zone": "a", "cores": "16", "odd": "1_000", "negative": "-2"}


@pytest.mark.parametrize(
    ("key", "operator", "values", "matches"),
    [
        ("zone", "In", ("a", "b"), True),
        ("zone", "In", ("b",), False),
        ("none", "In", ("a",), False),
        ("zone", "NotIn", ("b",), True),
        ("zone", "NotIn", ("a",), False),
        ("none", "NotIn", ("a",), True),
        ("zone", "Exists", (), True),
        ("none", "Exists", (), False),
        ("zone", "DoesNotExist", (), False),
        ("none", "DoesNotExist", (), True),
        ("cores", "Gt", ("15",), True),
        ("cores", "Gt", ("16",), False),
        ("cores", "Gt", ("9",), True),
        ("cores", "Lt", ("17",), True),
        ("cores", "Lt", ("16",), False),
        ("negative", "Lt", ("0",), True),
        ("none", "Gt", ("0",), False),
        ("none", "Lt", ("0",), False),
        ("zone", "Gt", ("0",), False),
        ("cores", "Gt", ("few",), False),
        ("odd", "Gt", ("1",), False),
        ("cores", "Gt", (), False),
        ("cores", "Gt", ("1", "2"), False),
        ("zone", "Like", ("a",), False),
    ],
)
def test_operators(key: str, operator: str, values: tuple[str, ...], matches: bool) -> None:
    assert Requirement(key=key, operator=operator, values=values).matches(LABELS) is matches


IN_A = Requirement(key="zone", operator="In", values=("a",))
IN_B = Requirement(key="zone", operator="In", values=("b",))
IS_N1 = Requirement(key="metadata.name", operator="In", values=("n1",))
IS_N2 = Requirement(key="metadata.name", operator="In", values=("n2",))


@pytest.mark.parametrize(
    ("expressions", "fields", "matches"),
    [
        ((), (), False),
        ((IN_A,), (), True),
        ((IN_A, IN_B), (), False),
        ((), (IS_N1,), True),
        ((), (IS_N2,), False),
        ((IN_A,), (IS_N1,), True),
        ((IN_A,), (IS_N2,), False),
        ((IN_B,), (IS_N1,), False),
    ],
)
def test_terms(expressions: tuple[Requirement, ...], fields: tuple[Requirement, ...], matches: bool) -> None:
    term = NodeSelectorTerm(match_expressions=expressions, match_fields=fields)
    assert term.matches("n1", LABELS) is matches


@pytest.mark.parametrize(
    ("wanted", "expressions", "matches"),
    [
        ({}, (), True),
        ({"zone": "a"}, (), True),
        ({"zone": "b"}, (), False),
        ({"none": ""}, (), False),
        ({"zone": "a"}, (IN_B,), False),
        ({"zone": "a"}, (IN_A,), True),
    ],
)
def test_label_selectors(wanted: dict[str, str], expressions: tuple[Requirement, ...], matches: bool) -> None:
    assert LabelSelector(match_labels=wanted, match_expressions=expressions).matches(LABELS) is matches


SOME_LABELS = st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12"))
REQUIREMENTS = st.builds(
    Requirement,
    key=st.sampled_from("xyz"),
    operator=st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
    values=st.lists(st.sampled_from("12"), max_size=2).map(tuple),
)
SELECTORS = st.builds(
    LabelSelector, match_labels=SOME_LABELS, match_expressions=st.lists(REQUIREMENTS, max_size=2).map(tuple)
)


@given(SELECTORS, SOME_LABELS)
def test_a_selector_and_its_requirements_mean_the_same(selector: LabelSelector, labels: dict[str, str]) -> None:
    requirements = selector.requirements()
    assert all(each.matches(labels) for each in requirements) is selector.matches(labels)
    assert hash(requirements) == hash(LabelSelector(match_expressions=requirements[::-1]).requirements())


@given(SOME_LABELS, SOME_LABELS)
def test_labels_include_a_part_of_themselves_only(labels: dict[str, str], wanted: dict[str, str]) -> None:
    assert includes(labels, wanted) is (wanted.items() <= labels.items())


TAINT = Taint(key="gpu", value="yes", effect="NoSchedule")


@pytest.mark.parametrize(
    ("toleration", "tolerates"),
    [
        ({"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}, True),
        ({"key": "gpu", "value": "yes"}, True),
        ({"key": "gpu", "operator": "", "value": "yes"}, True),
        ({"key": "gpu", "value": "no"}, False),
        ({"key": "gpu"}, False),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "cpu", "operator": "Exists"}, False),
        ({"value": "yes"}, False),
    ],
)
def test_tolerations(toleration: dict[str, str], tolerates: bool) -> None:
    assert Toleration(**toleration).tolerates(TAINT) is tolerates


@pytest.mark.parametrize(
    ("effects", "first"),
    [((), None), (("PreferNoSchedule",), None), (("NoExecute",), 0), (("PreferNoSchedule", "NoSchedule"), 1)],
)
def test_only_taints_that_keep_away_count(effects: tuple[str, ...], first: int | None) -> None:
    taints = [Taint(key=f"t{n}", effect=effect) for n, effect in enumerate(effects)]
    assert untolerated(taints, ()) == (None if first is None else taints[first])
    assert untolerated(taints, (Toleration(operator="Exists"),)) is None


def test_taints_in_words() -> None:
    assert [str(TAINT), str(Taint(key="gpu", effect="NoExecute"))] == ["gpu=yes:NoSchedule", "gpu:NoExecute"]
