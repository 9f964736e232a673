"""What a plan wants now, and what is proposed for it: the values that planning and running share."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from drover.api.plan import MigrationPlan
from drover.facts.kubevirt import VMI
from drover.planning.proof.capacity import Shortfall, Spare
from drover.planning.timing.moves import Limits
from drover.planning.timing.timetable import Timetable


@dataclass(frozen=True, slots=True)
class Goal:
    """What a plan wants now: empty `sources`, move `vmis`. By VMI UID: `avoid` are the nodes the scheduler refused,
    `shunned` those it failed on."""

    plan: MigrationPlan
    sources: frozenset[str]
    vmis: tuple[VMI, ...]
    avoid: Mapping[str, frozenset[str]] = field(default_factory=dict)
    shunned: Mapping[str, frozenset[str]] = field(default_factory=dict)
    limits: Limits | None = None
    """How many may move at once; None while nobody knows."""
    tried: frozenset[str] = frozenset()
    """VMs by UID that this run has moved or failed to: none of them is asked to make room."""

    @property
    def tentative(self) -> bool:
        """Whether it takes room from nobody: a dry run, or a plan that starts nothing now."""
        return self.plan.spec.mode == "DryRun" or self.plan.spec.paused


@dataclass(frozen=True, slots=True)
class Assignment:
    """A VM (by VMI UID), the node it is on, the node it is to go to, and why that one.

    `doubt`: what nobody can judge of the target. `after`: the VMs (by UID) that have to have arrived first, each with
    the node where. `extra`: the goal does not want it moved, it makes room.
    """

    vm: str
    source: str
    target: str
    why: str
    doubt: str = ""
    after: tuple[tuple[str, str], ...] = ()
    extra: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A VM (by VMI UID) without a target; `eligible`: only room is missing."""

    vm: str
    eligible: bool
    message: str
    suggestion: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """`assignments` and `refused` by VMI UID; `hash` covers the goal, the VMs and the allowed targets, nothing that
    changes with load or time."""

    hash: str
    assignments: Mapping[str, Assignment] = field(default_factory=dict)
    refused: Mapping[str, Refused] = field(default_factory=dict)
    nodes: str = ""
    """A mark of the nodes it was computed on: another one means that there may be a better target."""
    timetable: Timetable | None = None
    """In which order its VMs start and how long that takes; None while the limits are not known."""
    shortfall: Shortfall | None = None
    """What is proven to lack room, if VMs were refused for want of it."""
    spare: Spare | None = None
    """Whether the reserve is kept after it, if one was asked for."""
    defect: str = ""
    """Where our own code went wrong, for the log: then all its VMs are refused, and say so."""


Proposals = Mapping[str, Proposal]
"""By plan UID."""
