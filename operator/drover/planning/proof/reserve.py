"""Could the fleet lose a node now, or several at once, and run their VMs on the others?

Three answers: yes (a way is known), no (a proof is known), and not known. What was on a lost node starts elsewhere, so
nothing of it is held twice; nobody else is moved for it. VMs that may go nowhere else are left out: no room helps them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice
from math import comb

import numpy as np
from numpy.typing import NDArray

from drover.planning.certificate.certify import Certificate, certify
from drover.planning.certificate.question import Ints, Question
from drover.planning.proof.refit import Homes, Standing, any_fits, crowded, homes, refits

MOST_LOSSES = 2000
MOST_PROOFS = 20
"""Losses that are tried one by one where several nodes may go, and programs that are solved: the rest is not known."""
Lost = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reserve:
    """Room to be kept: for the loss of any so many nodes at once."""

    nodes: int = 1


@dataclass(frozen=True, slots=True)
class Kept:
    """`kept`: whether every loss fits, None if that is not known. `losses` has the answer of each that was looked at by
    itself; `worst` is the largest that does not fit, with its proof, or else the largest that is not known. It is empty
    when all of them fit, which leaves it unknown where not all were looked at."""

    kept: bool | None
    losses: Mapping[Lost, bool | None] = field(default_factory=dict)
    worst: Lost = ()
    certificate: Certificate | None = None


def keeps(reserve: Reserve, standing: Standing) -> Kept:
    """Whether the fleet keeps the reserve."""
    standing, nodes = standing.in_order(), len(standing.nodes)
    number = min(reserve.nodes, nodes)
    found = homes(standing)
    if number < 1 or any_fits(standing, found, number):
        return Kept(True, {(name,): True for name in standing.nodes} if number == 1 else {})
    order = _by_size(standing)
    losses = [np.array(each) for each in islice(combinations(order, number), max(nodes, MOST_LOSSES))]
    answers: dict[Lost, bool | None] = {}
    for lost in losses:
        fits = refits(standing, crowded(standing, found, lost), _count(standing, found, lost), lost)
        answers[_names(standing, lost)] = fits or None
    proof = _prove(standing, found, losses, answers)
    worst = [lost for lost, fits in answers.items() if not fits]
    if proof is not None:
        return Kept(False, answers, next(lost for lost in worst if answers[lost] is False), proof)
    return Kept(True if not worst and len(losses) == comb(nodes, number) else None, answers, next(iter(worst), ()))


def _prove(
    standing: Standing, found: Homes, losses: Sequence[Ints], answers: dict[Lost, bool | None]
) -> Certificate | None:
    """Says no where it is proven; returns the first proof. A sum that is too large is a proof without a program."""
    total = np.maximum(standing.free, 0).astype(np.object_).sum(axis=0)
    first, programs = None, 0
    for lost in losses:
        name = _names(standing, lost)
        if answers[name]:
            continue
        count = _count(standing, found, lost)
        refused = _too_much(standing, lost, count, total)
        if first is None or (not refused and programs < MOST_PROOFS):
            programs += 1
            certificate = certify(_question(standing, lost, count))
            refused = refused or certificate.unplaceable > 0
            first = first or (certificate if refused else None)
        answers[name] = False if refused else None
    return first


def _question(standing: Standing, lost: Ints, count: Ints) -> Question:
    """Do the VMs of these nodes fit on the others?"""
    allowed = standing.allowed.copy()
    allowed[:, lost] = False
    return Question(standing.demand, count, allowed, standing.free, standing.resources, standing.nodes)


def _names(standing: Standing, lost: Ints) -> Lost:
    return tuple(sorted(standing.nodes[n] for n in lost.tolist()))


def _by_size(standing: Standing) -> list[int]:
    """The nodes, those first whose VMs need the largest part of what is free."""
    used = standing.on.T.astype(np.float64) @ standing.demand
    share = (used / np.maximum(1, np.maximum(standing.free, 0).sum(axis=0, dtype=np.float64))).max(axis=1, initial=0.0)
    return sorted(range(len(standing.nodes)), key=lambda n: (-share[n], standing.nodes[n]))


def _count(standing: Standing, found: Homes, lost: Ints) -> Ints:
    """int64[classes]: the VMs of these nodes that may go to others."""
    elsewhere = found.allowed > standing.allowed[:, lost].sum(axis=1)
    result: Ints = np.where(elsewhere, standing.on[:, lost].sum(axis=1), 0)
    return result


def _too_much(standing: Standing, lost: Ints, count: Ints, total: NDArray[np.object_]) -> bool:
    """Whether more is needed of something than is free on all the other nodes together."""
    free = total - np.maximum(standing.free[lost], 0).astype(np.object_).sum(axis=0)
    some = np.flatnonzero(count)
    needed = (standing.demand[some].astype(np.object_) * count[some, None]).sum(axis=0)
    return bool((needed > free).any())
