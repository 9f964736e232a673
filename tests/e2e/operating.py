"""The operator as a process of its own, with the credentials of the chart's account."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from controlplane import child

READY_WITHIN_SECONDS = 20.0
STOPPED_WITHIN_SECONDS = 10.0
_LOOK_EVERY = 0.02
_INHERITED = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}


class Operator:
    """One operator, started, stopped or killed, and started again; all its runs log into one file.

    `module` is what is run: the operator, or an entry point that does something to it.
    """

    def __init__(self, kubeconfig: Path, arguments: Sequence[str], log: Path) -> None:
        self._arguments = [f"--kubeconfig={kubeconfig}", "--http-host=127.0.0.1", "--http-port=0", *arguments]
        self._log = log
        self._begins = 0
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the operator was not started"
        return self._process

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def start(self, module: str = "drover.main", **environment: str) -> None:
        """Returns when it is ready, or has ended."""
        self.launch(module, **environment)
        await self.ready()

    def launch(self, module: str = "drover.main", **environment: str) -> None:
        """Start it, and wait for nothing."""
        assert not self.running, "it runs already"
        command = [sys.executable, "-m", module, *self._arguments]
        self._begins, self._port = self.logged(), 0
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", child.__file__, str(os.getpid()), *command],
                env={"PATH": os.defpath, "HOME": str(self._log.parent), **_INHERITED, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    async def ready(self) -> None:
        """Returns when /readyz says so, or it has ended. Raises AssertionError if neither comes."""
        try:
            async with asyncio.timeout(READY_WITHIN_SECONDS):
                while self.running and (await self.get("/readyz"))[0] != 200:  # noqa: ASYNC110 - a process
                    await asyncio.sleep(_LOOK_EVERY)
        except TimeoutError:
            raise AssertionError(f"the operator is not ready:\n{self.last_lines()}") from None

    async def ended(self) -> int:
        """Its exit code, or the negative number of the signal that killed it, when it has ended."""
        while (code := self.process.poll()) is None:  # noqa: ASYNC110 - a process
            await asyncio.sleep(_LOOK_EVERY)
        return code

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return await asyncio.wait_for(self.ended(), STOPPED_WITHIN_SECONDS)

    def kill(self) -> None:
        """SIGKILL, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def get(self, path: str) -> tuple[int, str]:
        """The status and the text of one of its pages; status 0 while it serves none."""
        port = self._port or self._serves_at()
        if not port:
            return 0, ""
        try:
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status, await answer.text()
        except aiohttp.ClientError:
            return 0, ""

    def logged(self) -> int:
        """The bytes in its log by now."""
        return self._log.stat().st_size if self._log.exists() else 0

    def said(self, since: int = 0) -> list[dict[str, Any]]:
        """Its log from a place on: what it wrote as JSON, and other lines as messages of level "other"."""
        return [_entry(line) for line in self._lines(since)]

    def last_lines(self, count: int = 25) -> str:
        return "\n".join(self._lines(0)[-count:])

    def _lines(self, since: int) -> list[str]:
        if not self._log.exists():
            return []
        return self._log.read_bytes()[since:].decode(errors="replace").splitlines()

    def _serves_at(self) -> int:
        for line in self._lines(self._begins):
            if "probes and metrics at" in line and "'127.0.0.1', " in line:
                self._port = int(line.split("'127.0.0.1', ")[1].split(")")[0])
        return self._port


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {"level": "other", "message": line}
    return entry if isinstance(entry, dict) else {"level": "other", "message": line}
