"""What can go wrong here, in words that say what to do."""

import shlex
import subprocess
from collections.abc import Sequence


class ControlPlaneError(RuntimeError):
    """The control plane could not be built, started or kept up; the message says why and what to do."""


class CommandFailed(subprocess.CalledProcessError):
    """kubectl or helm ended with an error; unlike its parent it shows what the command said."""

    def __init__(self, code: int, command: Sequence[str], stdout: str, stderr: str) -> None:
        super().__init__(code, list(command), stdout, stderr)

    def __str__(self) -> str:
        return f"`{shlex.join(self.cmd)}` ended with {self.returncode}: {(self.stderr or self.stdout).strip()}"
