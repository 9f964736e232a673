"""Cache, work queue and quantities: the parts everything else stands on."""

import asyncio
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtsim.cluster.client import Client
from virtsim.cluster.controller import Controller
from virtsim.cluster.events import Recorder
from virtsim.cluster.queue import WorkQueue
from virtsim.cluster.store import Store
from virtsim.objects import quantity
from virtsim.objects.resources import Key, Object, Resource


def _obj(version: int, *, uid: str = "u1", name: str = "a", colour: str = "red") -> Object:
    return {"metadata": {"name": name, "uid": uid, "resourceVersion": str(version)}, "colour": colour}


def _store() -> tuple[Store, list[tuple[str, str]]]:
    store = Store(colour=lambda obj: [obj["colour"]])
    told: list[tuple[str, str]] = []

    def listener(before: Object | None, after: Object | None) -> None:
        told.append(((before or {}).get("colour", "-"), (after or {}).get("colour", "-")))

    store.subscribe(listener)
    return store, told


def test_an_older_version_is_ignored() -> None:
    store, told = _store()
    for obj in (_obj(5), _obj(7, colour="blue"), _obj(5), _obj(7, colour="green")):
        store.observe(obj)
    assert told == [("-", "red"), ("red", "blue")]
    assert [store.count("colour", colour) for colour in ("red", "blue", "green")] == [0, 1, 0]


def test_an_answer_that_comes_after_the_end_brings_nothing_back() -> None:
    store, told = _store()
    store.observe(_obj(5))
    store.forget(_obj(6))
    store.observe(_obj(6, colour="blue"))
    assert store.get("", "a") is None
    store.observe(_obj(8, uid="u2"))
    store.forget(_obj(6))
    assert store.by("colour", "red") == [_obj(8, uid="u2")]
    assert told == [("-", "red"), ("red", "-"), ("-", "red")]


def test_a_fresh_list_forgets_what_is_not_in_it() -> None:
    store, _ = _store()
    store.observe(_obj(1))
    store.observe(_obj(2, uid="u2", name="b"))
    store.observe(_obj(6, uid="u3", name="c"))
    store.keep_only({"u2"}, 5)
    assert [obj["metadata"]["name"] for obj in store] == ["b", "c"], "what was written since is not gone"


def test_what_was_created_is_expected_until_it_was_heard_of_or_is_gone() -> None:
    store, _ = _store()
    for uid in ("u1", "u2", "u3"):
        store.written(_obj(1, uid=uid, name=uid))
    store.observe(_obj(1, uid="u1", name="u1"))
    store.forget(_obj(1, uid="u2", name="u2"))
    assert [store.is_unheard(uid) for uid in ("u1", "u2", "u3")] == [False, False, True]
    store.observe(_obj(4, uid="u4", name="u4"))
    store.written(_obj(4, uid="u4", name="u4"))
    assert not store.is_unheard("u4"), "the watch was quicker than the answer"
    store.written(_obj(9, uid="u2", name="u2"))
    assert not store.is_unheard("u2"), "the answer came after its end"


async def _drain(queue: WorkQueue[str], count: int) -> list[str]:
    keys = []
    for _ in range(count):
        key = await asyncio.wait_for(queue.get(), 1)
        keys.append(key)
        queue.done(key)
    return keys


@pytest.mark.anyio
async def test_highest_priority_first_and_each_key_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key, priority in (("low", 0), ("mid", 50), ("high", 100), ("low", 0), ("low2", 0), ("mid", 1000)):
        queue.add(key, priority)
    assert await _drain(queue, 4) == ["mid", "high", "low", "low2"]


@pytest.mark.anyio
async def test_a_key_added_while_it_is_processed_comes_again_once_it_is_done() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    queue.add("a")
    queue.add("b")
    assert await _drain(queue, 1) == ["b"]
    queue.done(key)
    assert await _drain(queue, 1) == ["a"]
    queue.add("c")
    assert await _drain(queue, 1) == ["c"]


@pytest.mark.anyio
async def test_the_earlier_appointment_stays() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 0.01)
    queue.add_after("a", 60)
    assert await _drain(queue, 1) == ["a"]
    queue.add_after("b", 60)
    queue.add_after("b", 0.01)
    assert await _drain(queue, 1) == ["b"]
    queue.add_after("c", 60)
    queue.close()


@pytest.mark.anyio
async def test_what_looks_again_keeps_its_priority() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("urgent", 100)
    key = await queue.get()
    queue.add_after(key, 0.01)
    queue.done(key)
    await asyncio.sleep(0)
    for number in range(3):
        queue.add(f"other-{number}", 50)
    waiting = await _drain(queue, 1)
    while queue._timers:  # noqa: ASYNC110 - the appointment comes
        await asyncio.sleep(0.001)
    assert [*waiting, *await _drain(queue, 3)] == ["other-0", "urgent", "other-1", "other-2"]


@pytest.mark.anyio
async def test_keys_that_need_no_writing_leave_the_loop_to_others() -> None:
    processed: list[Key] = []

    async def reconcile(key: Key) -> None:
        processed.append(key)

    controller = Controller("idle", reconcile, workers=2)
    for number in range(1000):
        controller.queue.add(("", str(number)))
    running = asyncio.create_task(controller.run())
    for _ in range(10):
        await asyncio.sleep(0)
    assert 0 < len(processed) < 100
    running.cancel()


QUANTITIES = [
    ("500m", Fraction(1, 2)),
    ("2", Fraction(2)),
    (4, Fraction(4)),
    ("1.5Gi", Fraction(3 * 2**29)),
    ("1k", Fraction(1000)),
    ("12E", Fraction(12 * 10**18)),
    ("12e6", Fraction(12 * 10**6)),
    ("12Ei", Fraction(12 * 2**60)),
    ("0", Fraction(0)),
]


@pytest.mark.parametrize(("text", "value"), QUANTITIES)
def test_quantities(text: str | int, value: Fraction) -> None:
    assert quantity.parse(text) == value


@pytest.mark.parametrize("text", ["", "Gi", "4 Gi x", "4gi", "1/2", "1_0", "many"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="no Kubernetes quantity"):
        quantity.parse(text)


@settings(deadline=None)
@given(st.integers(0, 2**62))
def test_bytes_survive_being_written(value: int) -> None:
    assert quantity.size(quantity.binary(value)) == value


@settings(deadline=None)
@given(st.integers(1, 10**6))
def test_cores_survive_being_written(thousandths: int) -> None:
    assert quantity.parse(quantity.milli(Fraction(thousandths, 1000))) == Fraction(thousandths, 1000)


@pytest.mark.anyio
async def test_two_components_tell_of_one_object_without_meeting() -> None:
    """Each began to count at nothing once: the second one's first event was refused as one that was there."""
    names: list[str] = []

    class Names(Client):
        async def create(self, resource: Resource, obj: Object, subresource: str = "", **query: str) -> Object:
            names.append(obj["metadata"]["name"])
            return obj

    metadata = {"namespace": "shop", "name": "web", "uid": "vmi-uid"}
    vmi = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": metadata}
    for component in ("virtualmachine-controller", "evacuation-controller"):
        recorder = Recorder(Names(None, None), component)  # type: ignore[arg-type]
        recorder.normal(vmi, "SuccessfulCreate", component)
        writing = asyncio.create_task(recorder.run())
        await recorder._told.join()
        writing.cancel()
    assert len(set(names)) == 2
