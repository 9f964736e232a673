"""What is known of the cluster: fed by the informers, by kopf and by the answers to our own writes.

All calls come from one asyncio loop, and none of them awaits: there are no locks.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeVar

from drover.facts.kubevirt import VMIM
from drover.facts.snapshot import STALE_AFTER_SECONDS, Refusal, Snapshot
from drover.facts.wire import Key
from drover.watching import resources
from drover.watching.listing import Listing
from drover.watching.resources import Resource, Thing, version_of
from drover.watching.shelf import Shelf

T = TypeVar("T", bound=Thing)
STALE_AFTER = timedelta(seconds=STALE_AFTER_SECONDS)
REFUSAL_FOR = timedelta(hours=1)
GONE_FOR = timedelta(hours=1)
MAX_GONE = 20_000


def utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """The newest known version of every object, in whatever order versions come.

    `changed` is set when something differs that a decision reads; who waits for it clears it.
    """

    def __init__(self, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.changed = asyncio.Event()
        self.revision = 0
        """Grows whenever `changed` is set: the same number means the same facts."""
        self._clock = clock
        self._shelves: dict[str, Shelf[Any]] = {resource.name: Shelf(resource) for resource in resources.ALL}
        self._heard: dict[str, datetime] = {}
        self._absent: set[str] = set()
        self._refusals: dict[str, Refusal] = {}
        self._gone: dict[Key, VMIM] = {}
        self._buried: OrderedDict[Key, datetime] = OrderedDict()
        self._illegible: dict[tuple[str, Key], str] = {}

    def put(self, resource: Resource[T], thing: T) -> bool:
        """Take a version of an object, seen by a watch or answered to a write. True if a decision may differ now."""
        if not resource.wanted(thing):
            return self.remove(resource, thing)
        shelf: Shelf[T] = self._shelves[resource.name]
        key = resource.key(thing)
        if not shelf.is_news(key, version_of(thing)):
            return False
        self._illegible.pop((resource.name, key), None)
        before = shelf.put(thing)
        if before is not None and before.metadata.uid != thing.metadata.uid:
            self._bury(before)
        self._revive(key, thing)
        return self._wake(before is None or not resource.same(before, thing))

    def remove(self, resource: Resource[T], thing: Thing) -> bool:
        """The object is gone, or has left what we watch, as of this version of it. True if it was there."""
        legible = self._illegible.pop((resource.name, resource.key(thing)), None) is None
        last: T | None = self._shelves[resource.name].remove(resource.key(thing), version_of(thing))
        if last is None:
            return self._wake(not legible)
        self._bury(thing if isinstance(thing, type(last)) else last)
        return self._wake(True)

    def cannot_read(self, resource: Resource[T], thing: Thing) -> bool:
        """The object is there, and this version of it cannot be read: an older one would be believed for ever."""
        self.remove(resource, thing)
        self._illegible[resource.name, resource.key(thing)] = thing.metadata.uid
        return self._wake(True)

    def replace(self, resource: Resource[T], things: Iterable[T], resource_version: str) -> bool:
        """Take a whole list: what it lacks is gone, unless we know it to be younger than the list.

        Lists of one resource have to come in the order in which they were asked for.
        """
        shelf: Shelf[T] = self._shelves[resource.name]
        version = int(resource_version) if resource_version.isdecimal() else 0
        # Versions never go back, unless etcd was restored from a backup: then nothing we know counts.
        restored = version < shelf.floor
        if restored:
            self.forget(resource)
        first = not shelf.listed
        unread = {place for place in self._illegible if place[0] == resource.name}
        for place in unread:
            del self._illegible[place]
        listed = {resource.key(thing): thing for thing in things}
        differs = [self.put(resource, thing) for thing in listed.values()]
        missing = shelf.missing_from(listed, version)
        for key in missing:
            last = shelf.remove(key, version)
            if last is not None:
                self._bury(last)
        shelf.raise_floor(version)
        return self._wake(first or any(differs) or bool(missing) or bool(unread))

    def read(self, resource: Resource[T], listing: Listing[T]) -> bool:
        """Take a whole list as it was read."""
        differs = self.replace(resource, listing.things, listing.resource_version)
        unread = [self.cannot_read(resource, stub) for stub in listing.illegible]
        return differs or any(unread)

    def heard(self, resource: Resource[Any], at: datetime) -> None:
        """The server said something about this resource, if only that nothing changed."""
        last = self._heard.get(resource.name)
        self._heard[resource.name] = at
        self._wake(last is None or at - last > STALE_AFTER)

    def absent(self, resource: Resource[Any]) -> None:
        """The API server does not serve this kind. What was known of it stays, until `forget`."""
        self._wake(resource.name not in self._absent)
        self._absent.add(resource.name)

    def present(self, resource: Resource[Any]) -> None:
        """The API server serves this kind."""
        self._wake(resource.name in self._absent)
        self._absent.discard(resource.name)

    def forget(self, resource: Resource[Any]) -> None:
        """Nothing that is known of this resource counts any more: its kind has been absent for long, say."""
        gone = self._shelves[resource.name].forget()
        for thing in gone:
            self._bury(thing)
        self._wake(bool(gone))

    def refuse(self, key: str, reason: str, message: str, at: datetime) -> None:
        """A write was refused: one try more in a row."""
        last = self._refusals.get(key)
        self._refusals[key] = Refusal(key, reason, message, at, tries=last.tries + 1 if last else 1)
        self._wake(True)

    def forgive(self, key: str) -> None:
        """The write went through, or is not wanted any more."""
        self._refusals.pop(key, None)

    def snapshot(self, now: datetime) -> Snapshot:
        """An immutable copy of everything, nodes as they are now. Costs about 0.1 microseconds an object, a node 1."""
        self._expire(now)
        known = {name: shelf.objects.copy() for name, shelf in self._shelves.items()}
        known[resources.NODES.name] = {key: node.as_of(now) for key, node in known[resources.NODES.name].items()}
        return Snapshot(
            **{name: MappingProxyType(objects) for name, objects in known.items()},
            gone=MappingProxyType(self._gone.copy()),
            refusals=MappingProxyType(self._refusals.copy()),
            heard=MappingProxyType(self._heard.copy()),
            stale=frozenset(n for n, s in self._shelves.items() if s.resource.vital and self._is_stale(n, now)),
            absent=frozenset(self._absent),
            unlisted=frozenset(n for n, s in self._shelves.items() if s.resource.vital and self._is_unlisted(n)),
            illegible=frozenset((name, key[1], uid) for (name, key), uid in self._illegible.items()),
        )

    def known(self, resource: Resource[T], key: Key) -> T | None:
        """The newest known version of one object."""
        found: T | None = self._shelves[resource.name].objects.get(key)
        return found

    def counts(self) -> Mapping[str, int]:
        """How many objects of each resource are known, and how many deleted migrations and refusals are remembered."""
        known = {name: len(shelf.objects) for name, shelf in self._shelves.items()}
        return known | {"gone": len(self._gone), "refusals": len(self._refusals)}

    def _is_unlisted(self, name: str) -> bool:
        return not self._shelves[name].listed and name not in self._absent

    def _is_stale(self, name: str, now: datetime) -> bool:
        """Silent for long; heard in the future, too: the clock was put back, and nothing is known of how long ago."""
        if name in self._absent:
            return False
        heard = self._heard.get(name)
        return not self._shelves[name].listed or heard is None or abs(now - heard) > STALE_AFTER

    def _bury(self, thing: Thing) -> None:
        """Remember a migration of ours: its result may not be in a report yet."""
        if not isinstance(thing, VMIM) or not thing.plan_uid:
            return
        key = resources.VMIMS.key(thing)
        self._dig_up(key)
        self._gone[key] = thing
        self._buried[key] = self._clock()
        if len(self._gone) > MAX_GONE:
            self._dig_up(next(iter(self._buried)))

    def _dig_up(self, key: Key) -> None:
        self._gone.pop(key, None)
        self._buried.pop(key, None)

    def _revive(self, key: Key, thing: Thing) -> None:
        """What is here is not gone, unless another of the same name is."""
        if isinstance(thing, VMIM) and key in self._gone and self._gone[key].uid == thing.uid:
            self._dig_up(key)

    def _expire(self, now: datetime) -> None:
        while self._buried and now - next(iter(self._buried.values())) > GONE_FOR:
            self._dig_up(next(iter(self._buried)))
        self._refusals = {key: refusal for key, refusal in self._refusals.items() if now - refusal.at <= REFUSAL_FOR}

    def _wake(self, differs: bool) -> bool:
        if differs:
            self.revision += 1
            self.changed.set()
        return differs
