"""The informer against an API server that misbehaves: one test for each fault."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from drover.facts.snapshot import Snapshot
from drover.watching import listing
from drover.watching.client import Client
from drover.watching.informer import Informer
from drover.watching.resources import NODES, PODS, VMIMS, Resource
from drover.watching.store import Store
from tests.unit.watching.objects import an_object
from tests.unit.watching.server import Fault, Server, a_kubeconfig, errs, eventually, refuses, says, serving

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """A server, an informer of its nodes, and the Store between them."""

    def __init__(self) -> None:
        self.server = Server()
        self.store = Store(clock=lambda: NOW)
        self.sleeps: list[float] = []
        self.seen_asleep: list[Snapshot] = []

    async def sleep(self, seconds: float) -> None:
        """Takes no time."""
        self.sleeps.append(seconds)
        self.seen_asleep.append(self.seen)
        await asyncio.sleep(0)

    @property
    def seen(self) -> Snapshot:
        return self.store.snapshot(NOW)

    @property
    def names(self) -> set[str]:
        return {name for _, name in self.seen.nodes}

    async def shows(self, *names: str) -> None:
        """Wait until the Store has these nodes and no others, as of a complete list."""
        await eventually(lambda: self.names == set(names) and "nodes" not in self.seen.stale | self.seen.absent)

    async def watches(self) -> None:
        await eventually(lambda: self.server.watching > 0)


@pytest.fixture
def world() -> World:
    return World()


@asynccontextmanager
async def informing(
    world: World,
    directory: Path,
    resource: Resource[Any] = NODES,
    idle_seconds: float = 60.0,
    clock: Callable[[], datetime] = lambda: NOW,
) -> AsyncIterator[asyncio.Task[None]]:
    async with serving(world.server.handle) as url:
        client = Client()
        await client.open(a_kubeconfig(directory, url))
        informer = Informer(
            client,
            resource,
            world.store,
            clock=clock,
            sleep=world.sleep,
            jitter=lambda: 1.0,
            idle_seconds=idle_seconds,
        )
        task = asyncio.create_task(informer.run())
        try:
            yield task
            assert not task.done(), "the informer ended"
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await client.close()


async def test_follows_creations_changes_and_deletions(world: World, tmp_path: Path) -> None:
    await world.server.put(an_object("a", 0))
    async with informing(world, tmp_path):
        await world.shows("a")
        await world.server.put(an_object("b", 0))
        await world.shows("a", "b")
        await world.server.put(an_object("b", 0, labels={"zone": "1"}))
        await eventually(lambda: world.seen.nodes["", "b"].labels == {"zone": "1"})
        await world.server.delete("a")
        await world.shows("b")
    assert len(world.server.lists) == 1
    assert world.sleeps == []


async def test_asks_for_pages_and_for_bookmarks(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)
    for name in "abcde":
        await world.server.put(an_object(name, 0, namespace="tenant", status={"phase": "Running"}))
    async with informing(world, tmp_path, resource=PODS):
        await world.watches()
        assert {name for _, name in world.seen.pods} == set("abcde")
    assert [request.query.get("continue") for request in world.server.lists] == [None, "2", "4"]
    (watch,) = world.server.watches
    assert watch.query["allowWatchBookmarks"] == "true"
    assert watch.query["resourceVersion"] == "105"
    assert watch.query["timeoutSeconds"] == "300"
    assert watch.query["fieldSelector"] == "status.phase!=Succeeded,status.phase!=Failed"


async def test_a_pod_that_leaves_the_selection_is_gone(world: World, tmp_path: Path) -> None:
    """The API server says DELETED when an object no longer matches the field selector."""
    await world.server.put(an_object("a", 0, namespace="tenant", status={"phase": "Running"}))
    async with informing(world, tmp_path, resource=PODS):
        await eventually(lambda: len(world.seen.pods) == 1)
        await world.server.delete("a", "tenant")
        await eventually(lambda: not world.seen.pods)


async def test_a_watch_that_is_cut_goes_on_where_it_was(world: World, tmp_path: Path) -> None:
    event = {"type": "ADDED", "object": an_object("b", 103)}
    await world.server.put(an_object("a", 0))
    world.server.watch_faults.append(says(event))
    async with informing(world, tmp_path):
        await world.shows("a", "b")
        await world.watches()
    assert len(world.server.lists) == 1
    assert [request.query["resourceVersion"] for request in world.server.watches] == ["101", "103"]


async def test_a_bookmark_moves_where_it_goes_on(world: World, tmp_path: Path) -> None:
    world.server.watch_faults.append(says({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "777"}}}))
    async with informing(world, tmp_path):
        await world.watches()
    assert [request.query["resourceVersion"] for request in world.server.watches] == ["100", "777"]


@pytest.mark.parametrize(
    "fault",
    [refuses(410, "Gone"), errs(410, "Expired"), errs(500, "InternalError"), says("<html>"), says({"kind": "Odd"})],
    ids=["410 in the response", "410 in an event", "500 in an event", "no JSON", "no event"],
)
async def test_a_watch_that_lost_its_place_lists_again_and_delivers_deletions(
    world: World, tmp_path: Path, fault: Fault
) -> None:
    await world.server.put(an_object("a", 0))
    await world.server.put(an_object("b", 0))

    async def meanwhile(request: web.Request) -> web.StreamResponse:
        await world.server.delete("a")
        world.server.compact()
        return await fault(request)

    world.server.watch_faults.append(meanwhile)
    async with informing(world, tmp_path):
        await world.shows("b")
        await world.watches()
    assert len(world.server.lists) == 2
    assert world.sleeps == [0.2]


async def test_an_old_version_is_found_out_by_the_server_too(world: World, tmp_path: Path) -> None:
    world.server.watch_faults.append(says({"type": "ADDED", "object": an_object("ghost", 1)}))
    world.server.compacted = 50
    async with informing(world, tmp_path):
        await world.watches()
        await world.shows()
    assert len(world.server.lists) == 2


@pytest.mark.parametrize(
    "fault", [refuses(503, "ServiceUnavailable"), refuses(500, "InternalError"), refuses(401, "Unauthorized")]
)
async def test_a_list_that_fails_is_tried_again_ever_more_slowly(world: World, tmp_path: Path, fault: Fault) -> None:
    await world.server.put(an_object("a", 0))
    world.server.list_faults.extend([fault] * 9)
    async with informing(world, tmp_path):
        await world.shows("a")
    assert world.sleeps == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0]


async def test_the_backoff_begins_anew_after_an_event(world: World, tmp_path: Path) -> None:
    world.server.list_faults.extend([refuses(503, "ServiceUnavailable")] * 2)
    world.server.watch_faults.extend([says({"type": "ADDED", "object": an_object("a", 101)}), refuses(500, "Oops")])
    async with informing(world, tmp_path):
        await world.watches()
    assert world.sleeps == [0.2, 0.4, 0.2]


async def test_it_waits_as_long_as_it_is_asked_to(world: World, tmp_path: Path) -> None:
    world.server.list_faults.append(refuses(429, "TooManyRequests", headers={"Retry-After": "7"}))
    async with informing(world, tmp_path):
        await world.shows()
    assert world.sleeps == [7.0]


async def test_pages_that_do_not_fit_together_are_fetched_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)
    for name in "abc":
        await world.server.put(an_object(name, 0))
    world.server.list_faults.extend([world.server.answer_list, refuses(410, "Expired")])
    async with informing(world, tmp_path):
        await world.shows("a", "b", "c")
    assert [request.query.get("continue") for request in world.server.lists] == [None, "2", None, "2"]


async def test_a_connection_that_is_half_open_is_given_up(world: World, tmp_path: Path) -> None:
    async def silence(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    world.server.watch_faults.append(silence)
    async with informing(world, tmp_path, idle_seconds=0.05):
        await world.watches()
        await world.server.put(an_object("a", 0))
        await world.shows("a")
    assert [each.query["limit"] for each in world.server.lists].count("500") == 1


async def test_where_nothing_changes_a_watch_is_opened_again_and_that_is_hearing_of_it(
    world: World, tmp_path: Path
) -> None:
    """The API server says nothing at all of a resource that is as it was, not even by a bookmark."""
    opened = 0

    async def silence(request: web.Request) -> web.StreamResponse:
        nonlocal opened
        opened += 1
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    world.server.watch_faults.extend([silence] * 5)
    times = (NOW + timedelta(seconds=60 * number) for number in itertools.count())
    async with informing(world, tmp_path, idle_seconds=0.05, clock=lambda: next(times)):
        await eventually(lambda: opened == 5)
        assert NODES.name not in world.store.snapshot(NOW + timedelta(seconds=240)).stale
        await world.watches()
    whole = [each for each in world.server.lists if each.query["limit"] != "1"]
    assert (len(whole), world.sleeps) == (1, [])


async def test_a_server_that_cannot_read_what_it_watches_is_not_heard_of(world: World, tmp_path: Path) -> None:
    """Its cache goes on serving watches when etcd is gone; lists it cannot answer."""

    async def silence(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        world.server.list_faults.extend([refuses(500, "InternalError")] * 1000)
        await asyncio.Event().wait()
        return response

    world.server.watch_faults.append(silence)
    times = (NOW + timedelta(seconds=60 * number) for number in itertools.count())
    async with informing(world, tmp_path, idle_seconds=0.05, clock=lambda: next(times)):
        await eventually(lambda: len(world.sleeps) >= 2)
        assert NODES.name in world.store.snapshot(NOW + timedelta(seconds=180)).stale


async def test_a_watch_that_ends_at_once_is_not_asked_for_in_a_tight_loop(world: World, tmp_path: Path) -> None:
    world.server.watch_faults.extend([says()] * 3)
    async with informing(world, tmp_path):
        await world.watches()
    assert world.sleeps == [0.2, 0.4, 0.8]


async def test_several_failures_in_a_row_make_it_list_again(world: World, tmp_path: Path) -> None:
    """The version itself may be what is wrong: "too large resource version" after etcd was restored from a backup."""
    world.server.watch_faults.extend([refuses(504, "Timeout", "Too large resource version")] * 3)
    async with informing(world, tmp_path):
        await world.watches()
    assert len(world.server.lists) == 2


async def test_a_restored_etcd_has_lower_versions_and_is_right(world: World, tmp_path: Path) -> None:
    await world.server.put(an_object("a", 0))
    await world.server.put(an_object("b", 0))

    async def restored(request: web.Request) -> web.StreamResponse:
        assert world.names == {"a", "b"}
        world.server.restore(an_object("a", 5, labels={"restored": "yes"}), version=7)
        return await errs(410, "Expired")(request)

    world.server.watch_faults.append(restored)
    async with informing(world, tmp_path):
        await world.shows("a")
        await world.watches()
        assert world.names == {"a"}
        assert world.seen.nodes["", "a"].labels == {"restored": "yes"}


async def test_a_kind_that_is_absent_is_known_as_absent_and_found_when_it_comes(world: World, tmp_path: Path) -> None:
    world.server.list_faults.extend([refuses(404, "NotFound")] * 2)
    async with informing(world, tmp_path):
        await world.shows()
    assert ["nodes" in seen.absent for seen in world.seen_asleep] == [True, True]
    assert ["nodes" in seen.stale for seen in world.seen_asleep] == [False, False]
    assert world.sleeps == [10.0, 10.0]


async def test_objects_of_a_kind_that_vanished_are_forgotten_but_not_at_the_first_404(
    world: World, tmp_path: Path
) -> None:
    await world.server.put(an_object("a", 0))
    world.server.watch_faults.append(refuses(404, "NotFound"))
    world.server.list_faults.extend([world.server.answer_list, *[refuses(404, "NotFound")] * 3])
    async with informing(world, tmp_path):
        await world.watches()
        await world.shows("a")
    assert [len(seen.nodes) for seen in world.seen_asleep] == [1, 1, 0, 0]


async def test_forbidden_is_said_once_and_tried_on(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.server.list_faults.extend([refuses(403, "Forbidden", 'nodes is forbidden: User "x" cannot list')] * 3)
    async with informing(world, tmp_path):
        await world.shows()
    said = [record.getMessage() for record in caplog.records]
    assert said == ['may not list or watch nodes and goes on trying: nodes is forbidden: User "x" cannot list']


async def test_an_object_that_cannot_be_read_is_left_out_and_named(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await world.server.put(an_object("good", 0))
    await world.server.put(an_object("bad", 0, spec={"unschedulable": "perhaps"}))
    async with informing(world, tmp_path):
        await world.shows("good")
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "Node /bad cannot be read" in record.getMessage()


async def test_an_object_that_becomes_unreadable_leaves_no_old_facts(world: World, tmp_path: Path) -> None:
    await world.server.put(an_object("a", 0))
    async with informing(world, tmp_path):
        await world.shows("a")
        await world.server.put(an_object("a", 0, spec={"unschedulable": "perhaps"}))
        await world.shows()
        await world.server.put(an_object("b", 0))
        await world.server.put(an_object("a", 0, spec={"unschedulable": True}))
        await world.shows("a", "b")
    assert len(world.server.lists) == 1


async def test_every_line_is_a_sign_of_life(world: World, tmp_path: Path) -> None:
    times = iter(datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC) for second in range(60))
    world.store.heard(NODES, NOW)
    async with serving(world.server.handle) as url:
        client = Client()
        await client.open(a_kubeconfig(tmp_path, url))
        task = asyncio.create_task(Informer(client, NODES, world.store, clock=lambda: next(times)).run())
        await world.watches()
        listed = world.seen.heard["nodes"]
        await world.server.bookmark()
        await eventually(lambda: world.seen.heard["nodes"] > listed)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await client.close()


async def test_the_last_state_of_a_migration_that_was_deleted_is_the_one_in_the_event(
    world: World, tmp_path: Path
) -> None:
    body = an_object("m", 0, namespace="tenant", labels={"drover.dev/plan-uid": "p"}, status={"phase": "Running"})
    await world.server.put(body)
    async with informing(world, tmp_path, resource=VMIMS):
        await eventually(lambda: len(world.seen.vmims) == 1)
        world.server.objects["tenant", "m"] = body | {"status": {"phase": "Succeeded"}}
        await world.server.delete("m", "tenant")
        await eventually(lambda: not world.seen.vmims)
    assert world.seen.gone["tenant", "m"].phase == "Succeeded"


async def test_nothing_ends_it_but_being_cancelled(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await world.server.put(an_object("a", 0))
    replace = world.store.replace
    broken = iter([True])

    def replacing(*args: Any) -> bool:
        if next(broken, False):
            raise RuntimeError("a bug")
        return replace(*args)

    monkeypatch.setattr(world.store, "replace", replacing)
    async with informing(world, tmp_path):
        await world.shows("a")
    assert "a bug" in caplog.text


async def test_when_cancelled_it_hangs_up(world: World, tmp_path: Path) -> None:
    async with informing(world, tmp_path):
        await world.watches()
    assert world.server.watching == 0
