"""Where each VM goes: greedy, fewest homes first, then largest; each choice leaves the most room on its node.

A VM keeps the target it was given before while that target still fits, so that plans do not flutter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


def place(movers: Sequence[Mover], fleet: Fleet, barred: Mapping[str, str]) -> dict[str, Placed | Unplaced]:
    """A target or a refusal for each mover, by UID; takes the room from `fleet`.

    `barred` holds for all of them (nodes the goal excludes or empties), with the reason in words.
    """
    statics: dict[VMClass, checks.Codes] = {}
    asks = [_ask(mover, fleet, barred, statics) for mover in movers]
    asks.sort(key=lambda ask: _order(ask, fleet))
    return {ask.mover.uid: _choose(ask, fleet, barred) for ask in asks}


def _ask(mover: Mover, fleet: Fleet, barred: Mapping[str, str], statics: dict[VMClass, checks.Codes]) -> _Ask:
    codes = statics.get(mover.vm_class)
    if codes is None:
        codes = statics[mover.vm_class] = checks.static(mover.vm_class, fleet.nodes)
    mask = codes == checks.FITS
    for name in (*barred, *mover.barred):
        if name in fleet.position:
            mask[fleet.position[name]] = False
    return _Ask(mover, fleet.vector(dict(mover.vm_class.requests)), codes, mask)


def _order(ask: _Ask, fleet: Fleet) -> tuple[bool, int, float, str]:
    """Those that keep a target first, so that nobody takes their room; then fewest homes, largest, by UID."""
    share = float(np.max(ask.demand / np.maximum(fleet.allocatable.max(axis=0, initial=1), 1), initial=0.0))
    return not ask.mover.kept, int(ask.open.sum()), -share, ask.mover.uid


def _choose(ask: _Ask, fleet: Fleet, barred: Mapping[str, str]) -> Placed | Unplaced:
    spread = fleet.spreading.allowed(ask.mover.uid, ask.mover.vm_class)
    fitting = ask.open & spread & checks.has_room(ask.demand, fleet)
    if not fitting.any():
        return _refusal(ask, fleet, barred, spread)
    fitting = _without_shunned(fitting, ask.mover, fleet)
    kept = fleet.position.get(ask.mover.kept)
    left = _left(ask.demand, fleet)
    best = kept if kept is not None and fitting[kept] else int(np.argmax(np.where(fitting, left, -np.inf)))
    fleet.take(best, ask.demand)
    fleet.spreading.move(ask.mover.uid, fleet.nodes[best].name)
    count = int(fitting.sum())
    what = "the only node that fits" if count == 1 else f"one of {count} nodes that fit"
    return Placed(fleet.nodes[best].name, f"{what}; {left[best]:.0%} of its scarcest resource stays free")


def _without_shunned(fitting: Mask, mover: Mover, fleet: Fleet) -> Mask:
    others = fitting.copy()
    for name in mover.shunned:
        if name in fleet.position:
            others[fleet.position[name]] = False
    return others if others.any() else fitting


def _left(demand: Amounts, fleet: Fleet) -> NDArray[np.float64]:
    """float[nodes]: the fraction of its scarcest asked-for resource a node would have left."""
    asked = (demand > 0) & (demand < np.iinfo(np.int64).max)
    if not asked.any():
        return np.ones(len(fleet.nodes))
    rest = (fleet.free[:, asked] - demand[asked]) / np.maximum(fleet.allocatable[:, asked], 1)
    result: NDArray[np.float64] = rest.min(axis=1)
    return result


def _refusal(ask: _Ask, fleet: Fleet, barred: Mapping[str, str], spread: Mask) -> Unplaced:
    """Why no node will do, counted, in the scheduler's manner."""
    eligible = bool((ask.open & spread).any())
    reasons = [_why_not(ask, fleet, n, barred) for n in range(len(fleet.nodes))]
    others = [reason for reason in reasons if reason != checks.IS_SOURCE]
    message = (
        f"none of {len(others)} other nodes fits: {checks.summarize(others)}" if others else "no other node exists"
    )
    return Unplaced(eligible, message, _suggestion(ask, eligible))


def _why_not(ask: _Ask, fleet: Fleet, n: int, barred: Mapping[str, str]) -> str:
    mover, node = ask.mover, fleet.nodes[n]
    reason: str | None = mover.barred.get(node.name) or barred.get(node.name)
    reason = reason or checks.explain(mover.vm_class, node)
    reason = reason or fleet.spreading.refuses(mover.uid, mover.vm_class, node.name)
    return reason or checks.shortage(ask.demand, fleet, n)


def _suggestion(ask: _Ask, eligible: bool) -> str:
    if eligible:
        return "free room on a node that can take it, or add a node"
    if ask.open.any():
        return "relax the VM's topologySpreadConstraints, or allow a node in another domain"
    codes = [int(code) for code in ask.codes if code != checks.FITS]
    most = max(set(codes), key=codes.count, default=None)
    return checks.CHECKS[most - 1].suggestion if most else "allow further target nodes"
