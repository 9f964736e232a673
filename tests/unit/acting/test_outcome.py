"""What becomes of a write that is refused, or that goes wrong by our fault."""

from datetime import UTC, datetime

import pytest

from drover.acting.outcome import Hands, NotAllowedError, attempt
from drover.running.actions import Uncordon
from drover.running.gates.tries import backoff
from drover.watching.client import ApiError, Client
from drover.watching.store import Store

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACTION = Uncordon("n1", unschedulable=False)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotAllowedError("the node does not carry our mark"), "NotAllowed"),
        (ApiError(403, "Forbidden", "no"), "Forbidden"),
        (ApiError(500, "", "no"), "HTTP500"),
        (ApiError(0, "", "no"), "NoAnswer"),
        (ZeroDivisionError("division by zero"), "Internal"),
    ],
)
async def test_it_is_remembered_and_stops_nothing_else(error: Exception, reason: str) -> None:
    async def fails() -> None:
        raise error

    async def works() -> None:
        return None

    store = Store()
    hands = Hands(Client(), store, lambda: NOW)
    assert (await attempt(ACTION, hands, fails)).error
    assert store.snapshot(NOW).refusals[ACTION.key].reason == reason
    assert (await attempt(ACTION, hands, works)).error is None
    assert not store.snapshot(NOW).refusals


async def test_what_is_refused_at_dispatch_again_and_again_waits_longer_each_time() -> None:
    """Whatever the words; and no longer once it went through."""

    async def fails() -> None:
        raise NotAllowedError("n2 lacks 3 GiB of memory")

    async def works() -> None:
        return None

    store = Store()
    hands = Hands(Client(), store, lambda: NOW)
    waits = []
    for _ in range(11):
        await attempt(ACTION, hands, fails)
        waits.append((backoff(store.snapshot(NOW).refusals[ACTION.key], NOW) - NOW).total_seconds())
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    await attempt(ACTION, hands, works)
    await attempt(ACTION, hands, fails)
    assert store.snapshot(NOW).refusals[ACTION.key].tries == 1
