"""Reading an audit log that somebody is writing."""

import json
from pathlib import Path

from tests.e2e.audit import Audit


def line(name: str) -> str:
    event = {
        "verb": "get",
        "stage": "ResponseComplete",
        "user": {"username": "somebody"},
        "objectRef": {"resource": "nodes", "name": name},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2026-11-24T21:59:01.000000Z",
        "stageTimestamp": "2026-11-24T21:59:01.000000Z",
    }
    return json.dumps(event) + "\n"


def names(audit: Audit) -> list[str]:
    return [each.name for each in audit.requests()]


def test_from_the_beginning(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text(line("a") + line("b"))
    assert names(Audit(log, whole=True)) == ["a", "b"]


def test_opened_between_two_lines(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text(line("a"))
    audit = Audit(log)
    log.write_text(line("a") + line("b"))
    assert names(audit) == ["b"]


def test_opened_while_a_line_is_being_written(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text(line("a") + line("b")[:40])
    audit = Audit(log)
    assert names(audit) == []
    log.write_text(line("a") + line("b") + line("c") + line("d")[:40])
    assert names(audit) == ["c"]


def test_a_cluster_without_one(tmp_path: Path) -> None:
    assert names(Audit(None)) == []


def test_a_request_that_never_got_as_far_as_a_user(tmp_path: Path) -> None:
    """The API server was stopped while it asked who that is."""
    log = tmp_path / "audit.log"
    log.write_text(json.dumps({**json.loads(line("a")), "user": {}}) + "\n" + line("b"))
    audit = Audit(log, whole=True)
    assert [request.user for request in audit.requests()] == ["", "somebody"]
    assert [request.name for request in audit.requests("somebody")] == ["b"]
