"""What is put in order and bounded: moves with their lengths, and the limits they share."""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Job:
    """One VM's move. An empty source or target is one that nobody knows, and limits nothing."""

    vm: str
    source: str
    target: str
    seconds: float
    after: tuple[str, ...] = ()
    """VMs whose moves have to have ended before it starts: it needs the room they leave. One that does not move is not
    waited for."""
    rate: float = 0.0
    """Bytes a second it sends."""
    size: float = 0.0
    """Bytes it sends at least."""
    running: bool = False
    """Whether it is in flight already: then `seconds` are those that are left, and it has its slots whatever the
    limits are."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many moves at once: in all, out of a node, into a node; and bytes a second over all of them. A move that
    sends more than `bandwidth` goes alone."""

    total: int
    per_source: int
    per_target: int
    bandwidth: float = inf
