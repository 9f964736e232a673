"""A work queue as client-go's: one entry per key, never processed twice at once, delays, back-off, priorities."""

import asyncio
import heapq
import itertools
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_BACKOFF_SECONDS = 0.005
LONGEST_BACKOFF_SECONDS = 1000.0


class WorkQueue(Generic[K]):
    """Keys to process, highest priority first, first in first out within one priority."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, K]] = []
        self._waiting: dict[K, int] = {}
        self._processing: dict[K, int] = {}
        self._again: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._order = itertools.count()
        self._ready = asyncio.Event()

    def add(self, key: K, priority: int = 0) -> None:
        """Wants the key processed; while it is being processed, once more afterwards."""
        if key in self._processing:
            self._again[key] = max(priority, self._again.get(key, priority))
        elif self._waiting.get(key, priority - 1) < priority:
            self._waiting[key] = priority
            heapq.heappush(self._heap, (-priority, next(self._order), key))
            self._ready.set()

    def add_after(self, key: K, seconds: float, priority: int | None = None) -> None:
        """Wants the key processed later; an earlier appointment of the same key stays.

        A key that is being processed keeps its priority, unless another one is given.
        """
        loop = asyncio.get_running_loop()
        if priority is None:
            priority = self._processing.get(key, 0)
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= loop.time() + seconds:
                return
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key, priority)

    def retry(self, key: K, priority: int | None = None, longest: float = LONGEST_BACKOFF_SECONDS) -> None:
        """Wants the key processed again after a failure: 5 ms, doubled each time up to `longest` seconds.

        The priority is as in `add_after`.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(FIRST_BACKOFF_SECONDS * 2.0 ** min(failures, 30), longest), priority)

    def succeeded(self, key: K) -> None:
        self._failures.pop(key, None)

    async def get(self) -> K:
        """The next key. The caller must call `done` with it."""
        while True:
            while self._heap:
                negative, _, key = heapq.heappop(self._heap)
                if self._waiting.get(key) == -negative:
                    self._processing[key] = self._waiting.pop(key)
                    return key
            self._ready.clear()
            await self._ready.wait()

    def done(self, key: K) -> None:
        self._processing.pop(key, None)
        if key in self._again:
            self.add(key, self._again.pop(key))

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _due(self, key: K, priority: int) -> None:
        del self._timers[key]
        self.add(key, priority)
