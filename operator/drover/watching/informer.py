"""Keeps one resource of the Store up to date, whatever the connection and the API server do in between.

Lists once, then watches from there on; a list again only when versions got lost, and with a diff against the Store,
so that what was deleted meanwhile is delivered. The rules are those of client-go (tools/cache/reflector.go).
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Generic, TypeVar

from drover.watching.client import ApiError, Client
from drover.watching.listing import list_all, list_one, read_event
from drover.watching.resources import Resource, Stub, Thing
from drover.watching.store import Store, utc_now

log = logging.getLogger(__name__)

T = TypeVar("T", bound=Thing)
FIRST_BACKOFF = 0.2
LAST_BACKOFF = 30.0
ABSENT_SECONDS = 5.0
IDLE_SECONDS = 60.0
WATCH_SECONDS = 240.0
FAILURES_BEFORE_LIST = 3
MISSES_BEFORE_FORGET = 3


class Informer(Generic[T]):
    """Runs until it is cancelled. `sleep` and `jitter` (0 to 1) are injected by tests.

    `idle_seconds` of silence end a watch, because its connection may be half open. A resource in which nothing changes
    is silent for minutes, too: kube-apiserver 1.36 sends no bookmark where there was no event since the last one. So
    after a silence the server is asked for one object, which it cannot answer without etcd, and then to go on watching
    where the last watch left off: when it agrees to both, the resource was heard of.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource[T],
        store: Store,
        *,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._client = client
        self._resource = resource
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._idle_seconds = idle_seconds
        self._version = ""
        self._failures = 0
        self._misses = 0
        self._forbidden = False
        self._open = False
        self._was_silent = False

    async def run(self) -> None:
        """List and watch, for ever."""
        while True:
            try:
                if not self._version:
                    await self._list()
                if self._was_silent:
                    await list_one(self._client, self._resource)
                await self._watch()
            except ApiError as error:
                await self._sleep(self._after(error))
            except TimeoutError:
                log.debug("the watch of %s was silent for %s s", self._resource.plural, self._idle_seconds)
                self._was_silent = True
                if not self._open:
                    await self._sleep(self._backoff())
            except Exception:
                # Nothing may end an informer: what it keeps would grow old in silence.
                log.exception("the watch of %s failed", self._resource.plural)
                self._version = ""
                await self._sleep(self._backoff())

    async def _list(self) -> None:
        listing = await list_all(self._client, self._resource)
        self._store.read(self._resource, listing)
        self._store.present(self._resource)
        self._store.heard(self._resource, self._clock())
        self._version = listing.resource_version
        self._misses = 0
        self._forbidden = False

    async def _watch(self) -> None:
        params = {
            **self._resource.params,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(int(WATCH_SECONDS + 60 * self._jitter())),
        }
        heard = self._open = False
        stream = self._client.stream(self._resource.collection(), params, self._idle_seconds, self._opened)
        async with aclosing(stream) as lines:
            async for line in lines:
                self._take(line)
                self._store.heard(self._resource, self._clock())
                self._failures = 0
                heard = True
        if not heard:
            # A proxy that ends every watch at once must not make us ask in a tight loop.
            raise ApiError(0, "Ended", "the watch ended before anything came")

    def _opened(self) -> None:
        """Everything since the version that we have comes now; after a silence most likely nothing."""
        self._open = True
        if self._was_silent:
            self._was_silent = False
            self._store.heard(self._resource, self._clock())

    def _take(self, line: bytes) -> None:
        try:
            event = read_event(self._resource, line)
        except ApiError:
            # Whatever the error is (410 when etcd was compacted), this version may be of no more use: list again.
            self._version = ""
            raise
        thing = event.object
        if event.type == "DELETED":
            self._store.remove(self._resource, thing)
        elif isinstance(thing, Stub) and event.type != "BOOKMARK":
            self._store.cannot_read(self._resource, thing)
        elif not isinstance(thing, Stub):
            self._store.put(self._resource, thing)
        self._version = thing.metadata.resource_version

    def _after(self, error: ApiError) -> float:
        """What an error means for the next attempt; returns the seconds until then."""
        if error.status == 404:
            return self._missing()
        if error.status == 410:
            self._version = ""
        self._report(error)
        return max(self._backoff(), error.retry_after or 0.0)

    def _report(self, error: ApiError) -> None:
        """Say it once: what goes on is visible in the age of the snapshot."""
        if error.status == 403:
            if not self._forbidden:
                log.error("may not list or watch %s and goes on trying: %s", self._resource.plural, error.message)
            self._forbidden = True
        elif self._failures == 0:
            log.warning("the watch of %s was interrupted: %s", self._resource.plural, error)

    def _missing(self) -> float:
        """The kind is not served. One 404 can be a server that has just started; several in a row mean it is gone."""
        self._version = ""
        self._misses += 1
        self._store.absent(self._resource)
        if self._misses == MISSES_BEFORE_FORGET:
            self._store.forget(self._resource)
        return ABSENT_SECONDS * (1 + self._jitter())

    def _backoff(self) -> float:
        """Doubling, with jitter. After several failures in a row the version may be what is wrong: list again."""
        self._failures += 1
        if self._failures >= FAILURES_BEFORE_LIST:
            self._version = ""
        ceiling = min(LAST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(self._failures - 1, 10))
        return ceiling * (0.5 + 0.5 * self._jitter())
