"""What the demo shows: small facts read from API objects, as any user of the API could."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Object = dict[str, Any]

FINAL = frozenset({"Succeeded", "Failed"})
"""Phases in which a VirtualMachineInstanceMigration holds no slot any more."""
MOVING = ("PreparingTarget", "PreCopy", "Switchover", "Verifying")
STEPS = ("Queued", *MOVING, "Done")
"""The steps of a move in their order, as a MigrationPlan's status names them."""


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    vms: int
    cordoned: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a VM does not move now, and what would end it."""

    reason: str
    message: str
    suggestion: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """One VM of the plan. `began` and `ended` are when its migration was created and verified."""

    vm: str
    step: str
    source: str
    target: str = ""
    began: datetime | None = None
    ended: datetime | None = None
    waiting: Waiting | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """The NodeMaintenance: how far it is."""

    node: str
    phase: str
    reason: str
    done: int
    total: int
    running: int
    waiting: int
    percent: int


@dataclass(frozen=True, slots=True)
class Event:
    at: datetime
    about: str
    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """One look at everything. `elapsed` is in seconds since the maintenance was asked for."""

    elapsed: float
    now: datetime
    nodes: tuple[Node, ...]
    goal: Goal | None = None
    moves: tuple[Move, ...] = ()
    events: tuple[Event, ...] = ()
    in_flight: int = 0

    @property
    def settled(self) -> bool:
        """Whether nothing moves and nothing will by itself, as both the NodeMaintenance and its plan say."""
        if self.goal is None or self.goal.phase not in ("Blocked", "InMaintenance") or not self.moves:
            return False
        ended = all(move.step in ("Done", "Blocked", "Failed") for move in self.moves)
        return ended and self.goal.running + self.goal.waiting == 0


def nodes(found: Iterable[Object], vmis: Iterable[Object]) -> tuple[Node, ...]:
    """All nodes by name, with how many VMs run on each."""
    homes = Counter((vmi.get("status") or {}).get("nodeName", "") for vmi in vmis)
    named = {node["metadata"]["name"]: bool(node["spec"].get("unschedulable")) for node in found}
    return tuple(Node(name, homes[name], cordoned) for name, cordoned in sorted(named.items()))


def goal(maintenance: Object | None) -> Goal | None:
    """How far a NodeMaintenance is; None if there is none."""
    if maintenance is None:
        return None
    status = maintenance.get("status") or {}
    counted = status.get("summary") or {}
    return Goal(
        node=maintenance["spec"]["nodeName"],
        phase=status.get("phase", ""),
        reason=status.get("reason", ""),
        done=counted.get("done", 0),
        total=counted.get("total", 0),
        running=counted.get("running", 0),
        waiting=counted.get("waiting", 0),
        percent=status.get("progressPercent", 0),
    )


def moves(plan: Object | None) -> tuple[Move, ...]:
    """The VMs that a MigrationPlan's status lists, in its order."""
    listed = ((plan or {}).get("status") or {}).get("virtualMachines") or ()
    return tuple(_move(vm) for vm in listed)


def _move(vm: Object) -> Move:
    steps, waiting = vm.get("steps") or {}, vm.get("waiting")
    return Move(
        vm=f"{vm['namespace']}/{vm['name']}",
        step=vm["step"],
        source=vm.get("source", ""),
        target=vm.get("target", ""),
        began=_time(steps.get("preparingTarget")),
        ended=_time(steps.get("done")),
        waiting=Waiting(waiting["reason"], waiting["message"], waiting.get("suggestion", "")) if waiting else None,
    )


def events(found: Iterable[Object]) -> tuple[Event, ...]:
    """What Drover has told, oldest first. What it says of a VM on the plan and on the VM counts once."""
    told = [event for event in found if _source(event) == "drover" and not _is_copy(event)]
    ordered = sorted(told, key=lambda event: int(event["metadata"]["resourceVersion"]))
    return tuple(each for each in map(_event, ordered) if each is not None)


def _source(event: Object) -> str:
    return str(event.get("reportingComponent") or (event.get("source") or {}).get("component", ""))


def _is_copy(event: Object) -> bool:
    return bool(event["involvedObject"]["kind"] == "VirtualMachineInstance")


def _event(event: Object) -> Event | None:
    at = _time(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp"))
    about = event["involvedObject"]
    if at is None:
        return None
    name = f"{about['kind']}/{about['name']}"
    return Event(at, name, event["reason"], event.get("message", ""), event.get("type") == "Warning")


def flying(vmims: Sequence[Object]) -> int:
    """How many migrations are in flight: created and not final."""
    return sum((vmim.get("status") or {}).get("phase") not in FINAL for vmim in vmims)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
