"""Transfers played to their end, in no time."""

from collections.abc import Iterator
from math import inf

from virtsim.virt_handler.transfer.job import Job, Terms
from virtsim.virt_handler.transfer.network import Network, Route


def alone(terms: Terms, link_speed: float) -> Job:
    """How a job ends that has the network for itself; its `at` is then its duration in seconds."""
    network = Network(link_speed)
    network.begin("alone", terms, Route("a", "b"), 0.0)
    for _ in events(network):
        pass
    job = network.job("alone")
    assert job is not None
    return job


def events(network: Network) -> Iterator[set[str]]:
    """Lets one event after the other happen until nothing is due; each time who changed mode or ended."""
    while (at := network.due()) < inf:
        yield network.advance(at)
