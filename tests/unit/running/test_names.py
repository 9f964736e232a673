"""Names and jitter: the same for the same thing, another for any other, and within what Kubernetes allows."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drover.running.names import jitter, label_value, migration_name, report_name
from tests.builders import a_vmi

DNS = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
NAMES = st.from_regex(r"\A[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?){0,4}\Z")


@given(NAMES, st.integers(1, 99999))
def test_the_name_of_a_migration(vm: str, attempt: int) -> None:
    """KubeVirt puts names of migrations into labels."""
    name = migration_name("plan-uid", "initial", a_vmi(vm).build(), attempt)
    assert len(name) <= 63
    assert DNS.fullmatch(name)


def test_a_migrations_name_is_that_of_plan_run_vm_and_attempt() -> None:
    web, again = a_vmi("web").build(), a_vmi("web").with_uid("another").build()
    names = [
        migration_name("plan", "initial", web, 1),
        migration_name("plan", "initial", web, 2),
        migration_name("plan", "2", web, 1),
        migration_name("another", "initial", web, 1),
        migration_name("plan", "initial", again, 1),
    ]
    assert len(set(names)) == len(names)
    assert migration_name("plan", "initial", web, 1) == names[0]


@given(NAMES, st.integers(0, 9999))
def test_the_name_of_a_report(plan: str, number: int) -> None:
    name = report_name(plan, "uid", "initial", number)
    assert len(name) <= 253
    assert DNS.fullmatch(name)
    assert name != report_name(plan, "another", "initial", number)


@given(NAMES)
def test_a_name_as_a_label(name: str) -> None:
    value = label_value(name)
    assert len(value) <= 63
    assert LABEL.fullmatch(value)
    assert (value == name) == (len(name) <= 63)


def test_long_names_stay_apart_as_labels() -> None:
    assert label_value("x" * 70 + "a") != label_value("x" * 70 + "b")


@given(st.text(max_size=36), st.integers(1, 100))
def test_jitter_is_a_quarter_either_way(uid: str, attempt: int) -> None:
    assert 0.75 <= jitter(uid, attempt) <= 1.25
    assert jitter(uid, attempt) == jitter(uid, attempt)


@pytest.mark.parametrize(("one", "other"), [(("web", 1), ("web", 2)), (("web", 1), ("db", 1))])
def test_jitter_differs(one: tuple[str, int], other: tuple[str, int]) -> None:
    assert jitter(*one) != jitter(*other)
