"""How fast this cluster's migrations are, from those that ended."""

from collections.abc import Iterable
from dataclasses import dataclass

from drover.planning.forecast.estimate import Estimate, calibrate
from drover.planning.forecast.predict import GOODPUT

SETUP = Estimate(10.0, level=0.5, each=0.4)
"""Seconds from the creation of a migration to the first byte, and from the last one to its end: the target pod is
scheduled, its containers start, its domain is prepared. An assumption, for nodes that have the image."""
SHORTEST = 1.0
"""KubeVirt's timestamps have whole seconds: a transfer that took less is taken to have taken this."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Bytes of guest memory a second, and seconds beside the transfer."""

    goodput: Estimate = GOODPUT
    setup: Estimate = SETUP


@dataclass(frozen=True, slots=True)
class Finished:
    """A migration that succeeded: bytes of guest memory, seconds of its transfer, and seconds beside it or None."""

    memory: int
    seconds: float
    setup: float | None = None


def bandwidth(finished: Iterable[tuple[int, float]], prior: Estimate = GOODPUT) -> Estimate:
    """Bytes of guest memory a second, from (bytes of guest memory, seconds of transfer) of migrations that ended.

    What was sent again is in the seconds and not in the bytes: it is what the next one will move its memory at, and
    less than the link carries.
    """
    rates = (memory / max(seconds, SHORTEST) for memory, seconds in finished if memory > 0)
    return calibrate(prior, rates)


def pace(finished: Iterable[Finished]) -> Pace:
    """What is known after these; nothing but the assumptions without any."""
    known = tuple(finished)
    setups = (max(each.setup, SHORTEST) for each in known if each.setup is not None)
    return Pace(bandwidth((each.memory, each.seconds) for each in known), calibrate(SETUP, setups))
