"""What goes wrong on request: how it is read, events that come late and twice, a process that starts anew."""

import asyncio
from typing import Any, cast

import pytest

from tests.unit.virtsim.world.clock import SteppedLoop
from tests.unit.virtsim.world.objects import a_kubevirt
from virtsim.cluster.caches import Caches
from virtsim.cluster.chaos import Chaos, Mischief, mischief
from virtsim.cluster.client import Client
from virtsim.cluster.late_store import LateStore
from virtsim.cluster.store import Store
from virtsim.objects.resources import Object

PREFIX = "virtsim.drover.dev/"
WISHES = [
    ({}, Mischief()),
    ({"conflicts": "0.1", "late-events": "2", "duplicate-events": "1", "restart": "b"}, Mischief(0.1, 2.0, 1.0, "b")),
    ({"conflicts": "often", "late-events": "", "duplicate-events": "-1"}, Mischief()),
]


@pytest.mark.parametrize(("annotations", "wanted"), WISHES)
def test_what_the_annotations_ask_for(annotations: dict[str, str], wanted: Mischief) -> None:
    assert mischief({f"{PREFIX}{name}": value for name, value in annotations.items()}) == wanted


def _obj(name: str, version: int) -> Object:
    return {"metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}}


def test_what_is_late_keeps_its_order_and_some_of_it_is_told_twice() -> None:
    with asyncio.Runner(loop_factory=SteppedLoop) as runner:
        loop = cast(SteppedLoop, runner.get_loop())
        store, told, late = Store(), list[Any](), [2.0]
        store.subscribe(lambda before, after: told.append((after or before or {})["metadata"]["name"]))
        behind = LateStore(store, lambda: late[0], lambda: True)

        async def after(seconds: float) -> list[str]:
            loop.advance(seconds)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return [*told]

        async def script() -> None:
            behind.observe(_obj("a", 1))
            behind.forget(_obj("a", 1))
            late[0] = 0.0
            behind.observe(_obj("b", 2))  # nothing overtakes what still waits
            assert await after(1.9) == []
            assert await after(0.2) == ["a", "a", "b"]
            assert await after(1.0) == ["a", "a", "b", "b"]
            behind.observe(_obj("c", 3))
            assert told[4:] == ["c"], "nobody is behind any more"
            late[0] = 5.0
            behind.observe(_obj("d", 4))
            behind.catch_up()
            assert told[5:] == ["d"]

        runner.run(script())


@pytest.mark.anyio
async def test_a_process_starts_anew_when_the_text_changes() -> None:
    caches = Caches()
    chaos = Chaos(caches, cast(Client, None))
    begun, ended = [0], [0]

    async def component() -> None:
        begun[0] += 1
        try:
            await asyncio.Event().wait()
        finally:
            ended[0] += 1

    def told(version: int, text: str) -> None:
        kubevirt = a_kubevirt(5, 2)
        kubevirt["metadata"] |= {"uid": "u", "resourceVersion": str(version), "annotations": {f"{PREFIX}restart": text}}
        caches.kubevirts.observe(kubevirt)

    async def seen() -> tuple[int, int]:
        for _ in range(50):
            await asyncio.sleep(0)
        return begun[0], ended[0]

    told(1, "once")
    process = asyncio.create_task(chaos.restarting(lambda: [component(), component()]))
    assert await seen() == (2, 0)
    told(2, "once")
    assert await seen() == (2, 0)
    told(3, "twice")
    assert await seen() == (4, 2)
    process.cancel()
    assert await seen() == (4, 4)


@pytest.mark.anyio
async def test_what_stops_a_component_stops_its_process() -> None:
    async def component() -> None:
        raise ZeroDivisionError

    chaos = Chaos(Caches(), cast(Client, None))
    with pytest.raises(ExceptionGroup):
        await chaos.restarting(lambda: [component()])
