"""A control plane comes up quickly, stands beside others, and leaves nothing, however it ends."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from controlplane.binaries import tools
from controlplane.cluster import start
from controlplane.instance import claim, sweep_leftovers
from tests.integration.controlplane.traces import processes_of, wait_until

ALL = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]
UP = [sys.executable, "-m", "controlplane", "up"]
FROM_A_THREAD = [
    sys.executable,
    "-c",
    "import threading; from controlplane.__main__ import _up; import signal; signal.signal = lambda *_: None;"
    "threading.Thread(target=_up, args=('thread', False)).start()",
]


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of instances, apart from that of everybody else on this machine."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield tmp_path / f"drover-{os.getuid()}"
    # Only a failed test leaves anything.
    sweep_leftovers()


@contextmanager
def running(*commands: list[str]) -> Iterator[list[tuple[subprocess.Popen[str], Path]]]:
    """Processes, started at once, that keep a control plane up each, with its folder; killed at the end."""
    with ExitStack() as stack:
        processes = []
        for command in commands:
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            processes.append(process)
        yield [(process, folder_of(process)) for process in processes]


def folder_of(process: subprocess.Popen[str]) -> Path:
    """Waits until the process has said which control plane it keeps up."""
    assert process.stdout is not None
    said = ""
    while (found := re.search(r"export KUBECONFIG=(\S+)", said)) is None:
        line = process.stdout.readline()
        assert line, f"it ended with {process.wait()}"
        said += line
    return Path(found[1]).parent


def test_it_is_ready_in_six_seconds_and_gone_after_an_exception(runtime: Path) -> None:
    # Where more wants to run than there are processors, it takes longer by that much.
    crowd = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    took = failing_run()
    assert took < 6 * crowd
    assert not runtime.exists()


def failing_run() -> float:
    """Seconds that the start took; the block then ends by an exception, and nothing may be left."""
    directory, took = Path(), 0.0

    def fails() -> None:
        nonlocal directory, took
        began = time.monotonic()
        with start("quick") as cluster:
            took, directory = time.monotonic() - began, cluster.directory
            assert processes_of(directory) == ALL
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert processes_of(directory) == []
    print(f"control plane ready in {took:.1f} s")
    return took


def test_two_started_at_once_live_side_by_side_until_a_signal_ends_each_without_a_trace(runtime: Path) -> None:
    with running(UP, UP) as both:
        (_, left), (_, right) = both
        assert processes_of(left) == processes_of(right) == ALL
        kubectl(left, "create", "namespace", "only-left")
        assert namespaces(left) - namespaces(right) == {"namespace/only-left"}
        for (process, _), number in zip(both, (signal.SIGINT, signal.SIGTERM), strict=True):
            process.send_signal(number)
        assert [process.wait(20) for process, _ in both] == [0, 0]
    assert processes_of(left) == processes_of(right) == []
    assert not runtime.exists()


def namespaces(directory: Path) -> set[str]:
    return set(kubectl(directory, "get", "namespaces", "--output=name").split())


def kubectl(directory: Path, *args: str) -> str:
    command = [str(tools(["kubectl"])["kubectl"]), f"--kubeconfig={directory}/admin.kubeconfig", *args]
    return subprocess.run(
        [*command, f"--cache-dir={directory}/cache"], capture_output=True, text=True, check=True
    ).stdout


def test_what_killed_parents_leave_the_next_start_removes(runtime: Path) -> None:
    with running(UP, FROM_A_THREAD) as ((main, of_main), (thread, of_thread)):
        for process in (main, thread):
            process.kill()
            process.wait()
        # The kernel ends what a main thread has started; what another one has started lives on without a parent.
        wait_until(lambda: processes_of(of_main) == [])
        assert processes_of(of_thread) == ALL
    assert of_main.exists()
    with claim("next"):
        assert not of_main.exists()
        assert not of_thread.exists()
        assert processes_of(of_thread) == []
    assert not runtime.exists()
