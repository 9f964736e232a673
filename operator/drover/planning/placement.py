"""Where each VM goes: greedy, fewest homes first, then largest; each choice leaves the most room on its node.

A VM keeps the target it was given before while that target still fits, so that plans do not flutter.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drover.planning import reasons
from drover.planning.checks import chain
from drover.planning.checks.room import REQUESTS, shortages
from drover.planning.explain import Reason, summarize
from drover.planning.fleet import IMPOSSIBLE, Amounts, Fleet
from drover.planning.guest import Guest
from drover.planning.topology import Mask


@dataclass(frozen=True, slots=True)
class Mover:
    """A VM that needs a target. `barred` are nodes it may not go to whatever the checks say, each with the reason in
    words; `kept` is the target it was given before; `shunned` are targets it failed on, taken only if nothing else is
    left."""

    guest: Guest
    barred: Mapping[str, str]
    kept: str = ""
    shunned: frozenset[str] = frozenset()

    @property
    def uid(self) -> str:
        return self.guest.uid


@dataclass(frozen=True, slots=True)
class Placed:
    """A target and why it. `doubt` is what nobody can judge of it; `after` are the VMs (by UID) that have to arrive
    first, each with the node where."""

    target: str
    why: str
    doubt: str = ""
    after: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Unplaced:
    """No target: `eligible` says whether any node would do but for its room."""

    eligible: bool
    message: str
    suggestion: str


@dataclass(slots=True)
class _Ask:
    mover: Mover
    demand: Amounts
    codes: chain.Codes
    open: Mask


@dataclass(slots=True)
class _Ground:
    """The fleet as it fills, and the answers so far: what is the same for several VMs is asked once."""

    fleet: Fleet
    barred: Mapping[str, str]
    codes: dict[object, tuple[chain.Codes, Mask]] = field(default_factory=dict)
    """By `chain.asked`: what the node checks say, and where that and the goal allow the class to go."""
    words: dict[object, list[str | None]] = field(default_factory=dict)
    """By `chain.asked`: why not there, as far as that and the goal go."""
    refusals: dict[Hashable, Unplaced] = field(default_factory=dict)
    """Since room was taken last."""


def place(movers: Sequence[Mover], fleet: Fleet, barred: Mapping[str, str]) -> dict[str, Placed | Unplaced]:
    """A target or a refusal for each mover, by UID; takes the room from `fleet`.

    `barred` holds for all of them (nodes the goal excludes or empties), with the reason in words.
    """
    ground = _Ground(fleet, barred)
    asks = [_ask(mover, ground) for mover in movers]
    largest = fleet.allocatable.max(axis=0, initial=1)
    asks.sort(key=lambda ask: _order(ask, largest))
    return {ask.mover.uid: _choose(ask, ground) for ask in asks}


def _ask(mover: Mover, ground: _Ground) -> _Ask:
    fleet, vm_class = ground.fleet, mover.guest.vm_class
    key = chain.asked(vm_class)
    if key not in ground.codes:
        codes = chain.static(vm_class, fleet.classes)
        ground.codes[key] = codes, _without(codes <= chain.FITS, ground.barred, fleet)
    codes, mask = ground.codes[key]
    return _Ask(mover, fleet.demand(vm_class), codes, _without(mask, mover.barred, fleet))


def _order(ask: _Ask, largest: Amounts) -> tuple[bool, bool, int, float, str]:
    """Those that keep a target first, so that nobody takes their room; then who needs nobody near before who does;
    fewest homes, largest, by UID. `largest` is what a node offers at most of each resource."""
    share = float(np.max(ask.demand / largest, initial=0.0))
    follows = bool(ask.mover.guest.occupant.bonds.near)
    return not ask.mover.kept, follows, int(ask.open.sum()), -share, ask.mover.uid


def _choose(ask: _Ask, ground: _Ground) -> Placed | Unplaced:
    fleet, guest = ground.fleet, ask.mover.guest
    may = ask.open & chain.moving(guest, fleet)
    fitting = may & chain.roomy(guest, fleet)
    if not fitting.any():
        return _refusal(ask, ground, may)
    count = int(fitting.sum())
    fitting = _preferred(fitting, ask, fleet)
    kept = fleet.position.get(ask.mover.kept)
    left = _left(ask.demand, fleet)
    best = kept if kept is not None and fitting[kept] else int(np.argmax(np.where(fitting, left, -np.inf)))
    awaited = fleet.neighbours.awaited(guest.occupant, best)
    after = tuple((uid, fleet.nodes[node].name) for uid, node in awaited)
    fleet.move(guest, best)
    ground.refusals.clear()
    what = "the only node that fits" if count == 1 else f"one of {count} nodes that fit"
    doubt = chain.doubt(guest, fleet, best) if ask.codes[best] < chain.FITS else ""
    why = f"{what}; {left[best]:.0%} of its scarcest resource stays free"
    return Placed(fleet.nodes[best].name, why, doubt, after)


def _without(mask: Mask, names: Iterable[str], fleet: Fleet) -> Mask:
    rest = mask.copy()
    rest[[fleet.position[name] for name in names if name in fleet.position]] = False
    return rest


def _preferred(fitting: Mask, ask: _Ask, fleet: Fleet) -> Mask:
    """Without the nodes that are taken only if nothing else is left: where it failed, and where nobody knows."""
    known = fitting & (ask.codes == chain.FITS)
    fitting = known if known.any() else fitting
    others = _without(fitting, ask.mover.shunned, fleet)
    return others if others.any() else fitting


def _left(demand: Amounts, fleet: Fleet) -> NDArray[np.float64]:
    """float[nodes]: the fraction of its scarcest asked-for resource a node would have left."""
    asked = (demand > 0) & (demand < IMPOSSIBLE)
    if not asked.any():
        return np.ones(len(fleet.nodes))
    rest = (fleet.free[:, asked] - demand[asked]) / np.maximum(fleet.allocatable[:, asked], 1)
    result: NDArray[np.float64] = rest.min(axis=1)
    return result


def _refusal(ask: _Ask, ground: _Ground, may: Mask) -> Unplaced:
    """Why no node will do. VMs of a class that leave the same node are told the same."""
    key = _alike(ask, ground.fleet)
    if key not in ground.refusals:
        eligible = bool(may.any())
        ground.refusals[key] = Unplaced(eligible, _message(ask, ground), _suggestion(ask, eligible, ground.fleet))
    return ground.refusals[key]


def _alike(ask: _Ask, fleet: Fleet) -> Hashable:
    guest, barred = ask.mover.guest, frozenset(ask.mover.barred.items())
    own = bool(guest.handles) or bool(fleet.neighbours.keys(guest.occupant))
    return guest.vm_class, barred, fleet.spreading.counted_on(guest.occupant), guest.uid if own else ""


def _message(ask: _Ask, ground: _Ground) -> str:
    """The reasons counted, in the scheduler's manner."""
    others = [reason for reason in _why_not(ask, ground) if reason != reasons.IS_SOURCE]
    return f"none of {len(others)} other nodes fits: {summarize(others)}" if others else "no other node exists"


