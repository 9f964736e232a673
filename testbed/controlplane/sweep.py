"""Removes what killed parents left: their processes, their folders, their kind clusters."""

import fcntl
import os
import select
import shutil
import signal
import subprocess
from pathlib import Path

from controlplane import record
from controlplane.errors import ControlPlaneError
from controlplane.machine import start_time

_DEATH_TIMEOUT = 10.0
"""Seconds; a killed process is gone at once unless the kernel holds it in a disk operation."""


def sweep(runtime: Path) -> list[str]:
    """Ends and removes every instance in this folder whose parent is gone; answers what it did, in lines.

    The caller holds the folder's lock. Raises ControlPlaneError if a process does not die.
    """
    folders = sorted(path for path in runtime.iterdir() if path.is_dir())
    return [_remove(directory) for directory in folders if not is_held(directory)]


def is_held(directory: Path) -> bool:
    """Whether the parent of this instance lives: it holds a lock on the folder, which ends with it however it dies.

    A folder that has gone since it was listed was its parent's to remove, and is no leftover either.
    """
    try:
        handle = os.open(directory, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return not is_still(directory, handle)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)


def is_still(directory: Path, handle: int) -> bool:
    """Whether the folder is the one that was opened: its parent may have removed it since, and let it go."""
    try:
        return os.path.samestat(directory.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def end(child: record.Child) -> bool:
    """Kills this very process and waits until it is gone; False if it was gone already, also if its pid is used again.

    Raises ControlPlaneError if it does not die.
    """
    try:
        handle = os.pidfd_open(child.pid)
    except ProcessLookupError:
        return False
    try:
        # The handle stays with the process that has the pid now, so nothing can come between this look and the kill.
        if start_time(child.pid) != child.started:
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        if not select.select([handle], [], [], _DEATH_TIMEOUT)[0]:
            raise ControlPlaneError(f"{child.name} (pid {child.pid}) of a killed run does not die")
        return True
    finally:
        os.close(handle)


def _remove(directory: Path) -> str:
    left = record.read(directory)
    ended = [child.name for child in left.children if end(child)]
    if left.kind is not None and shutil.which("kind") is not None:
        subprocess.run(["kind", "delete", "cluster", "--name", left.kind], capture_output=True, check=False)
        ended.append(f"kind cluster {left.kind}")
    shutil.rmtree(directory)
    return f"removed {directory}" + (f" and ended its {', '.join(ended)}" if ended else "")
