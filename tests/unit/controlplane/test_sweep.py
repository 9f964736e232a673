"""What killed parents left: ended if it is truly theirs, removed, and nobody else's touched."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane import record, sweep
from controlplane.machine import start_time

NO_PID = 2**22
"""Above the largest pid that Linux gives (proc_sys_kernel(5), pid_max)."""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def started(process: subprocess.Popen[bytes]) -> int:
    ticks = start_time(process.pid)
    assert ticks is not None
    return ticks


def an_instance(runtime: Path, name: str, *children: record.Child, kind: str | None = None) -> Path:
    directory = runtime / name
    (directory / "etcd").mkdir(parents=True)
    record.write(directory, record.Record(children=children, kind=kind))
    return directory


def test_a_child_that_was_left_is_ended_and_its_folder_removed(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    directory = an_instance(tmp_path, "t-1", record.Child("etcd", sleeper.pid, started(sleeper)))
    assert sweep.sweep(tmp_path) == [f"removed {directory} and ended its etcd"]
    assert sleeper.wait() == -9
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_pid_that_was_used_again_is_somebody_elses(
    tmp_path: Path, sleeper: subprocess.Popen[bytes], difference: int
) -> None:
    directory = an_instance(tmp_path, "t-1", record.Child("etcd", sleeper.pid, started(sleeper) + difference))
    assert sweep.sweep(tmp_path) == [f"removed {directory}"]
    assert sleeper.poll() is None


def test_a_child_that_is_gone_or_a_zombie_needs_no_end(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        assert start_time(zombie.pid) is None
        assert not sweep.end(record.Child("true", zombie.pid, 0))
    assert not sweep.end(record.Child("gone", NO_PID, 0))


def test_an_instance_whose_parent_lives_is_left_alone(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    directory = an_instance(tmp_path, "t-1", record.Child("etcd", sleeper.pid, started(sleeper)))
    lock = os.open(directory, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        assert sweep.sweep(tmp_path) == []
        assert sleeper.poll() is None
    finally:
        os.close(lock)
    assert len(sweep.sweep(tmp_path)) == 1


def test_a_parent_that_died_before_it_wrote_anything_leaves_just_a_folder(tmp_path: Path) -> None:
    (tmp_path / "t-1").mkdir()
    assert sweep.sweep(tmp_path) == [f"removed {tmp_path / 't-1'}"]


def test_a_kind_cluster_that_was_left_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "kind").write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\n')
    (programs / "kind").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    runtime = tmp_path / "runtime"
    an_instance(runtime, "t-1", kind="drover-t-1")
    assert "kind cluster drover-t-1" in sweep.sweep(runtime)[0]
    assert (tmp_path / "calls").read_text() == "delete cluster --name drover-t-1\n"


def test_a_start_time_is_read_past_names_with_blanks_and_parentheses(tmp_path: Path) -> None:
    program = tmp_path / "a) S (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "600"]) as odd, subprocess.Popen(["sleep", "600"]) as plain:
        # Popen returns after the exec, so the name is the new one already.
        assert 0 <= started(plain) - started(odd) < 100 * os.sysconf("SC_CLK_TCK")
        odd.kill()
        plain.kill()


def test_a_folder_its_parent_removed_a_moment_ago_is_no_leftover(tmp_path: Path) -> None:
    assert sweep.is_held(tmp_path / "gone")


def test_a_folder_its_parent_removes_while_it_is_looked_at_is_no_leftover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent lets its lock go when the folder is gone: between our opening and locking it."""
    an_instance(tmp_path, "t-1")
    lock = fcntl.flock

    def too_late(handle: int, how: int) -> None:
        shutil.rmtree(tmp_path / "t-1")
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", too_late)
    assert sweep.sweep(tmp_path) == []
