"""The linear program: as many VMs as possible, each kind spread over its groups in fractions, no group overfilled.

Its prices (duals) are all that a proof needs, and `bound` checks them in integers: what the solver gets wrong can make
a proof weaker and never wrong.
"""

from dataclasses import dataclass

import numpy as np
from highspy import Highs, HighsLp, MatrixFormat, kHighsInf
from numpy.typing import NDArray

from drover.planning.certificate.groups import Groups
from drover.planning.certificate.question import Ints, Mask

Floats = NDArray[np.float64]
MOST_ITERATIONS = 200_000
"""A limit on work and not on time, so that the answer is the same on a slow machine."""

NOISE = 1e-9
"""A price, in VMs for the largest demand, that is none."""


class _Silent(Highs):
    """Highs writes a banner to the process's standard output when its callbacks are set up, before an option can
    forbid it. We have no callbacks, and without them the object is also freed without waiting for the cycle collector.
    """

    def enableCallbacks(self) -> None:
        self.setOptionValue("output_flag", False)


@dataclass(frozen=True, slots=True)
class Relaxed:
    """`placed` float[kinds, groups]: how many VMs go where in one best solution; `price` float[groups, resources]: how
    many VMs more one unit of the resource would let in there, 0 where something is left."""

    placed: Floats
    price: Floats


def relax(groups: Groups) -> Relaxed:
    """A best solution and its prices, the same for the same groups."""
    kind, group = np.nonzero(groups.most)
    placed, price = np.zeros(groups.most.shape), np.zeros(groups.free.shape)
    if not kind.size:
        return Relaxed(placed, price)
    upper = np.minimum(groups.most[kind, group], groups.count[kind])
    scarce = _scarce(groups, kind, group, upper)
    scale = np.maximum(groups.demand[kind].max(axis=0), 1).astype(np.float64)
    limit = np.where(_implied(groups, kind, group, scarce), groups.count[kind], upper)
    values, duals = _solve(_program(groups, kind, group, limit, scarce, scale))
    placed[kind, group] = np.clip(values, 0, upper)
    duals = -duals[len(groups.count) :]
    price[scarce] = np.where(duals > NOISE, duals, 0.0)
    return Relaxed(placed, price / scale)


def _scarce(groups: Groups, kind: Ints, group: Ints, upper: Ints) -> Mask:
    """bool[groups, resources]: what could run out. All else needs no row."""
    wanted = np.zeros(groups.free.shape)
    np.add.at(wanted, group, groups.demand[kind].astype(np.float64) * upper[:, None])
    result: Mask = wanted * (1 + 1e-9) > groups.free.astype(np.float64)
    return result


def _implied(groups: Groups, kind: Ints, group: Ints, scarce: Mask) -> Mask:
    """bool[columns]: where what is free in the group keeps the kind to `most` already, so that the price is told by
    the resource."""
    demand = groups.demand[kind].astype(np.object_)
    full = (groups.free[group] <= demand * groups.most[kind, group, None]) & scarce[group]
    result: Mask = (full & (groups.demand[kind] > 0)).any(axis=1)
    return result


def _program(groups: Groups, kind: Ints, group: Ints, upper: Ints, scarce: Mask, scale: Floats) -> HighsLp:
    """A column for each kind and group, a row for each kind's count, a row for each thing that may run out. Amounts
    are told in units of the largest demand: bytes and devices are ten powers apart."""
    kinds = len(groups.count)
    row_of = np.full(scarce.shape, -1, dtype=np.int64)
    row_of[scarce] = kinds + np.arange(int(scarce.sum()))
    rows = np.column_stack([kind, row_of[group]])
    values = np.column_stack([np.ones(len(kind)), groups.demand[kind] / scale])
    real = (rows >= 0) & (values > 0)
    limits = (groups.free.astype(np.float64) / scale)[scarce]
    lp = HighsLp()
    lp.num_col_, lp.num_row_ = len(kind), kinds + len(limits)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = -np.ones(len(kind)), np.zeros(len(kind)), upper.astype(np.float64)
    lp.row_lower_ = np.full(lp.num_row_, -kHighsInf)
    lp.row_upper_ = np.concatenate([groups.count.astype(np.float64), limits])
    lp.a_matrix_.format_ = MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(real.sum(axis=1))])
    lp.a_matrix_.index_, lp.a_matrix_.value_ = rows[real], values[real]
    return lp


def _solve(lp: HighsLp) -> tuple[Floats, Floats]:
    """Column values and row duals; zeros if the solver gave up, which proves nothing and claims nothing."""
    highs = _Silent()  # type: ignore[no-untyped-call]
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("solver", "simplex")
    highs.setOptionValue("simplex_iteration_limit", MOST_ITERATIONS)
    highs.passModel(lp)
    highs.run()
    found = highs.getSolution()
    if not found.dual_valid:
        return np.zeros(lp.num_col_), np.zeros(lp.num_row_)
    return np.array(found.col_value), np.array(found.row_dual)
