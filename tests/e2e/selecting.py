"""Which tests a run leaves out: what it shows of permissions is then not all."""

from collections.abc import Iterable
from pathlib import Path

import pytest

LEFT_OUT = pytest.StashKey[list[str]]()
ALONE = {"test_demo.py", "test_zz_permissions.py"}
"""Modules whose requests are not in the audit log: they have a cluster of their own, or make none."""


def note_left_out(items: Iterable[pytest.Item]) -> None:
    """To be called with what is deselected. What only `make crash` runs does not count."""
    for item in items:
        if item.get_closest_marker("crash") is None:
            item.config.stash.setdefault(LEFT_OUT, []).append(item.nodeid)


def incomplete(session: pytest.Session) -> str:
    """Why this run does not show all that the operator does; empty if it does."""
    folder = Path(__file__).parent
    modules = {each.name for each in folder.glob("test_*.py")} - ALONE
    missing = modules - {item.path.name for item in session.items if item.path.parent == folder}
    if missing:
        return f"{', '.join(sorted(missing))} did not run"
    if session.config.stash.get(LEFT_OUT, []) or any("::" in argument for argument in session.config.args):
        return "tests were left out"
    return "tests failed" if session.testsfailed else ""
