"""A positive quantity that is not known exactly, and how it gets better with what was seen."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, fsum, hypot, log
from statistics import NormalDist

_NORMAL = NormalDist()
Z90 = _NORMAL.inv_cdf(0.9)
PRIOR_WEIGHT = 4
"""How many observations the prior's spread between individuals is worth."""


@dataclass(frozen=True, slots=True)
class Range:
    """The value that half, and that nine of ten, do not exceed."""

    p50: float
    p90: float

    def left(self, elapsed: float) -> float:
        """Of a duration: the median of what is left after `elapsed` seconds without an end.

        The distribution is taken as log-normal through both quantiles, given that it is longer than what has elapsed:
        a migration that is overdue is expected to take a while longer, and never to end at once.
        """
        if elapsed <= 0 or self.p50 <= 0:
            return max(0.0, self.p50)
        spread = max(log(self.p90 / self.p50) / Z90, 0.05)
        over = _NORMAL.cdf(-log(elapsed / self.p50) / spread)
        if over < 1e-9:
            # Beyond what the distribution knows: a tenth of what it has taken so far.
            return elapsed / 10
        median = self.p50 * exp(-spread * _NORMAL.inv_cdf(over / 2))
        return max(0.0, median - elapsed)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Log-normal. `level` is how little is known of the median (the standard deviation of its logarithm), `each` how
    much individuals differ from it."""

    median: float
    level: float
    each: float

    @property
    def spread(self) -> float:
        """Of the next individual: standard deviation of its logarithm."""
        return hypot(self.level, self.each)

    @property
    def mean(self) -> float:
        """What many individuals come to, a piece."""
        return self.median * exp(self.each**2 / 2)

    def quantile(self, share: float) -> float:
        """What this share of the next individuals does not exceed."""
        return self.median * exp(self.spread * _NORMAL.inv_cdf(share))

    def capped(self, limit: float) -> "Estimate":
        """The same below a limit: its median is at most that."""
        return Estimate(min(self.median, limit), self.level, self.each)


def calibrate(prior: Estimate, seen: Iterable[float]) -> Estimate:
    """The estimate after these positive values were seen; without any it is the prior.

    Normal-normal shrinkage of the logarithms (Gelman et al., Bayesian Data Analysis, 5.4): the mean of few values is
    drawn towards the prior, that of many is believed.
    """
    logs = sorted(log(value) for value in seen)
    if not logs:
        return prior
    count, mean = len(logs), fsum(logs) / len(logs)
    around = fsum((each - mean) ** 2 for each in logs)
    variance = (PRIOR_WEIGHT * prior.each**2 + around) / (PRIOR_WEIGHT + count - 1)
    known, learnt = 1 / prior.level**2, count / variance
    middle = (known * log(prior.median) + learnt * mean) / (known + learnt)
    return Estimate(exp(middle), (known + learnt) ** -0.5, variance**0.5)
