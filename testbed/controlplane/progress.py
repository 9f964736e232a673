"""Shows how a long build goes on, on a terminal and in a log."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from controlplane.errors import ControlPlaneError

_TERMINAL_INTERVAL = 1.0
_LOG_INTERVAL = 15.0
"""Seconds between two signs of life: a terminal's line is overwritten, a log's stays."""


class Progress:
    """Runs one command after the other and writes a line for each, with the seconds it took so far."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._terminal = self._stream.isatty()

    def say(self, line: str) -> None:
        """Writes one line at once."""
        print(f"control plane: {line}", file=self._stream, flush=True)

    def run(self, label: str, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        """Runs a command to its end. Raises ControlPlaneError with the last lines that it wrote if it fails."""
        began = time.monotonic()
        if not self._terminal:
            self.say(f"{label} ...")
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            code = self._watch(label, began, command, cwd, env, output)
            output.seek(0)
            tail = "".join(output.readlines()[-20:])
        if code != 0:
            raise ControlPlaneError(f"{label}: `{' '.join(command[:3])} ...` in {cwd} ended with {code}:\n{tail}")
        self._over_line()
        self.say(f"{label}: {time.monotonic() - began:.0f} s")

    def _watch(
        self, label: str, began: float, command: Sequence[str], cwd: Path, env: Mapping[str, str], output: IO[str]
    ) -> int:
        # A group of its own, so that the compilers that go has started end with it when we are interrupted.
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=output, stderr=subprocess.STDOUT, process_group=0)
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return process.wait(_TERMINAL_INTERVAL if self._terminal else _LOG_INTERVAL)
                self._tick(label, time.monotonic() - began)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _tick(self, label: str, elapsed: float) -> None:
        if self._terminal:
            self._over_line()
            print(f"control plane: {label} ... {elapsed:.0f} s", end="", file=self._stream, flush=True)
        else:
            self.say(f"{label} ... {elapsed:.0f} s")

    def _over_line(self) -> None:
        if self._terminal:
            print("\r\x1b[K", end="", file=self._stream)
