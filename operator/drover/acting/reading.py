"""Live reads: what is about to be decided on again is read from the API server, not from a cache."""

from typing import TypeVar

from drover.acting.outcome import Hands
from drover.facts.wire import Key
from drover.watching.client import ApiError
from drover.watching.resources import Resource, Thing

T = TypeVar("T", bound=Thing)


async def refresh(resource: Resource[T], key: Key, hands: Hands) -> bool:
    """Read one object and put it into the Store. False if it is not there.

    Raises:
        ApiError: it could not be read.
    """
    return await live(resource, key, hands) is not None


async def live(resource: Resource[T], key: Key, hands: Hands) -> T | None:
    """One object as it is now, or None if it is not there.

    Raises:
        ApiError: it could not be read.
    """
    try:
        answer = await hands.client.get(resource.item(key))
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    thing = resource.decode(answer)
    hands.store.put(resource, thing)
    return thing
