"""The cluster that integration and end-to-end tests share, and namespaces in it."""

import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest

from controlplane.cluster import Cluster, prepare

_ACCOUNT_TIMEOUT = 20.0
_FIXTURES = {"cluster", "oracle"}
"""Of tests that need the programs."""


def prepare_programs(session: pytest.Session) -> None:
    """Builds what is missing before the first test: no time-out runs there. It is shown although pytest captures.

    Call it from `pytest_collection_finish`.
    """
    asked_for = {name for item in _functions(session) for name in item.fixturenames}
    if session.config.option.collectonly or not asked_for & _FIXTURES:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        prepare()


def _functions(session: pytest.Session) -> list[pytest.Function]:
    return [item for item in session.items if isinstance(item, pytest.Function)]


@contextmanager
def a_namespace(cluster: Cluster, prefix: str = "test") -> Iterator[str]:
    """A namespace of its own, ready for pods; its deletion is not waited for."""
    name = f"{prefix}-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    try:
        _wait_for_account(cluster, name)
        yield name
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


def _wait_for_account(cluster: Cluster, namespace: str) -> None:
    """Pods are refused until the controller-manager has made the default ServiceAccount."""
    command = ("get", "serviceaccount", "default", f"--namespace={namespace}")
    deadline = time.monotonic() + _ACCOUNT_TIMEOUT
    while True:
        answer: subprocess.CompletedProcess[str] = cluster.kubectl(*command, check=False)
        if answer.returncode == 0:
            return
        assert time.monotonic() < deadline, f"no default ServiceAccount in {namespace}: {answer.stderr}"
