"""Transfers that share a network: nobody gets what is not there, nothing is left idle, and nobody is favoured."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.virtsim.transfers import alone, events
from virtsim.virt_handler.transfer.job import ABORTED, Terms
from virtsim.virt_handler.transfer.network import Network, Route
from virtsim.virt_handler.transfer.shares import Flow, fair_shares

NODES = "abcd"
CLOSE = 1e-9

routes = st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda pair: pair[0] != pair[1])
flows = st.lists(
    st.builds(lambda pair, limit: Flow(pair[0], pair[1], limit), routes, st.sampled_from([1.0, 3.0, 40.0, inf]))
)
links = st.fixed_dictionaries({node: st.sampled_from([0.0, 1.0, 10.0, 12.5]) for node in NODES})


@given(flows=flows, links=links)
def test_shares_are_max_min_fair(flows: list[Flow], links: dict[str, float]) -> None:
    """The definition: each flow has its limit, or crosses a full NIC on which nobody has more."""
    named = {str(number): flow for number, flow in enumerate(flows)}
    rates = fair_shares(named, links.__getitem__)
    used = {
        side: [rates[name] for name, flow in named.items() if side in flow.sides]
        for flow in flows
        for side in flow.sides
    }
    assert all(sum(on_it) <= links[node] + CLOSE for (_, node), on_it in used.items())
    for name, flow in named.items():
        bottlenecks = [
            side
            for side in flow.sides
            if sum(used[side]) >= links[side[1]] - CLOSE and rates[name] >= max(used[side]) - CLOSE
        ]
        assert rates[name] <= flow.limit
        assert rates[name] == flow.limit or bottlenecks


terms = st.builds(
    lambda size, dirty, limit, deadline: Terms(size, size, dirty, size / 2, limit, deadline, 150.0),
    st.floats(1, 1e4),
    st.sampled_from([0.0, 5.0, 200.0]),
    st.sampled_from([20.0, inf]),
    st.sampled_from([50.0, 5000.0]),
)


@settings(deadline=None)
@given(starts=st.lists(st.tuples(terms, routes, st.floats(0, 100)), min_size=1, max_size=8))
def test_whatever_is_going_on_it_is_conserved(starts: list[tuple[Terms, tuple[str, str], float]]) -> None:
    network = Network(100.0)
    told: set[str] = set()
    for number, (each, route, at) in enumerate(sorted(starts, key=lambda start: start[2])):
        told |= network.begin(str(number), each, Route(*route), at)
    told = told.union(*events(network))
    assert told == {str(number) for number in range(len(starts))}
    for number, (each, _, at) in enumerate(sorted(starts, key=lambda start: start[2])):
        job = network.job(str(number))
        assert job is not None
        assert job.ended is not None
        took = job.ended - at
        assert job.sent <= took * min(100.0, each.limit) * (1 + CLOSE) + CLOSE
        if job.succeeded:
            assert job.sent >= each.size * (1 - CLOSE)
            assert took >= alone(each, 100.0).at * (1 - CLOSE)
        else:
            assert job.failure == ABORTED
            assert took == pytest.approx(each.deadline)


def test_two_that_leave_one_node_take_twice_as_long_until_one_is_done() -> None:
    network = Network(100.0)
    network.begin("small", Terms(100, 100), Route("a", "b"), 0.0)
    network.begin("big", Terms(1000, 1000), Route("a", "c"), 0.0)
    assert list(events(network)) == [{"small"}, {"big"}]
    small, big = network.job("small"), network.job("big")
    assert small is not None
    assert big is not None
    assert (small.ended, big.ended) == (2.0, 11.0)


def test_opposite_directions_do_not_meet() -> None:
    network = Network(100.0)
    network.begin("there", Terms(100, 100), Route("a", "b"), 0.0)
    network.begin("back", Terms(100, 100), Route("b", "a"), 0.0)
    network.advance(1.0)
    assert all((job := network.job(name)) is not None and job.ended == 1.0 for name in ("there", "back"))


def test_an_imposed_duration_is_nobodys_business_but_a_lost_node_is() -> None:
    network = Network(100.0)
    network.begin("imposed", Terms(1000, 1000, seconds=4.0, progress_timeout=150.0), Route("a", "b"), 0.0)
    network.begin("other", Terms(100, 100), Route("a", "b"), 0.0)
    network.advance(1.0)
    job = network.job("other")
    assert job is not None
    assert job.ended == 1.0
    network.set_link("b", 0.0, 1.0)
    assert network.due() == 151.0
    network.set_link("b", None, 100.0)
    assert network.due() == 103.0
    network.set_link("b", 0.0, 102.0)
    network.advance(252.0)
    job = network.job("imposed")
    assert job is not None
    assert (job.failure, job.ended, job.sent) == (ABORTED, 252.0, 750.0)


def test_who_is_forgotten_leaves_his_share() -> None:
    network = Network(100.0)
    for name in ("stays", "goes"):
        network.begin(name, Terms(100, 100), Route("a", "b"), 0.0)
    network.forget("goes", 1.0)
    assert network.due() == 1.5
    assert network.job("goes") is None


@pytest.mark.parametrize(("seconds", "expected"), [(20.0, 20.0), (5.0, 10.0), (0.0, 10.0), (None, 19.0)])
def test_a_running_job_may_be_told_to_take_another_time(seconds: float | None, expected: float) -> None:
    """Counted from its beginning; one that has taken longer already is over."""
    network = Network(100.0)
    network.begin("told", Terms(1000, 1000, seconds=100.0), Route("a", "b"), 0.0)
    network.renew("told", Terms(1000, 1000, seconds=seconds), 10.0)
    assert network.due() == pytest.approx(expected)
    network.advance(expected + 0.001)
    job = network.job("told")
    assert job is not None
    assert job.succeeded
