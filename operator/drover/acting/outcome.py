"""What became of a write, and the one way to come to it."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from drover.running.actions import Action
from drover.watching.client import ApiError, Client
from drover.watching.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`error` is None when the action is done, else why not, in words."""

    action: Action
    error: str | None = None


class NotAllowedError(Exception):
    """Checked again right before the write, the action may not be done any more."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What a writer works with."""

    client: Client
    store: Store
    clock: Callable[[], datetime]


async def attempt(action: Action, hands: Hands, write: Callable[[], Awaitable[None]]) -> Outcome:
    """Do a write; what is refused becomes a Refusal in the next Snapshot, and decide backs off on it."""
    try:
        await write()
    except NotAllowedError as refusal:
        # Facts changed between decision and write: the next round decides anew. What the decision cannot see would
        # be refused every time, so this backs off like any other refusal.
        hands.store.refuse(action.key, "NotAllowed", str(refusal), hands.clock())
        return Outcome(action, str(refusal))
    except ApiError as error:
        reason = error.reason or (f"HTTP{error.status}" if error.status else "NoAnswer")
        hands.store.refuse(action.key, reason, error.message, hands.clock())
        log.warning("%s: %s", action.key, error)
        return Outcome(action, str(error))
    except Exception as defect:
        # Of this action alone: the others go on, and this one is tried again and shown.
        log.exception("%s failed", action.key)
        message = f"{type(defect).__name__}: {defect}"
        hands.store.refuse(action.key, "Internal", message, hands.clock())
        return Outcome(action, message)
    hands.store.forgive(action.key)
    return Outcome(action)
