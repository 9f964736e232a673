"""The command: it ends when it is told to, whatever it is doing, and not without cleaning up."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from virtsim import __main__ as command
from virtsim.fleet.spec import Fleet
from virtsim.options import Options
from virtsim.versions import Version

pytestmark = pytest.mark.anyio


class _Simulation:
    """Stands for a simulation: how far it gets, and that it was left."""

    def __init__(self, *, starts: bool, breaks: bool = False) -> None:
        self.entered = asyncio.Event()
        self.left = False
        self._starts = starts
        self._breaks = breaks

    @asynccontextmanager
    async def running(self, *_: Any) -> AsyncIterator["_Simulation"]:
        try:
            self.entered.set()
            if not self._starts:
                await asyncio.Event().wait()
            yield self
        finally:
            await asyncio.sleep(0)  # what is registered is taken out by requests
            self.left = True

    async def crashed(self) -> None:
        if self._breaks:
            raise RuntimeError("a component breaks")
        await asyncio.Event().wait()


@pytest.mark.parametrize("starts", [True, False])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_when_it_is_told_to(
    monkeypatch: pytest.MonkeyPatch, starts: bool, number: signal.Signals
) -> None:
    simulation = _Simulation(starts=starts)
    monkeypatch.setattr(command, "running", simulation.running)
    simulating = asyncio.create_task(command.simulate(Path("kubeconfig"), Fleet(), Options()))
    await simulation.entered.wait()
    os.kill(os.getpid(), number)
    await asyncio.wait_for(simulating, 10)
    assert simulation.left


async def test_it_raises_what_breaks_a_component(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = _Simulation(starts=True, breaks=True)
    monkeypatch.setattr(command, "running", simulation.running)
    with pytest.raises(RuntimeError, match="a component breaks"):
        await command.simulate(Path("kubeconfig"), Fleet(), Options())
    assert simulation.left


async def test_the_version_is_chosen_by_its_minor() -> None:
    words = ["--kubeconfig", "k", "--fleet", "f"]
    assert command.options(command.parser().parse_args(words)).version == Version(9)
    assert command.options(command.parser().parse_args([*words, "--kubevirt-version", "1.5"])).version == Version(5)
    with pytest.raises(SystemExit):
        command.parser().parse_args([*words, "--kubevirt-version", "1.4"])