def _why_not(ask: _Ask, ground: _Ground) -> list[Reason]:
    """The reason of each node: the first there is."""
    mover, fleet = ask.mover, ground.fleet
    said = _words(mover.guest, ground).copy()
    for name, reason in mover.barred.items():
        if name in fleet.position:
            said[fleet.position[name]] = reason
    others = chain.in_the_way(mover.guest, fleet)
    short = shortages(ask.demand, fleet)
    told = (one or two or three for one, two, three in zip(said, others, short, strict=True))
    return [each or chain.verdict(mover.guest, fleet, n).words for n, each in enumerate(told)]


def _words(guest: Guest, ground: _Ground) -> list[str | None]:
    """Why not, as far as the goal and the node checks go: the goal has the first word."""
    key, nodes = chain.asked(guest.vm_class), ground.fleet.nodes
    if key not in ground.words:
        said = zip(nodes, chain.words(guest.vm_class, ground.fleet.classes), strict=True)
        ground.words[key] = [ground.barred.get(node.name) or words for node, words in said]
    return ground.words[key]


def _suggestion(ask: _Ask, eligible: bool, fleet: Fleet) -> str:
    """Of the check that refuses most nodes."""
    if eligible:
        return REQUESTS.suggestion
    codes = ask.codes
    if ask.open.any():
        codes = chain.column(ask.mover.guest, fleet)[ask.open]
    refusing = codes[codes > chain.FITS]
    most = int(np.bincount(refusing).argmax()) if refusing.size else chain.FITS
    return chain.CHECKS[most - 1].suggestion if most else "allow further target nodes"
