"""A watch that is behind: between an informer and its cache."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from virtsim.cluster.store import Store
from virtsim.objects.resources import Object

TWICE_AFTER_SECONDS = 0.05


@dataclass
class LateStore:
    """Passes what an informer hears on to a store: `late()` seconds later, in the same order, twice if `twice()`."""

    store: Store
    late: Callable[[], float]
    twice: Callable[[], bool]
    _waiting: deque[tuple[asyncio.TimerHandle, Callable[[], None]]] = field(default_factory=deque)
    _due: float = 0.0

    def observe(self, obj: Object) -> None:
        self._later(lambda: self._observe(obj))

    def forget(self, obj: Object) -> None:
        self._later(lambda: self.store.forget(obj))

    def keep_only(self, uids: set[str], version: int) -> None:
        self._later(lambda: self.store.keep_only(uids, version))

    def catch_up(self) -> None:
        """Everything that was heard is known at once."""
        while self._waiting:
            timer, act = self._waiting.popleft()
            timer.cancel()
            act()

    def _later(self, act: Callable[[], None]) -> None:
        seconds = self.late()
        if not seconds and not self._waiting:
            act()
            return
        loop = asyncio.get_running_loop()
        self._due = max(self._due, loop.time() + seconds)
        self._waiting.append((loop.call_at(self._due, self._next), act))

    def _next(self) -> None:
        """The oldest one, whichever timer rang: those of the same moment ring in any order."""
        _, act = self._waiting.popleft()
        act()

    def _observe(self, obj: Object) -> None:
        self.store.observe(obj)
        if self.twice():
            asyncio.get_running_loop().call_later(TWICE_AFTER_SECONDS, self.store.tell_again, obj)
