"""What is not known exactly, and gets better with what was seen."""

from math import exp, log
from statistics import NormalDist, quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drover.planning.forecast.calibration import SETUP, Finished, Pace, bandwidth, pace
from drover.planning.forecast.estimate import Estimate, Range, calibrate
from drover.planning.forecast.predict import GOODPUT

GIB = 1 << 30
PRIOR = Estimate(100.0, 0.9, 0.3)
values = st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=30)


def drawn(median: float, spread: float, count: int) -> list[float]:
    """Values as that log-normal has them, evenly over its shares."""
    normal = NormalDist(log(median), spread)
    return [exp(normal.inv_cdf((n + 0.5) / count)) for n in range(count)]


def test_nothing_seen_is_the_prior() -> None:
    assert calibrate(PRIOR, []) is PRIOR
    assert pace([]) == Pace(GOODPUT, SETUP)


@given(values)
def test_the_median_is_between_what_was_thought_and_what_was_seen(seen: list[float]) -> None:
    middle = exp(sum(log(each) for each in seen) / len(seen))
    found = calibrate(PRIOR, seen)
    assert min(100, middle) * (1 - 1e-9) <= found.median <= max(100, middle) * (1 + 1e-9)
    assert found.level < PRIOR.level


@given(values, st.randoms())
def test_the_order_does_not_matter(seen: list[float], shuffle: object) -> None:
    other = list(seen)
    shuffle.shuffle(other)  # type: ignore[attr-defined]  # hypothesis's own random
    assert calibrate(PRIOR, seen) == calibrate(PRIOR, other)


def test_the_more_is_seen_the_more_it_is_believed() -> None:
    found = [calibrate(PRIOR, drawn(800, 0.2, count)) for count in (1, 3, 10, 100)]
    errors = [abs(log(each.median / 800)) for each in found]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01
    assert [each.level for each in found] == sorted((each.level for each in found), reverse=True)
    assert found[-1].each == pytest.approx(0.2, rel=0.1)


def test_quantiles_cover_what_comes() -> None:
    """After a hundred, nine of ten of the same kind lie below the ninth decile."""
    found, next_ones = calibrate(PRIOR, drawn(800, 0.5, 100)), drawn(800, 0.5, 1000)
    assert sum(each <= found.quantile(0.9) for each in next_ones) / 1000 == pytest.approx(0.9, abs=0.02)
    assert found.quantile(0.5) == found.median
    assert found.mean == pytest.approx(sum(next_ones) / 1000, rel=0.02)


def test_bandwidth_is_bytes_by_seconds() -> None:
    seen = [(8 * GIB, 40.0)] * 50
    assert bandwidth(seen).median == pytest.approx(8 * GIB / 40, rel=0.02)
    assert bandwidth([(0, 3.0)]) is GOODPUT


def test_a_transfer_within_a_second_is_not_infinitely_fast() -> None:
    assert bandwidth([(GIB, 0.0)] * 200).median == pytest.approx(GIB, rel=0.02)


def test_setup_is_learnt_where_it_is_known() -> None:
    known = [Finished(GIB, 3.0, 2.0)] * 40 + [Finished(GIB, 3.0, None)] * 40
    assert pace(known).setup.median == pytest.approx(2.0, rel=0.05)
    assert pace([Finished(GIB, 3.0, None)]).setup is SETUP


LONG = Range(60, 120)


def test_what_is_left_of_a_migration() -> None:
    left = [LONG.left(elapsed) for elapsed in (0, 10, 30, 60, 120, 300)]
    assert left[0] == 60
    assert left[1] == pytest.approx(50, abs=1)
    assert all(each > 0 for each in left)
    assert left[3] > 10, "overdue is not over"


@given(st.floats(1, 1e4), st.floats(1, 5), st.floats(0.01, 3))
def test_what_is_left_is_the_median_of_those_that_last_longer(median: float, ratio: float, share: float) -> None:
    known, elapsed = Range(median, median * ratio), median * share
    spread = max(log(ratio) / NormalDist().inv_cdf(0.9), 0.05)
    longer = [each for each in drawn(median, spread, 2_000) if each > elapsed]
    found = known.left(elapsed)
    assert found >= 0
    if len(longer) > 100:
        assert elapsed + found == pytest.approx(quantiles(longer, n=2)[0], rel=0.02)
