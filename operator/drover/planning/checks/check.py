"""What a check is, and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from drover.facts.node import Node
from drover.planning.demand.guest import Guest
from drover.planning.demand.vmclass import VMClass
from drover.planning.site.fleet import Fleet
from drover.planning.site.topology import Mask


class Answer(IntEnum):
    """Yes; no; or unknown: it is allowed, we say what we cannot judge, and the node is taken last."""

    YES = 0
    NO = 1
    UNKNOWN = 2


@dataclass(frozen=True, slots=True)
class Objection:
    """Why not, or why perhaps not, in words that follow "the node"."""

    words: str
    answer: Answer = Answer.NO


@dataclass(frozen=True, slots=True)
class NodeCheck:
    """A check of the node by itself: labels, taints, conditions. Asked once per VM class and node class.

    `plugin` is the filter of kube-scheduler that decides the same, or the empty string if it is a rule of ours.
    """

    name: str
    plugin: str
    asks: Callable[[VMClass, Node], Objection | None]
    suggestion: str


@dataclass(frozen=True, slots=True)
class FleetCheck:
    """A check against who is on the nodes, which changes as placement proceeds: a column at a time.

    `allows` is bool[nodes]; `refuses` says why not one of them, in words, or None. `room`: only room is missing.
    """

    name: str
    plugin: str
    allows: Callable[[Guest, Fleet], Mask]
    refuses: Callable[[Guest, Fleet, int], str | None]
    suggestion: str
    room: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """May the VM go to the node; if not for certain, which check says so, what the scheduler calls it, and why."""

    answer: Answer
    check: str = ""
    plugin: str = ""
    words: str = ""
    suggestion: str = ""


YES = Verdict(Answer.YES)
