"""The chart's ClusterRole is what the scenes before this module used, no less and no more. Runs last, by its name."""

import pytest

from tests.e2e.audit import Audit
from tests.e2e.installing import USER, Installed
from tests.e2e.selecting import incomplete

FORBIDDEN = 403
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
    unused = sorted(granted(installation) - used(requests))
    lacking = incomplete(request.session)
    if lacking:
        pytest.skip(f"only a whole run of tests/e2e shows it: {lacking}; not used in this one: {unused}")
    assert unused == []
