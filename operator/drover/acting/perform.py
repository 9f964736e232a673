"""Action -> Outcome: the only way anything is written. Order does not matter; starts go one by one, so that each is
checked against the slots and the room the one before has taken."""

import asyncio
from collections.abc import Iterable
from functools import partial

from drover.acting import migrations, nodes, objects
from drover.acting.outcome import Hands, Outcome, attempt
from drover.running.actions import (
    Action,
    CancelMigration,
    Cordon,
    EnsurePlan,
    SaveRecords,
    SetFinalizer,
    StartMigration,
    Tell,
    Uncordon,
)


async def perform(actions: Iterable[Action], hands: Hands) -> list[Outcome]:
    """Do all of them."""
    starts = [action for action in actions if isinstance(action, StartMigration)]
    others = [action for action in actions if not isinstance(action, StartMigration)]
    started, done = await asyncio.gather(_starts(starts, hands), _all(others, hands))
    created = [migrations.told(start) for start, outcome in zip(starts, started, strict=True) if outcome.error is None]
    await _all([event for pair in created for event in pair], hands)
    return [*started, *done]


async def _all(actions: Iterable[Action], hands: Hands) -> list[Outcome]:
    return list(await asyncio.gather(*(_one(action, hands) for action in actions)))


async def _starts(actions: Iterable[StartMigration], hands: Hands) -> list[Outcome]:
    """One after the other: the create of one is in the Store before the next is asked about."""
    return [await attempt(each, hands, partial(migrations.start, each, hands)) for each in actions]


async def _one(action: Action, hands: Hands) -> Outcome:
    return await attempt(action, hands, partial(_write, action, hands))


async def _write(action: Action, hands: Hands) -> None:
    match action:
        case CancelMigration():
            await migrations.cancel(action, hands)
        case Cordon():
            await nodes.cordon(action, hands)
        case Uncordon():
            await nodes.uncordon(action, hands)
        case EnsurePlan():
            await objects.ensure_plan(action, hands)
        case SetFinalizer():
            await objects.set_finalizer(action, hands)
        case SaveRecords():
            await objects.save_records(action, hands)
        case Tell():
            await objects.tell(action, hands)
