"""A level-triggered controller: a work queue and the tasks that empty it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import ClassVar

import aiohttp

from virtsim.cluster.client import ApiError
from virtsim.cluster.queue import WorkQueue
from virtsim.cluster.store import Listener, Store
from virtsim.objects.resources import Key

logger = logging.getLogger(__name__)

Reconcile = Callable[[Key], Awaitable[float | None]]
"""Makes what is so a step more like what should be; answers after how many seconds to look again, or None."""

Priority = Callable[[Key], int]
"""How urgent a key is that comes back by itself, after a delay or a failure."""

LONGEST_OUTAGE_SECONDS = 16.0
"""The longest pause while the API server is not reached: the simulator has to be back as soon as it is."""

EXPECTED_CODES = frozenset({404, 409, 422})
"""What a race with another writer is answered with: the next look sees what won."""


class Controller:
    """Runs one reconcile function over keys, `workers` at a time, with back-off per key.

    `strict`: what a reconcile function raises unexpectedly ends the controller instead of being logged and tried again.
    """

    strict: ClassVar[bool] = False

    def __init__(self, name: str, reconcile: Reconcile, workers: int, priority: Priority = lambda key: 0) -> None:
        self.name = name
        self._priority = priority
        self.queue: WorkQueue[Key] = WorkQueue()
        self._reconcile = reconcile
        self._workers = workers

    async def run(self, *listening: tuple[Store, Listener]) -> None:
        """Never returns. While it runs, the listeners are told of changes, and first of everything that is there."""
        for store, listener in listening:
            store.subscribe(listener)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._workers):
                    group.create_task(self._work())
        finally:
            for store, listener in listening:
                store.unsubscribe(listener)
            self.queue.close()

    async def _work(self) -> None:
        while True:
            # A reconcile that writes nothing awaits nothing: thousands of them would keep everybody else waiting.
            await asyncio.sleep(0)
            key = await self.queue.get()
            try:
                await self._process(key)
            finally:
                self.queue.done(key)

    async def _process(self, key: Key) -> None:
        try:
            again = await self._reconcile(key)
        except ApiError as error:
            level = logging.DEBUG if error.code in EXPECTED_CODES else logging.WARNING
            logger.log(level, "%s %s/%s: %s", self.name, *key, error)
            self.queue.retry(key, self._priority(key))
        except (aiohttp.ClientError, TimeoutError) as error:
            logger.warning("%s %s/%s: %s", self.name, *key, error or type(error).__name__)
            self.queue.retry(key, self._priority(key), LONGEST_OUTAGE_SECONDS)
        except Exception:
            # An object that nobody thought of must not end the component for all others.
            logger.exception("%s %s/%s", self.name, *key)
            if self.strict:
                raise
            self.queue.retry(key, self._priority(key))
        else:
            self.queue.succeeded(key)
            if again is not None:
                self.queue.add_after(key, again, self._priority(key))
