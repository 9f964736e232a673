"""One server process: started in its own process group, watched, and killed at the end."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from controlplane import child
from controlplane.errors import ControlPlaneError

_LAST_LINES = 15


class Component:
    """A running server and the file that it logs to."""

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        self.name = Path(command[0]).name
        self._log = log
        # Only the main thread lives as long as the process. What another one starts would die with that thread, so it
        # is left to the sweep when the process is killed.
        parent = os.getpid() if threading.current_thread() is threading.main_thread() else 0
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", child.__file__, str(parent), *command],
                env=env,
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Its own group: Ctrl-C on the terminal is for us, we end the servers in our order.
                process_group=0,
            )

    @property
    def pid(self) -> int:
        """The process, and its process group."""
        return self._process.pid

    def check(self) -> None:
        """Raises ControlPlaneError with the last lines of the log if the server has ended."""
        code = self._process.poll()
        if code is not None:
            raise ControlPlaneError(f"{self.name} ended with {code}, its last words:\n{self.last_lines()}")

    def last_lines(self) -> str:
        """The end of the log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:])

    def kill(self) -> None:
        """Ends it at once: nothing that it holds outlives the folder it lives in."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
