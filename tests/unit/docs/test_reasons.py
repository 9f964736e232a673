"""docs/reasons.md lists exactly the reasons a status can give."""

import re
from enum import StrEnum
from pathlib import Path

import pytest

from drover.api import reasons

TEXT = (Path(__file__).parents[3] / "docs" / "reasons.md").read_text()


def section(title: str) -> set[str]:
    """The names in the first column of the table under a heading."""
    body = re.split(rf"^##+ {re.escape(title)}$", TEXT, flags=re.MULTILINE)[1]
    table = re.split(r"^##", body, flags=re.MULTILINE)[0]
    first = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name for cell in first for name in re.findall(r"`(\w+)`", cell)}


@pytest.mark.parametrize(
    ("title", "values"),
    [
        ("MigrationPlan", reasons.PlanPhase),
        ("NodeMaintenance", reasons.MaintenancePhase),
        ("Why a plan or a maintenance is in its phase", reasons.Reason),
        ("Findings", reasons.FindingReason),
        ("Wait reasons", reasons.WaitReason),
        ("Outcomes of an attempt, in MigrationReports", reasons.Outcome),
        ("Events", reasons.EventReason),
    ],
)
def test_the_documented_list_is_the_list(title: str, values: type[StrEnum]) -> None:
    assert section(title) == {value.value for value in values}
