"""Quantities: the same values as Kubernetes' own parser, as integers that are never too small."""

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from drover.facts.quantity import Resources, exact, human, largest, millis, resources, total, units

SUFFIXES = ["", *"numkMGTPE", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E3", "e-3", "e+2"]


@st.composite
def quantities(draw: st.DrawFn) -> str:
    sign = draw(st.sampled_from(["", "", "+", "-"]))
    whole = draw(st.integers(0, 10**9))
    fraction = draw(st.none() | st.from_regex(r"\.[0-9]{0,6}", fullmatch=True))
    return f"{sign}{whole}{fraction or ''}{draw(st.sampled_from(SUFFIXES))}"


@given(quantities())
def test_values_are_those_of_the_client(text: str) -> None:
    with localcontext(prec=60):  # the client rounds to 28 digits
        theirs = parse_quantity(text)
    assert isinstance(theirs, Decimal)
    assert exact(text) == Fraction(theirs)


@given(quantities())
def test_rounding_is_up_by_less_than_one(text: str) -> None:
    assert 0 <= units(text) - exact(text) < 1
    assert 0 <= millis(text) - exact(text) * 1000 < 1


@pytest.mark.parametrize(
    "text",
    ["", " ", "1 ", " 1", "Ki", "1K", "1KI", "1ki", "1mi", "1,5", "1_000", "0x10", "1e", "1e1.5", "1Kim", "--1", ".",
     "1Gi2", "inf", "nan", "१", "1\n"],
)  # fmt: skip
def test_what_the_api_server_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a resource quantity"):
        exact(text)


@pytest.mark.parametrize(
    ("text", "whole", "thousandths"),
    [
        ("0", 0, 0),
        (3, 3, 3000),
        ("1500m", 2, 1500),
        ("1n", 1, 1),
        ("0.0001", 1, 1),
        ("-1500m", -1, -1500),
        ("1.5Gi", 3 << 29, 1000 * (3 << 29)),
        (".5", 1, 500),
        ("5.", 5, 5000),
        ("1E", 10**18, 10**21),
        ("1e3", 1000, 10**6),
        ("123456789012345678", 123456789012345678, 123456789012345678000),
    ],
)
def test_values(text: str | int, whole: int, thousandths: int) -> None:
    assert (units(text), millis(text)) == (whole, thousandths)


def test_only_cpu_is_in_thousandths() -> None:
    amounts = resources({"cpu": "1500m", "memory": "1Ki", "example.com/gpu": "2", "pods": 110})
    assert amounts == {"cpu": 1500, "memory": 1024, "example.com/gpu": 2, "pods": 110}


AMOUNTS = st.dictionaries(st.sampled_from("abc"), st.integers(0, 9))


@given(st.lists(AMOUNTS), st.sampled_from("abc"))
def test_totals(parts: list[Resources], name: str) -> None:
    assert total(parts).get(name, 0) == sum(part.get(name, 0) for part in parts)


@given(AMOUNTS, AMOUNTS, st.sampled_from("abc"))
def test_the_larger(one: Resources, other: Resources, name: str) -> None:
    assert largest(one, other).get(name, 0) == max(one.get(name, 0), other.get(name, 0))


@pytest.mark.parametrize(
    ("name", "amount", "words"),
    [
        ("cpu", 250, "0.25 cores"),
        ("memory", 3 << 29, "1.5 GiB"),
        ("memory", 512 << 20, "512 MiB"),
        ("hugepages-2Mi", 2 << 30, "2.0 GiB"),
        ("ephemeral-storage", 1 << 20, "1 MiB"),
        ("example.com/gpu", 2, "2"),
    ],
)
def test_words(name: str, amount: int, words: str) -> None:
    assert human(name, amount) == words


@pytest.mark.parametrize("text", ["1e999999999", "1E-999999999"])
def test_an_amount_beyond_all_amounts_takes_no_time(text: str) -> None:
    assert exact(text) in (Fraction(10) ** 64, Fraction(10) ** -64)
