"""What a control plane leaves on the machine: its processes and its folders."""

import os
import time
from collections.abc import Callable
from pathlib import Path

_DEADLINE = 20.0


def processes_of(directory: Path) -> list[str]:
    """The programs of all processes whose command line or working folder names this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
                mentions = (entry / "cwd").readlink().is_relative_to(directory)
            except OSError:
                continue
            if mentions or any(os.fsencode(directory) in argument for argument in arguments):
                found.append(Path(os.fsdecode(arguments[0])).name)
    return sorted(found)


def wait_until(true: Callable[[], bool]) -> None:
    """Looks until it is true; fails the test after a while."""
    deadline = time.monotonic() + _DEADLINE
    while not true():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.02)
