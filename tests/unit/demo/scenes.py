"""Scenes of a small evacuation, for the tests of how they are shown."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from demo.facts import Event, Goal, Move, Node, Scene, Waiting
from demo.fleet import Limits

LIMITS = Limits(total=5, per_source=2, per_target=2)
BEGAN = datetime(2026, 5, 4, 22, 0, 0, tzinfo=UTC)
SOURCE = "worker-07"

FULL = Waiting("SourceLimit", "2 migrations leave worker-07, and 2 may", "a slot becomes free when one of them ends")
LOCAL_DISK = Waiting("NotMigratable", "KubeVirt cannot migrate it: its disk is local", "remove the cause")
PINNED = Waiting("NoEligibleTarget", "its nodeSelector pins it to the host worker-07", "relax its nodeSelector")


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def queued(vm: str, target: str, waiting: Waiting = FULL) -> Move:
    return Move(vm, "Queued", SOURCE, target, waiting=waiting)


def moving(vm: str, step: str, target: str, began: float) -> Move:
    return Move(vm, step, SOURCE, target, at(began))


def done(vm: str, target: str, began: float, ended: float) -> Move:
    return Move(vm, "Done", SOURCE, target, at(began), at(ended))


def blocked(vm: str, waiting: Waiting) -> Move:
    return Move(vm, "Blocked", SOURCE, waiting=waiting)


NOT_ASKED = Scene(0.0, at(0), (Node("worker-06", 10, False), Node(SOURCE, 7, False)))
MIDDLE = Scene(
    elapsed=83.4,
    now=at(83),
    nodes=(Node("worker-06", 11, False), Node(SOURCE, 6, True), Node("worker-08", 0, False)),
    goal=Goal(SOURCE, "Evacuating", "MovingVirtualMachines", done=1, total=7, running=2, waiting=2, percent=28),
    moves=(
        moving("shop/analytics", "PreCopy", "worker-08", 2),
        moving("shop/web-2", "Verifying", "worker-06", 80),
        blocked("shop/legacy", LOCAL_DISK),
        blocked("shop/licence", PINNED),
        queued("shop/web-3", "worker-08"),
        queued("shop/web-4", "worker-06"),
        done("shop/web-1", "worker-06", 2, 79),
    ),
    events=(
        Event(at(0), "NodeMaintenance/worker-07", "Cordoned", "cordons worker-07"),
        Event(at(79), "MigrationPlan/worker-07-maintenance", "MigrationEnded", "shop/web-1: moved, verified"),
        Event(at(82), "MigrationPlan/worker-07-maintenance", "MigrationFailed", "shop/web-9: no route", warning=True),
    ),
    in_flight=2,
)
END = replace(
    MIDDLE,
    elapsed=120.0,
    goal=Goal(SOURCE, "Blocked", "VirtualMachinesBlocked", done=2, total=4, running=0, waiting=0, percent=50),
    moves=(
        blocked("shop/legacy", LOCAL_DISK),
        blocked("shop/licence", PINNED),
        done("shop/web-1", "worker-06", 2, 79),
        done("shop/web-2", "worker-06", 80, 86.4),
    ),
    in_flight=0,
)
