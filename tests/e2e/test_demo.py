"""`make demo` as its users run it, and what it leaves behind: nothing, also after Ctrl-C, also on a user's cluster."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controlplane.cluster import Cluster, prepare, start

LIMIT = 120.0
"""Seconds that a demo with warm binaries may take on two cores."""
MEMORY_MEGABYTES = 180
"""Of the operator, after it emptied the demo's node."""
INTERRUPTED = 130
KINDS = (
    "customresourcedefinitions,namespaces,nodes,clusterroles,clusterrolebindings,"
    "validatingadmissionpolicies,validatingadmissionpolicybindings,"
    "validatingwebhookconfigurations,mutatingwebhookconfigurations"
)

SMALL = """
import sys
from pathlib import Path
from demo import __main__, fleet
fleet.FLEET = Path(sys.argv[1])
sys.exit(__main__.main([]))
"""
"""The demo with another fleet: what it leaves behind does not depend on how much it brings."""
FEW_VMS = """
kubevirt:
  configuration: {migrations: {parallelMigrationsPerCluster: 5, parallelOutboundMigrationsPerNode: 2}}
nodes: [{name: worker, count: 12, memory: 512Gi}]
virtualMachines:
  - {name: web, count: 4, namespace: shop, node: worker-07, memory: 64Gi}
"""

# Building the programs on a fresh machine takes minutes, and is not the demo's time.
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    prepare()


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """Where a demo has its instance. Everything that it starts has this path in its environment."""
    folder = tmp_path / "traces"
    folder.mkdir()
    return folder


@contextmanager
def running(traces: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`python ...`, a demo, without a terminal; killed at the end if it still runs."""
    kept = {name: value for name, value in os.environ.items() if name not in ("CLUSTER", "KUBECONFIG")}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**kept, "TMPDIR": str(traces), "PYTHONUNBUFFERED": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def processes(traces: Path) -> dict[int, str]:
    """The processes that a demo has started and that still live, with their command lines."""
    found = {}
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            if str(traces) in (proc / "environ").read_text(errors="replace"):
                found[int(proc.name)] = (proc / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it has ended meanwhile, or is somebody else's
            continue
    return found


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """The output up to the line with these words."""
    assert process.stdout is not None
    output = ""
    for line in process.stdout:
        output += line
        if words in line:
            return output
    pytest.fail(f"it ended without {words!r}:\n{output}")


def test_it_shows_the_evacuation_checks_its_end_and_leaves_nothing(traces: Path, tmp_path: Path) -> None:
    picture = tmp_path / "picture.svg"
    began = time.monotonic()
    with running(traces, "-m", "demo", f"--svg={picture}") as process:
        first = read_until(process, "Drover: its process")
        there = processes(traces)
        for name in ("etcd", "kube-apiserver", "kube-scheduler", "virtsim", "drover.main"):
            assert any(name in command for command in there.values()), f"else {name} cannot be found when it is left"
        rest, _ = process.communicate(timeout=LIMIT)
    took = time.monotonic() - began
    output = first + rest
    assert process.returncode == 0, output
    assert "demo: passed in " in output.splitlines()[-1]
    for line in (
        "worker-07 is cordoned",
        "wait: SourceLimit: 2 migrations leave worker-07, and 2 may",
        "shop/analytics Done (worker-07 -> worker-",
        "shop/legacy-db stays: NotMigratable: ",
        "shop/licence-server stays: NoEligibleTarget: ",
        "by the API server's audit log",
        "  ok      11 VMs are Running on other nodes",
        "  ok      no VM had two migrations in flight",
    ):
        assert line in output
    assert "FAILED" not in output
    assert processes(traces) == {}
    assert list(traces.iterdir()) == []
    assert str(traces) not in picture.read_text()
    resident = re.search(r"drover: (\d+) MB resident", output)
    assert resident is not None
    assert int(resident[1]) <= MEMORY_MEGABYTES
    assert took < LIMIT, output


@pytest.fixture
def users_cluster() -> Iterator[Cluster]:
    """A cluster that is somebody's, as far as the demo knows."""
    with start("users") as cluster:
        yield cluster


def test_interrupted_it_leaves_a_users_cluster_as_it_was(users_cluster: Cluster, traces: Path, tmp_path: Path) -> None:
    def contents() -> list[str]:
        return users_cluster.kubectl("get", KINDS, "--output=name").stdout.split()

    before = contents()
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(FEW_VMS)
    environment = {"CLUSTER": "kubeconfig", "KUBECONFIG": str(users_cluster.kubeconfig)}
    with running(traces, "-c", SMALL, str(fleet), **environment) as process:
        output = read_until(process, "PreCopy")
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == INTERRUPTED, output + rest
    assert "left in the cluster" not in rest
    assert processes(traces) == {}
    assert list(traces.iterdir()) == []
    assert contents() == before
