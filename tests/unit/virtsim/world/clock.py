"""Time that stands still until a test moves it, for event loops and for timestamps."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import TypeVarTuple, Unpack

Ts = TypeVarTuple("Ts")

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class SteppedLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers fire only when `advance` has reached them."""

    def __init__(self) -> None:
        super().__init__()
        self._moment = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []

    def time(self) -> float:
        return self._moment

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = super().call_at(when, callback, *args, context=context)
        heapq.heappush(self._timers, (when, next(self._order), handle))
        return handle

    def next_timer(self) -> float | None:
        """In how many seconds the next timer is due, or None if there is none."""
        while self._timers and (self._timers[0][2].cancelled() or self._timers[0][0] <= self._moment):
            heapq.heappop(self._timers)
        return self._timers[0][0] - self._moment if self._timers else None

    def advance(self, seconds: float) -> None:
        self._moment += seconds

    def wall_clock(self) -> datetime:
        return BEGINNING + timedelta(seconds=self._moment)
