"""Many requests at a time, but not all of them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

AT_ONCE = 24
"""Fewer than the client's connections: the watches need some, and so do those who are at work meanwhile."""

T = TypeVar("T")


async def each(items: Iterable[T], act: Callable[[T], Awaitable[object]]) -> None:
    """Acts on every item, at most 24 at a time, taking them one by one; the first failure ends it and is raised."""
    rest = iter(items)

    async def work() -> None:
        for item in rest:
            await act(item)

    tasks = [asyncio.ensure_future(work()) for _ in range(AT_ONCE)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
