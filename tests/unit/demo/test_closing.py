"""The last words, and the exit code."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from controlplane.cluster import Cluster
from controlplane.errors import ControlPlaneError
from controlplane.kubeconfig import Endpoint
from demo import __main__
from demo.check import Check, judge
from demo.closing import advice, report
from tests.unit.demo.migrations import evidence

GOOD = evidence()


def test_a_good_run_is_told() -> None:
    lines = report(GOOD, judge(GOOD), audited=True)
    assert lines[1] == "What was checked (migrations: 4 writes, by the API server's audit log):"
    assert [line[:8] for line in lines[2:10]] == ["  ok    "] * 8
    assert lines[10:] == [
        "n/disk stays: NotMigratable: KubeVirt cannot migrate it: its disk is local",
        "  -> remove the cause",
        "n/pinned stays: NoEligibleTarget: its nodeSelector pins it to the host worker-07",
        "  -> relax its nodeSelector",
    ]


def test_a_failed_check_is_named_with_all_that_contradicts_it() -> None:
    lines = report(replace(GOOD, moves=()), [Check("all is well", ()), Check("n/x moved", ("a", "b"))], audited=False)
    assert lines[1:] == [
        "What was checked (migrations: 4 writes, by a watch):",
        "  ok      all is well",
        "  FAILED  n/x moved",
        "          a",
        "          b",
    ]


def test_the_commands_speak_to_this_cluster_and_apply_what_was_written(tmp_path: Path) -> None:
    tools = {"kubectl": Path("/programs of mine/kubectl")}
    cluster = Cluster("demo", tmp_path / "admin.kubeconfig", Endpoint({}), tmp_path, tools, own=True)
    lines = [line.strip() for line in advice(cluster)]
    assert f"export KUBECONFIG={tmp_path}/admin.kubeconfig" in lines
    assert "export PATH='/programs of mine':$PATH" in lines
    (applied,) = (line.split()[-1] for line in lines if line.startswith("kubectl apply -f "))
    written = yaml.safe_load(Path(applied).read_text())
    assert written["kind"] == "NodeMaintenance"
    assert f"kubectl delete nodemaintenance {written['spec']['nodeName']}" in lines


@pytest.mark.parametrize(
    ("outcome", "code", "said"),
    [
        pytest.param(True, 0, "", id="all is well"),
        pytest.param(False, 1, "", id="a check failed"),
        pytest.param(ControlPlaneError("no etcd"), 1, "demo: FAILED: no etcd\n", id="it could not be shown"),
        pytest.param(KeyboardInterrupt(), 130, "demo: interrupted\n", id="Ctrl-C"),
    ],
)
def test_the_exit_code_says_how_it_went(
    outcome: bool | BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(*_: object) -> bool:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(__main__, "run", run)
    assert __main__.main([]) == code
    assert capsys.readouterr().err == said
