"""A program of ours that runs beside the control plane: started, listened to, asked to end."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from controlplane.component import Component
from controlplane.errors import ControlPlaneError

_ENDS_WITHIN = 10.0
_LOOK = 0.05


class Program(Component):
    """`python -m MODULE ...`, which dies with us and logs to a file in the cluster's folder."""

    def __init__(self, name: str, module: str, arguments: Sequence[str], folder: Path) -> None:
        self._file = folder / f"{name}.log"
        super().__init__([sys.executable, "-m", module, *arguments], self._file, _environment(folder))
        self.name = name

    def said(self, beginning: str) -> str | None:
        """The rest of the first line of its log that contains this, if there is one by now."""
        for line in self._file.read_text(errors="replace").splitlines():
            if beginning in line:
                return line.partition(beginning)[2].strip()
        return None

    def wait_until_it_says(self, beginning: str, within: float) -> str:
        """What `said` answers, once it does. Raises ControlPlaneError if the program ends before or says nothing."""
        deadline = time.monotonic() + within
        while (rest := self.said(beginning)) is None:
            self.check()
            if time.monotonic() > deadline:
                raise ControlPlaneError(f"{self.name} is not ready after {within:.0f} s:\n{self.last_lines()}")
            time.sleep(_LOOK)
        return rest

    def memory(self) -> float:
        """Resident megabytes (10^6 bytes)."""
        (line,) = (
            line for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if line.startswith("VmRSS")
        )
        return int(line.split()[1]) * 1024 / 1e6

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for what is still there after ten seconds."""
        deadline = time.monotonic() + _ENDS_WITHIN
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        while self._lives() and time.monotonic() < deadline:
            time.sleep(_LOOK)
        self.kill()

    def _lives(self) -> bool:
        try:
            self.check()
        except ControlPlaneError:
            return False
        return True


def _environment(folder: Path) -> dict[str, str]:
    """Little of the user's, no kubeconfig among it; its files go with the folder; more BLAS threads cost memory."""
    return {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder), "OPENBLAS_NUM_THREADS": "1"}
