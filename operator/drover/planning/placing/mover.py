"""Who needs a target, and what he is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from drover.planning.demand.guest import Guest
from drover.planning.placing.refusal import Unplaced
from drover.planning.site.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Mover:
    """A VM that needs a target. `barred` are nodes it may not go to whatever the checks say, each with the reason in
    words; `kept` is the target it was given before, `rank` its place among those that were; `shunned` are targets it
    failed on, taken only if nothing else is left."""

    guest: Guest
    barred: Mapping[str, str]
    kept: str = ""
    shunned: frozenset[str] = frozenset()
    rank: int = 0

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


Answers = dict[str, Placed | Unplaced]
"""By VMI UID."""


Proven = Callable[[Sequence[Mover], Fleet], int]
"""How many of the VMs cannot have a target in the room that is free there, whatever is tried."""
