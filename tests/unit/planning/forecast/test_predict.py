"""What is said of a migration before it begins, and what is not."""

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drover.planning.forecast.estimate import Estimate
from drover.planning.forecast.policy import Policy
from drover.planning.forecast.predict import (
    GOODPUT,
    NO_DIRTY_RATE,
    NO_WORKING_SET,
    SINGLE_STREAM,
    Forecast,
    Subject,
    predict,
)

GIB, MIB = 1 << 30, 1 << 20
SURE = Estimate(1e9, 1e-6, 1e-6)
"""A link of which everything is known."""


def one(subject: Subject, setup: float = 0.0, link: Estimate = SURE, goodput: Estimate = GOODPUT) -> Forecast:
    return predict([subject], setup, link, goodput)[0]


def busy(**changes: float | None) -> Subject:
    """8 GiB of which 1 GiB is written again and again."""
    return replace(Subject(8 * GIB, dirty_rate=40 * MIB, working_set=GIB), **changes)  # type: ignore[arg-type]


def test_without_a_dirty_rate_little_is_said_and_nothing_invented() -> None:
    found = one(Subject(8 * GIB, disks=GIB), 10.0)
    assert (found.converges, found.downtime, found.timeout_risk) == (None, None, None)
    assert found.unknown == (NO_DIRTY_RATE,)
    assert found.seconds.p50 == pytest.approx(10 + 9 * GIB / GOODPUT.median)
    assert found.seconds.p90 == pytest.approx(10 + 9 * GIB / GOODPUT.quantile(0.1))
    assert (found.sent.p50, found.sent.p90) == (9 * GIB, 18 * GIB)


def test_with_a_dirty_rate_all_is_said() -> None:
    found = one(busy())
    assert found.converges is True
    assert found.timeout_risk == 0
    assert found.unknown == ()
    assert found.downtime is not None
    assert 0 < found.downtime.p50 <= found.downtime.p90 < 0.4
    assert 8 * GIB < found.sent.p50 < 12 * GIB


def test_an_unknown_working_set_is_all_of_the_memory_and_said() -> None:
    found = one(busy(working_set=None))
    assert found.unknown == (NO_WORKING_SET,)
    assert found.seconds.p50 >= one(busy()).seconds.p50


def test_what_was_seen_before_a_migration_is_not_what_happens_in_it() -> None:
    before, seen = busy(dirty_rate=150 * MIB), replace(busy(dirty_rate=150 * MIB), in_migration=True)
    assert one(before).sent.p50 > one(seen).sent.p50


def test_one_that_never_ends_by_itself() -> None:
    hopeless = Subject(8 * GIB, dirty_rate=2 * GIB)
    found = one(hopeless, 10.0)
    assert (found.converges, found.downtime, found.timeout_risk) == (False, None, 1)
    assert found.seconds.p50 == 10 + 9 * 150, "aborted at its deadline: 8 GiB are 9 decimal gigabytes, begun"
    ended = one(replace(hopeless, policy=Policy(post_copy=True)))
    assert ended.converges is False
    assert ended.downtime is not None
    unbounded = one(replace(hopeless, policy=Policy(completion_timeout_per_gib=0)))
    assert (unbounded.seconds.p50, unbounded.converges) == (inf, False)


@pytest.mark.parametrize(
    ("size", "seconds"), [(4 * GIB, 750), (16 * GIB, 2700), (10**9, 150), (10**9 + 1, 300), (2 * GIB, 450)]
)
def test_the_deadline_counts_decimal_gigabytes_begun(size: int, seconds: float) -> None:
    assert Policy().deadline(size) == seconds
    assert Policy(completion_timeout_per_gib=0).deadline(size) == inf


@pytest.mark.parametrize(
    ("post_copy", "disruption", "disrupts"),
    [(False, None, False), (True, None, True), (True, False, False), (False, True, True)],
)
def test_disruption_follows_post_copy_until_it_is_said(
    post_copy: bool, disruption: bool | None, disrupts: bool
) -> None:
    assert Policy(post_copy=post_copy, workload_disruption=disruption).disrupts is disrupts


@pytest.mark.parametrize("rate", [None, 10 * MIB], ids=["unknown", "known"])
def test_nobody_is_faster_than_it_may_be(rate: float | None) -> None:
    subject = Subject(60 * GIB, dirty_rate=rate)
    free, single = one(subject, goodput=SURE), one(replace(subject, single_stream=True), goodput=SURE)
    capped = one(replace(subject, policy=Policy(bandwidth=64 * MIB, completion_timeout_per_gib=0)), goodput=SURE)
    assert single.seconds.p50 >= 60 * GIB / SINGLE_STREAM > free.seconds.p50
    assert capped.seconds.p50 >= 60 * GIB / (64 * MIB)


subjects = st.builds(
    Subject,
    memory=st.integers(64 * MIB, 512 * GIB),
    disks=st.sampled_from([0, 10 * GIB]),
    dirty_rate=st.none() | st.floats(0, 5e9),
    working_set=st.none() | st.floats(1 * MIB, 16 * GIB),
    in_migration=st.booleans(),
    single_stream=st.booleans(),
    policy=st.builds(Policy, auto_converge=st.booleans(), post_copy=st.booleans()),
)


@given(st.lists(subjects, max_size=8), st.floats(0, 60))
def test_each_as_if_it_were_alone(some: list[Subject], setup: float) -> None:
    link = Estimate(370e6, 0.9, 0.25)
    assert predict(some, setup, link) == [predict([each], setup, link)[0] for each in some]


@given(subjects)
def test_quantiles_are_in_order_and_unknowns_are_none(subject: Subject) -> None:
    found = one(subject, 5.0, Estimate(370e6, 0.9, 0.25))
    assert 5 < found.seconds.p50 <= found.seconds.p90
    assert 0 < found.sent.p50 <= found.sent.p90
    assert found.downtime is None or found.downtime.p50 <= found.downtime.p90
    unknown = subject.dirty_rate is None
    assert (found.converges is None) == unknown
    assert (found.timeout_risk is None) == unknown


@given(subjects)
def test_a_faster_link_is_not_slower(subject: Subject) -> None:
    """Without auto-converge, whose throttling goes by passes."""
    calm = replace(subject, policy=Policy(completion_timeout_per_gib=0))
    slow, fast = (one(calm, 0.0, replace(SURE, median=rate), replace(GOODPUT, median=rate)) for rate in (2e8, 8e8))
    assert fast.seconds.p50 <= slow.seconds.p50 + 0.4
