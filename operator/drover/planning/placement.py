"""Where each VM goes: greedy, fewest homes first, then largest; each choice leaves the most room on its node.

A VM keeps the target it was given before while that target still fits, so that plans do not flutter.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drover.planning import checks
from drover.planning.fleet import Amounts, Fleet, Mask
from drover.planning.vmclass import VMClass


@dataclass(frozen=True, slots=True)
class Mover:
    """A VM that needs a target. `barred` are nodes it may not go to whatever the checks say, each with the reason in
    words; `kept` is the target it was given before; `shunned` are targets it failed on, taken only if nothing else is
    left."""

    uid: str
    vm_class: VMClass
    barred: Mapping[str, str]
    kept: str = ""
    shunned: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Placed:
    """A target and why it."""

    target: str
    why: str


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
    codes: checks.Codes
    open: Mask


@dataclass(slots=True)
class _Ground:
    """The fleet as it fills, and the answers so far: what is the same for several VMs is asked once."""

    fleet: Fleet
    barred: Mapping[str, str]
    codes: dict[object, tuple[checks.Codes, Mask]] = field(default_factory=dict)
    """By `checks.asked`: what the checks say, and where that and the goal allow the class to go."""
    words: dict[object, list[str | None]] = field(default_factory=dict)
    """By `checks.asked`: why not there, as far as that and the goal go."""
    refusals: dict[object, Unplaced] = field(default_factory=dict)
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
    fleet, key = ground.fleet, checks.asked(mover.vm_class)
    if key not in ground.codes:
        codes = checks.static(mover.vm_class, fleet.nodes)
        ground.codes[key] = codes, _without(codes == checks.FITS, ground.barred, fleet)
    codes, mask = ground.codes[key]
    return _Ask(mover, fleet.vector(dict(mover.vm_class.requests)), codes, _without(mask, mover.barred, fleet))


def _order(ask: _Ask, largest: Amounts) -> tuple[bool, int, float, str]:
    """Those that keep a target first, so that nobody takes their room; then fewest homes, largest, by UID. `largest` is
    what a node offers at most of each resource."""
    share = float(np.max(ask.demand / largest, initial=0.0))
    return not ask.mover.kept, int(ask.open.sum()), -share, ask.mover.uid


def _choose(ask: _Ask, ground: _Ground) -> Placed | Unplaced:
    fleet = ground.fleet
    spread = fleet.spreading.allowed(ask.mover.uid, ask.mover.vm_class)
    fitting = ask.open & spread & checks.has_room(ask.demand, fleet)
    if not fitting.any():
        return _refusal(ask, ground, spread)
    fitting = _without_shunned(fitting, ask.mover, fleet)
    kept = fleet.position.get(ask.mover.kept)
    left = _left(ask.demand, fleet)
    best = kept if kept is not None and fitting[kept] else int(np.argmax(np.where(fitting, left, -np.inf)))
    fleet.take(best, ask.demand)
    fleet.spreading.move(ask.mover.uid, fleet.nodes[best].name)
    ground.refusals.clear()
    count = int(fitting.sum())
    what = "the only node that fits" if count == 1 else f"one of {count} nodes that fit"
    return Placed(fleet.nodes[best].name, f"{what}; {left[best]:.0%} of its scarcest resource stays free")


def _without(mask: Mask, names: Iterable[str], fleet: Fleet) -> Mask:
    rest = mask.copy()
    rest[[fleet.position[name] for name in names if name in fleet.position]] = False
    return rest


def _without_shunned(fitting: Mask, mover: Mover, fleet: Fleet) -> Mask:
    others = _without(fitting, mover.shunned, fleet)
    return others if others.any() else fitting


def _left(demand: Amounts, fleet: Fleet) -> NDArray[np.float64]:
    """float[nodes]: the fraction of its scarcest asked-for resource a node would have left."""
    asked = (demand > 0) & (demand < np.iinfo(np.int64).max)
    if not asked.any():
        return np.ones(len(fleet.nodes))
    rest = (fleet.free[:, asked] - demand[asked]) / np.maximum(fleet.allocatable[:, asked], 1)
    result: NDArray[np.float64] = rest.min(axis=1)
    return result


def _refusal(ask: _Ask, ground: _Ground, spread: Mask) -> Unplaced:
    """Why no node will do. VMs of a class that leave the same node are told the same."""
    mover = ask.mover
    counted_on = ground.fleet.spreading.counted_on(mover.uid, mover.vm_class)
    key = mover.vm_class, frozenset(mover.barred.items()), counted_on
    if key not in ground.refusals:
        eligible = bool((ask.open & spread).any())
        ground.refusals[key] = Unplaced(eligible, _message(ask, ground), _suggestion(ask, eligible))
    return ground.refusals[key]


def _message(ask: _Ask, ground: _Ground) -> str:
    """The reasons counted, in the scheduler's manner."""
    others = [reason for reason in _why_not(ask, ground) if reason != checks.IS_SOURCE]
    return f"none of {len(others)} other nodes fits: {checks.summarize(others)}" if others else "no other node exists"


def _why_not(ask: _Ask, ground: _Ground) -> list[str]:
    """The reason of each node: the first there is."""
    mover, fleet = ask.mover, ground.fleet
    reasons = _words(mover.vm_class, ground).copy()
    for name, reason in mover.barred.items():
        if name in fleet.position:
            reasons[fleet.position[name]] = reason
    spread = fleet.spreading.refusals(mover.uid, mover.vm_class)
    short = checks.shortages(ask.demand, fleet)
    return [one or two or three for one, two, three in zip(reasons, spread, short, strict=True)]


def _words(vm_class: VMClass, ground: _Ground) -> list[str | None]:
    """Why not, as far as the goal and the checks go: the goal has the first word."""
    key, nodes = checks.asked(vm_class), ground.fleet.nodes
    if key not in ground.words:
        said = zip(nodes, checks.explanations(vm_class, nodes), strict=True)
        ground.words[key] = [ground.barred.get(node.name) or words for node, words in said]
    return ground.words[key]


def _suggestion(ask: _Ask, eligible: bool) -> str:
    if eligible:
        return "free room on a node that can take it, or add a node"
    if ask.open.any():
        return "relax the VM's topologySpreadConstraints, or allow a node in another domain"
    refusing = ask.codes[ask.codes != checks.FITS]
    most = int(np.bincount(refusing).argmax()) if refusing.size else checks.FITS
    return checks.CHECKS[most - 1].suggestion if most else "allow further target nodes"
