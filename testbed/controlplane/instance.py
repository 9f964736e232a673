"""One control plane's own folder: claimed, held by a lock while its parent lives, and removed at the end."""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from controlplane import ports, record, sweep
from controlplane.errors import ControlPlaneError
from controlplane.machine import start_time


class Instance:
    """A folder that is ours while we live. What is written down in it outlives us."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._record = record.Record()

    def note_child(self, name: str, pid: int) -> None:
        """Writes a process down, so that a later sweep can end it."""
        started = start_time(pid)
        if started is not None:
            child = record.Child(name, pid, started)
            self._write(msgspec.structs.replace(self._record, children=(*self._record.children, child)))

    def note_kind_cluster(self, name: str) -> None:
        """Writes a kind cluster down, so that a later sweep can delete it."""
        self._write(msgspec.structs.replace(self._record, kind=name))

    def reserve_ports(self, count: int) -> tuple[int, ...]:
        """Free ports that no other instance of this user has or gets. Raises ControlPlaneError if there are none."""
        with locked_runtime() as runtime:
            taken = {port for other in runtime.iterdir() for port in record.read(other).ports}
            found = ports.free(count, taken)
            self._write(msgspec.structs.replace(self._record, ports=found))
        return found

    def _write(self, changed: record.Record) -> None:
        self._record = changed
        record.write(self.directory, changed)


@contextlib.contextmanager
def claim(name: str) -> Iterator[Instance]:
    """A new folder, removed at the end. What killed parents left is swept first."""
    with locked_runtime() as runtime:
        sweep.sweep(runtime)
        directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=runtime))
        lock = _lock(directory)
    try:
        yield Instance(directory)
    finally:
        shutil.rmtree(directory)
        os.close(lock)
        with locked_runtime() as runtime, contextlib.suppress(OSError):
            runtime.rmdir()


def sweep_leftovers() -> list[str]:
    """Ends and removes what killed parents left; answers what it did, in lines."""
    with locked_runtime() as runtime:
        return sweep.sweep(runtime)


@contextlib.contextmanager
def locked_runtime() -> Iterator[Path]:
    """The folder of this user's instances, while nobody else claims, sweeps or reserves there.

    Without the lock a new folder would look like a leftover between its making and its own lock. Raises
    ControlPlaneError if the folder is not ours alone.
    """
    while True:
        # Whoever had the lock before us may have removed the folder, being the last: then once more.
        with contextlib.suppress(FileNotFoundError):
            directory = _runtime_directory()
            lock = _lock(directory)
            if sweep.is_still(directory, lock):
                break
            os.close(lock)
    try:
        yield directory
    finally:
        os.close(lock)


def _runtime_directory() -> Path:
    """Not below XDG_RUNTIME_DIR, a small RAM disk on most systems: etcd's data and the audit log would fill it."""
    directory = Path(tempfile.gettempdir()) / f"drover-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ControlPlaneError(
            f"{directory} is not a folder of yours alone: remove it, or set TMPDIR to another place"
        )
    return directory


def _lock(directory: Path) -> int:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle
