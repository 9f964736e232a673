"""What an audit log and a watch say about migrations is the same."""

import pytest

from demo.history import Sighting, from_audit, in_order, sighting
from tests.unit.demo.migrations import a_vmim, logged, seen

CREATED = logged(a_vmim("x-1", 5), "create", 201)
STATUS = {"kind": "Status", "status": "Success"}


def test_an_object_is_read() -> None:
    assert sighting(a_vmim("x-1", 5, "Running", "c")) == seen(5, "x-1", "Running", "c")


def test_the_node_it_went_to_is_believed_before_the_one_it_was_made_for() -> None:
    vmim = a_vmim("x-1", 5)
    vmim["status"] = {"phase": "Running", "migrationState": {"targetNode": "c"}}
    assert sighting(vmim).target == "c"


@pytest.mark.parametrize(
    ("last", "live"),
    [
        (seen(1, "x-1"), True),
        (seen(1, "x-1", "Pending"), True),
        (seen(1, "x-1", "Running"), True),
        (seen(1, "x-1", "Succeeded"), False),
        (seen(1, "x-1", "Failed"), False),
        (seen(1, "x-1", "Running", gone=True), False),
        (sighting(a_vmim("x-1", 1, "Running", deletionTimestamp="now")), True),
        (sighting(a_vmim("x-1", 1, "Running", deletionTimestamp="now", finalizers=[])), False),
    ],
)
def test_what_holds_a_slot(last: Sighting, live: bool) -> None:
    assert last.live is live


def test_a_log_is_read_in_the_order_of_the_store_not_of_its_lines() -> None:
    lines = [logged(a_vmim("y-1", 7), "create", 201), logged(a_vmim("x-1", 6, "Running")), CREATED]
    assert from_audit(lines) == [seen(5, "x-1"), seen(6, "x-1", "Running"), seen(7, "y-1")]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(logged(STATUS, "create", 409, name="x-1"), id="refused"),
        pytest.param(logged(a_vmim("x-1", 9), "get"), id="read"),
        pytest.param(logged(a_vmim("x-1", 9), stage="ResponseStarted"), id="not answered yet"),
        pytest.param(logged(a_vmim("x-1", 9), requestURI="/apis/x?dryRun=All"), id="a dry run"),
        pytest.param(logged(a_vmim("x-1", 9), objectRef={"resource": "pods"}), id="another resource"),
        pytest.param(logged(STATUS, "delete", name="unheard-of"), id="the end of what was never there"),
        pytest.param('{"verb": "get", "stage": "ResponseComplete", "requestURI": "/healthz"}', id="no resource at all"),
    ],
)
def test_what_changes_no_migration_is_not_in_the_history(line: str) -> None:
    assert from_audit([CREATED, line]) == [seen(5, "x-1")]


def test_a_delete_that_waits_for_a_finalizer_is_not_the_end() -> None:
    deleting = {"deletionTimestamp": "now"}
    lines = [CREATED, logged(a_vmim("x-1", 6, "Running", **deleting), "delete")]
    assert [each.live for each in from_audit(lines)] == [True, True]
    lines.append(logged(a_vmim("x-1", 7, "Running", **deleting, finalizers=[])))
    assert [each.live for each in from_audit(lines)] == [True, True, False]


def test_a_delete_that_waits_for_nothing_is_the_end() -> None:
    assert from_audit([CREATED, logged(STATUS, "delete", name="x-1")]) == [seen(5, "x-1"), seen(5, "x-1", gone=True)]


def test_a_watch_says_the_same() -> None:
    objects = [a_vmim("x-1", 5), a_vmim("x-1", 6, "Running"), a_vmim("x-1", 8, "Succeeded"), a_vmim("y-1", 7)]
    assert in_order(map(sighting, objects)) == from_audit(map(logged, objects))
