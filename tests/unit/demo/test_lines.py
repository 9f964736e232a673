"""What a log shows: a line for each change, and nothing while nothing changes."""

from dataclasses import replace

import pytest

from demo.facts import Event, Node, Scene, Waiting
from demo.lines import changes
from tests.unit.demo.scenes import MIDDLE, SOURCE, at, blocked, done, moving, queued

QUEUED = replace(MIDDLE, moves=(queued("shop/web-1", "worker-06"),), events=())


def test_nothing_is_said_while_nothing_changes() -> None:
    later = replace(MIDDLE, elapsed=99.0, now=at(99))
    assert changes(MIDDLE, later) == []


def test_the_first_look_tells_everything() -> None:
    assert changes(None, MIDDLE) == [
        "VMs on nodes: worker-06 11, worker-07 6, worker-08 0",
        "NodeMaintenance/worker-07 Cordoned: cordons worker-07",
        "shop/analytics PreCopy (worker-07 -> worker-08)",
        "shop/web-2 Verifying (worker-07 -> worker-06)",
        "shop/legacy Blocked: NotMigratable: KubeVirt cannot migrate it: its disk is local",
        "  -> remove the cause",
        "shop/licence Blocked: NoEligibleTarget: its nodeSelector pins it to the host worker-07",
        "  -> relax its nodeSelector",
        "shop/web-1 Done (worker-07 -> worker-06, 77 s)",
        "shop/web-3, shop/web-4 wait: SourceLimit: 2 migrations leave worker-07, and 2 may",
    ]


@pytest.mark.parametrize(
    ("after", "lines"),
    [
        pytest.param(
            replace(QUEUED, moves=(moving("shop/web-1", "PreCopy", "worker-06", 0),)),
            ["shop/web-1 PreCopy (worker-07 -> worker-06)"],
            id="a step",
        ),
        pytest.param(
            replace(QUEUED, moves=(done("shop/web-1", "worker-06", 0, 8),)),
            ["shop/web-1 Done (worker-07 -> worker-06, 8 s)"],
            id="the end of a move",
        ),
        pytest.param(
            replace(QUEUED, moves=(queued("shop/web-1", "worker-06", Waiting("Backoff", "tried again soon")),)),
            ["shop/web-1 waits: Backoff: tried again soon"],
            id="another reason to wait",
        ),
        pytest.param(
            replace(QUEUED, moves=(blocked("shop/web-1", Waiting("NoRoom", "no room", "add a node")),)),
            ["shop/web-1 Blocked: NoRoom: no room", "  -> add a node"],
            id="blocked",
        ),
        pytest.param(
            replace(QUEUED, nodes=(*QUEUED.nodes[:1], Node(SOURCE, 5, False), Node("worker-08", 1, False))),
            ["worker-07 is schedulable", "VMs on nodes: worker-07 5, worker-08 1"],
            id="nodes",
        ),
        pytest.param(
            replace(
                QUEUED,
                events=(
                    Event(at(1), "MigrationPlan/worker-07-maintenance", "MigrationStarted", "shop/web-1 moves"),
                    Event(at(1), "NodeMaintenance/worker-07", "Uncordoned", "gives worker-07 back"),
                ),
            ),
            ["NodeMaintenance/worker-07 Uncordoned: gives worker-07 back"],
            id="events of the maintenance, not those that have lines of their own",
        ),
    ],
)
def test_a_change_is_a_line(after: Scene, lines: list[str]) -> None:
    assert changes(QUEUED, after) == lines
