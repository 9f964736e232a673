"""The chart's ClusterRole is what the scenes before this module used, no less and no more. Runs last, by its name."""

from pathlib import Path

import pytest

from tests.e2e.audit import Audit
from tests.e2e.conftest import LEFT_OUT
from tests.e2e.installing import USER, Installed

FORBIDDEN = 403
ALONE = {"test_demo.py", "test_zz_permissions.py"}
"""Modules whose requests are not in this log: they have a cluster of their own, or make none."""

Permission = tuple[str, str, str]


@pytest.fixture
def requests(installation: Installed) -> Audit:
    if installation.cluster.audit_log is None:
        pytest.skip("this cluster has no audit log to prove it by")
    return Audit(installation.cluster.audit_log, whole=True)


def granted(installation: Installed) -> set[Permission]:
    """(verb, resource, group) of every rule."""
    rules = installation.the("ClusterRole")["rules"]
    return {
        (verb, resource, group)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(requests: Audit) -> set[Permission]:
    return {each.permission for each in requests.requests(USER) if each.code != FORBIDDEN}


def test_nothing_was_forbidden(requests: Audit) -> None:
    forbidden = {each.permission for each in requests.requests(USER) if each.code == FORBIDDEN}
    assert sorted(forbidden) == []


def test_no_more_was_used_than_is_granted(requests: Audit, installation: Installed) -> None:
    """Else another role of the cluster gives what the chart does not."""
    assert sorted(used(requests) - granted(installation)) == []


def test_every_grant_was_used(requests: Audit, installation: Installed, request: pytest.FixtureRequest) -> None:
    lacking = _not_run(request)
    if lacking:
        pytest.skip(f"only a whole run of tests/e2e shows it: {lacking}")
    assert sorted(granted(installation) - used(requests)) == []


def _not_run(request: pytest.FixtureRequest) -> str:
    """Why this run cannot show what is needed; empty if it can."""
    folder = Path(__file__).parent
    modules = {each.name for each in folder.glob("test_*.py")} - ALONE
    missing = modules - {item.path.name for item in request.session.items if item.path.parent == folder}
    if missing:
        return f"{', '.join(sorted(missing))} did not run"
    if request.config.stash.get(LEFT_OUT, []) or any("::" in argument for argument in request.config.args):
        return "tests were left out"
    return "tests failed" if request.session.testsfailed else ""
