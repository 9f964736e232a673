"""How the servers are started."""

from pathlib import Path

import pytest
import yaml

from controlplane import servers

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


@pytest.fixture
def layout(tmp_path: Path) -> servers.Layout:
    return servers.Layout({name: Path("/bin") / name for name in PROGRAMS}, tmp_path, *range(20001, 20006))


def test_the_default_scheduler_needs_no_configuration(layout: servers.Layout) -> None:
    command = servers.scheduler(layout, {})
    assert f"--kubeconfig={layout.kubeconfig('kube-scheduler')}" in command
    assert not layout.scheduling.exists()


def test_a_scheduler_of_ones_own_has_the_connection_and_what_was_given(layout: servers.Layout) -> None:
    command = servers.scheduler(layout, {"percentageOfNodesToScore": 100, "extenders": [{"filterVerb": "filter"}]})
    assert f"--config={layout.scheduling}" in command
    assert not [flag for flag in command if flag.startswith(("--kubeconfig", "--kube-api", "--leader-elect"))]
    written = yaml.safe_load(layout.scheduling.read_text())
    assert written["kind"] == "KubeSchedulerConfiguration"
    assert written["clientConnection"]["kubeconfig"] == str(layout.kubeconfig("kube-scheduler"))
    assert written["leaderElection"] == {"leaderElect": False}
    assert written["extenders"] == [{"filterVerb": "filter"}]


@pytest.mark.parametrize("controllers", ["*", "serviceaccount-controller"])
def test_only_the_wanted_controllers_run(layout: servers.Layout, controllers: str) -> None:
    assert f"--controllers={controllers}" in servers.controller_manager(layout, controllers)
