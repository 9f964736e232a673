"""The comparison with recordings sees what is missing, too much, in another order, or another value."""

from dataclasses import replace
from typing import Any

import pytest

from tests.integration.virtsim.conformance.comparing import Run, differences
from tests.integration.virtsim.conformance.roles import matches
from tests.integration.virtsim.conformance.table import Known, Table, tables
from tests.integration.virtsim.recording import Recording
from virtsim.objects.resources import VMIMS, Object

TABLES = tables()
SUBMITTED: dict[str, Any] = {"created": {"labels.kubevirt.io/vmi-name": "vm"}}
PENDING = {"set": {"phase": "Pending"}}
FAILED = {"set": {"phase": "Failed"}}
GONE = {"gone": True}


def a_table(lines: list[dict[str, Any]], known: list[Known] | None = None) -> Table:
    """One migration that is written as the lines say."""
    blank = replace(TABLES[0], name="t", steps=[], migrations={}, created={}, events={}, final={}, known=known or [])
    return replace(blank, writes={"vmim-m": lines})


def a_run(*phases: str) -> Run:
    """One migration that goes through these phases, and then is gone."""
    taken = Recording()
    for version, phase in enumerate(["", *phases], 1):
        taken.take(VMIMS.plural, _vmim(version, phase), created=version == 1)
    taken.gone.add((VMIMS.plural, "m"))
    return Run(taken, {}, [])


def _vmim(version: int, phase: str) -> Object:
    metadata = {"name": "m", "uid": "u", "resourceVersion": str(version), "labels": {"kubevirt.io/vmi-name": "vm"}}
    return {"kind": "VirtualMachineInstanceMigration", "metadata": metadata, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("lines", "at"),
    [
        ([SUBMITTED, PENDING, FAILED, GONE], []),
        ([SUBMITTED, FAILED, GONE], ["vmim-m write 2"]),
        ([SUBMITTED, PENDING, FAILED], ["vmim-m write 4"]),
        ([SUBMITTED, PENDING, FAILED, GONE, GONE], ["vmim-m write 5"]),
        ([SUBMITTED, FAILED, PENDING, GONE], ["vmim-m write 2"]),
        ([SUBMITTED, PENDING, {**PENDING, "may": "be absent"}, FAILED, GONE], []),
        ([{**FAILED, "may": "come elsewhere"}, SUBMITTED, PENDING, GONE], []),
        ([{"created": {"labels.kubevirt.io/vmi-name": "other"}}, PENDING, FAILED, GONE], ["vmim-m write 1"]),
    ],
)
def test_each_write_in_its_order(lines: list[dict[str, Any]], at: list[str]) -> None:
    assert [found.at for found in differences(a_table(lines), a_run("Pending", "Failed"))] == at


def test_a_known_difference_is_met_or_is_one() -> None:
    known = Known("vmim-m write 2", FAILED, PENDING, "for a reason")
    assert differences(a_table([SUBMITTED, FAILED, GONE], [known]), a_run("Pending", "Failed")) == []
    (found,) = differences(a_table([SUBMITTED, PENDING, FAILED, GONE], [known]), a_run("Pending", "Failed"))
    assert found.at == "known: vmim-m write 2"


def test_nobody_comes_unexpected_and_everybody_expected() -> None:
    table = replace(a_table([]), writes={"vmim-other": []})
    assert [found.at for found in differences(table, a_run())] == ["vmim-other", "vmim-m"]


@pytest.mark.parametrize(
    ("expected", "actual", "so"),
    [
        ("<time>", "2026-08-01T08:00:00Z", True),
        ("<time>", "soon", False),
        ("<any>s", "240s", True),
        ("a.b", "axb", False),
        ({"a": ["<any>"]}, {"a": [{"b": 1}]}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        (None, None, True),
        (1, "1", False),
    ],
)
def test_values(expected: Any, actual: Any, so: bool) -> None:
    assert matches(expected, actual) is so


def test_all_tables_can_be_read() -> None:
    assert len(TABLES) >= 16
