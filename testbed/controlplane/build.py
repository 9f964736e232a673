"""Builds the programs from their Go modules, once, into the cache."""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from controlplane import golang
from controlplane.machine import usable_memory
from controlplane.progress import Progress
from controlplane.recipe import TOOLS, link_flags

_HERE = Path(__file__).parent
_MEMORY_PER_COMPILER = 2 * 2**30
"""Bytes; linking the API server takes about this much."""


def build(names: Sequence[str], folder: Path, go: golang.Go, progress: Progress) -> None:
    """Builds these programs into the folder. A program is there completely or not at all, whatever happens meanwhile.

    Two processes that want the same wait for each other. Raises ControlPlaneError with the compiler's last lines.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent / "lock", progress):
        missing = [name for name in names if not (folder / name).exists()]
        if not missing:
            return
        began = time.monotonic()
        progress.say(f"building {', '.join(missing)} with {go.version} into {folder} (once, some minutes)")
        program = golang.installed(go, folder.parent, progress)
        for number, name in enumerate(missing, start=1):
            _build_one(name, f"[{number}/{len(missing)}] {name} {TOOLS[name].version}", folder, program, progress)
        progress.say(f"built in {time.monotonic() - began:.0f} s")


def _build_one(name: str, label: str, folder: Path, go: Path, progress: Progress) -> None:
    tool = TOOLS[name]
    unfinished = folder / f".{name}.unfinished"
    command = [str(go), "build", "-p", str(_parallelism()), "-mod=readonly", "-buildvcs=false", "-trimpath"]
    command += ["-ldflags", link_flags(tool.family), "-o", str(unfinished), tool.package]
    progress.run(label, command, cwd=_HERE / tool.family, env=golang.environment())
    unfinished.replace(folder / name)


def _parallelism() -> int:
    """Compilers at once: as many as there are processors and memory for."""
    return max(1, min(os.cpu_count() or 1, usable_memory() // _MEMORY_PER_COMPILER))


@contextmanager
def _alone(lock: Path, progress: Progress) -> Iterator[None]:
    """Holds the cache's lock; the system frees it when the process dies, however it dies."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say("another process is building, waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
