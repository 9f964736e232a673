"""Who gets how much of the network: max-min fair shares of node NICs. Pure."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Side = tuple[str, str]
"""One direction of a node's NIC: ("out" or "in", node). They do not share anything: links are full duplex."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One transfer between two nodes; `limit` (bytes/s) is what it would take if it were alone."""

    source: str
    target: str
    limit: float

    @property
    def sides(self) -> tuple[Side, Side]:
        return ("out", self.source), ("in", self.target)


def fair_shares(flows: Mapping[str, Flow], capacity: Callable[[str], float]) -> dict[str, float]:
    """Bytes/s of every flow, by its name; `capacity` is a node's NIC in bytes/s, in each direction.

    Nobody can get more without taking it from somebody who has no more than he has.
    """
    rates: dict[str, float] = {}
    members: dict[Side, set[str]] = defaultdict(set)
    for name, flow in flows.items():
        for side in flow.sides:
            members[side].add(name)
    free = {side: capacity(side[1]) for side in members}
    while len(rates) < len(flows):
        share, settled = _tightest(flows, rates, members, free)
        for name in settled:
            rates[name] = min(share, flows[name].limit)
            for side in flows[name].sides:
                free[side] = max(0.0, free[side] - rates[name])
                members[side].discard(name)
    return rates


def _tightest(
    flows: Mapping[str, Flow], rates: Mapping[str, float], members: Mapping[Side, set[str]], free: Mapping[Side, float]
) -> tuple[float, list[str]]:
    """The smallest equal share of any NIC, and who gets no more than that; those who want less come first."""
    share, side = min((free[side] / len(names), side) for side, names in members.items() if names)
    modest = [name for name, flow in flows.items() if name not in rates and flow.limit <= share]
    return share, modest or sorted(members[side])
