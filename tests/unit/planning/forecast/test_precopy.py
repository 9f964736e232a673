"""Pre-copy: against a slow loop over single migrations, a measurement, and what must hold for all."""

from math import exp, inf, isinf, isnan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drover.planning.forecast.precopy import PASSES, SWITCHOVER, Course, Lanes, run

MIB, GIB = 1 << 20, 1 << 30
FLAGS = ("auto_converge", "post_copy", "disrupts")
USUAL: dict[str, Any] = {
    "memory": 8 * GIB,
    "disks": 0,
    "bandwidth": 1e9,
    "dirty": 0.0,
    "working_set": GIB,
    "cold": 0.0,
    "downtime_limit": 0.3,
    "deadline": inf,
    "auto_converge": False,
    "post_copy": False,
    "disrupts": False,
}


def lanes(*migrations: dict[str, Any]) -> Lanes:
    rows = [USUAL | each for each in migrations]
    columns = {name: np.array([row[name] for row in rows], dtype=bool if name in FLAGS else float) for name in USUAL}
    return Lanes(**columns)


def course(**changes: Any) -> tuple[float, float, float, bool]:
    """Seconds, bytes, downtime, converged of one migration."""
    return row(run(lanes(changes)), 0)


def row(result: Course, n: int) -> tuple[float, float, float, bool]:
    return float(result.seconds[n]), float(result.sent[n]), float(result.downtime[n]), bool(result.converged[n])


def by_hand(**changes: Any) -> tuple[float, float, float, bool]:
    """The same, one migration at a time and in so many words."""
    vm = USUAL | changes
    rate, throttle, high, elapsed, sent = vm["bandwidth"], 0.0, 0, 0.0, 0.0
    remaining = vm["memory"] + vm["disks"]
    enough = rate * vm["downtime_limit"]

    def dirtied(seconds: float) -> float:
        runs = seconds * (1 - throttle)
        hot = vm["working_set"] * (1 - exp(-vm["dirty"] * runs / vm["working_set"]))
        return float(min(hot + vm["cold"] * runs, vm["memory"]))

    for _ in range(PASSES):
        time = remaining / rate
        if elapsed + time >= vm["deadline"]:
            break
        after = dirtied(time)
        elapsed, sent = elapsed + time, sent + remaining
        if after <= enough:
            return elapsed + after / rate + SWITCHOVER, sent + after, after / rate + SWITCHOVER, True
        if vm["auto_converge"] and after > remaining / 2:
            high += 1
            if high == 2:
                throttle, high = (min(throttle + 0.1, 0.99) if throttle else 0.2), 0
        remaining = after
    rest = remaining / rate if vm["disrupts"] else 0.0
    sent += rate * (vm["deadline"] - elapsed + rest)
    stands = (0.0 if vm["post_copy"] else rest) + SWITCHOVER
    known = vm["disrupts"] and vm["deadline"] < inf
    return vm["deadline"] + rest, sent, stands if known else float("nan"), False


migrations = st.fixed_dictionaries(
    {
        "memory": st.integers(64 * MIB, 512 * GIB),
        "disks": st.sampled_from([0, 0, 20 * GIB]),
        "bandwidth": st.floats(20e6, 5e9),
        "dirty": st.floats(0, 5e9),
        "working_set": st.floats(1 * MIB, 64 * GIB),
        "cold": st.sampled_from([0.0, 1e6, 5e7]),
        "deadline": st.sampled_from([450.0, 2700.0, inf]),
        "auto_converge": st.booleans(),
        "post_copy": st.booleans(),
        "disrupts": st.booleans(),
    }
)


@given(st.lists(migrations, min_size=1, max_size=6))
def test_side_by_side_is_one_by_one(some: list[dict[str, Any]]) -> None:
    together = run(lanes(*some))
    for n, each in enumerate(some):
        found, expected = row(together, n), by_hand(**each)
        assert found[3] == expected[3]
        if expected[3]:
            assert found == pytest.approx(expected, rel=1e-6)
        else:
            # One that is seen to be stuck is left before it has come to rest: what remains may be a tenth more.
            assert isnan(found[2]) == isnan(expected[2])
            assert found[:2] == pytest.approx(expected[:2], rel=0.12)


@given(migrations)
def test_it_sends_what_its_time_carries(vm: dict[str, Any]) -> None:
    seconds, sent, downtime, converged = course(**vm)
    if isinf(seconds):
        assert not converged
        return
    assert sent <= vm["bandwidth"] * seconds * (1 + 1e-9)
    assert not converged or sent >= vm["memory"] + vm["disks"]
    assert isnan(downtime) or 0 < downtime <= seconds
    assert not converged or downtime <= 0.3 + SWITCHOVER


@given(migrations, st.floats(1.1, 10))
def test_a_quieter_guest_is_not_slower(vm: dict[str, Any], times: float) -> None:
    vm = vm | {"auto_converge": False, "deadline": inf}
    quiet, busy = course(**vm), course(**vm | {"dirty": vm["dirty"] * times})
    assert quiet[3] or not busy[3]
    if busy[3]:
        # A pass more at the end may leave less to be sent at switchover than one pass fewer does.
        assert quiet[0] <= busy[0] + 0.3


def test_a_measured_series() -> None:
    """kubevirt/enhancements, VEP 291: ten migrations of a VM of 8 GiB that dirties some 650 Mbit/s over 1 Gbit/s took
    112.4 s on average, and sent 11,862 MiB. The working set is fitted to that; the bandwidth is the payload of 1 Gbit/s
    Ethernet. It shows that the model can say this, not that it foretells another VM."""
    seconds, sent, downtime, converged = course(
        memory=8 * GIB, bandwidth=117.5e6, dirty=650e6 / 8, working_set=2000 * MIB
    )
    assert converged
    assert seconds == pytest.approx(112.4, rel=0.1)
    assert sent == pytest.approx(11_862 * MIB, rel=0.1)
    assert downtime == pytest.approx(0.45, abs=0.2)


def test_without_a_working_set_the_same_series_is_far_off() -> None:
    seconds, *_ = course(memory=8 * GIB, bandwidth=117.5e6, dirty=650e6 / 8, working_set=8 * GIB)
    assert seconds > 1.4 * 112.4


BUSY = {"memory": 16 * GIB, "dirty": 1.5e9, "working_set": 8 * GIB}


def test_auto_converge_stops_the_guest_until_it_can_follow() -> None:
    plain, throttled = course(**BUSY), course(**BUSY, auto_converge=True)
    assert (plain[0], plain[3]) == (inf, False)
    assert throttled[3]
    assert 40 < throttled[0] < 90


@pytest.mark.parametrize(
    ("post_copy", "disrupts", "seconds", "downtime"),
    [
        (False, False, 100, None),
        (True, False, 100, None),
        (True, True, 107, SWITCHOVER),
        (False, True, 107, 7 + SWITCHOVER),
    ],
)
def test_at_the_deadline(post_copy: bool, disrupts: bool, seconds: float, downtime: float | None) -> None:
    vm = BUSY | {"deadline": 100.0, "post_copy": post_copy, "disrupts": disrupts}
    found = course(**vm)
    assert found[0] == pytest.approx(seconds, abs=2)
    assert not found[3]
    assert isnan(found[2]) if downtime is None else found[2] == pytest.approx(downtime, abs=2)
