"""A cache of one resource with secondary indexes. It only moves forward: older versions are ignored."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from virtsim.cluster.sharing import Sharing
from virtsim.objects.resources import Key, Object, key_of

Listener = Callable[[Object | None, Object | None], None]
"""Called with (before, after); `before` is None for a new object, `after` for one that is gone."""

Indexer = Callable[[Object], Iterable[str]]
"""The index values under which an object is found."""

REMEMBERED_DELETIONS = 10_000


class Sink(Protocol):
    """Where an informer puts what it hears."""

    def observe(self, obj: Object) -> None: ...

    def forget(self, obj: Object) -> None: ...

    def keep_only(self, uids: set[str], version: int) -> None: ...


class Store:
    """Objects by key and by index. Answers of our own writes are put in as well as watch events (read your writes).

    Whoever gets an object must not change it: its parts are also parts of others.
    """

    def __init__(self, **indexers: Indexer) -> None:
        self._objects: dict[Key, Object] = {}
        self._indexers = indexers
        self._indexes: dict[str, dict[str, dict[Key, None]]] = {name: {} for name in indexers}
        self._listeners: list[Listener] = []
        self._unheard: set[str] = set()
        self._gone: set[str] = set()
        self._gone_order: deque[str] = deque()
        self._sharing = Sharing()

    def __len__(self) -> int:
        return len(self._objects)

    def is_empty(self) -> bool:
        return not self._objects

    def __iter__(self) -> Iterator[Object]:
        return iter(list(self._objects.values()))

    def get(self, namespace: str, name: str) -> Object | None:
        return self._objects.get((namespace, name))

    def by(self, index: str, value: str) -> list[Object]:
        """The objects an index files under a value, oldest insertion first."""
        return [self._objects[key] for key in self._indexes[index].get(value, ())]

    def count(self, index: str, value: str) -> int:
        return len(self._indexes[index].get(value, ()))

    def subscribe(self, listener: Listener) -> None:
        """Registers a listener and shows it everything that is already here."""
        self._listeners.append(listener)
        for obj in self:
            listener(None, obj)

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Shows a listener everything that is already here, and what changes while the context is open."""
        self.subscribe(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def unsubscribe(self, listener: Listener) -> None:
        self._listeners.remove(listener)

    def tell_again(self, obj: Object) -> None:
        """Shows the listeners what they know already, as a watch does that begins at an older version."""
        known = self._objects.get(key_of(obj))
        if known is not None:
            self._tell(known, known)

    async def until(self, so: Callable[[], bool]) -> None:
        """Returns when a condition on this store's contents holds; asks again after every change."""
        changed = asyncio.Event()

        def listener(before: Object | None, after: Object | None) -> None:
            changed.set()

        with self.listening(listener):
            while not so():
                changed.clear()
                await changed.wait()

    def observe(self, obj: Object) -> None:
        """Takes in what a list or a watch tells, unless a newer version, or its end, was already seen."""
        self._unheard.discard(obj["metadata"]["uid"])
        self._take(obj)

    def written(self, obj: Object) -> None:
        """Takes in the answer to a write of our own in the same way."""
        known = self._objects.get(key_of(obj))
        if known is None or known["metadata"]["uid"] != obj["metadata"]["uid"]:
            self._unheard.add(obj["metadata"]["uid"])
        self._take(obj)

    def is_unheard(self, uid: str) -> bool:
        """Whether an object is known by the answer to its creation alone: client-go still expects to hear of it."""
        return uid in self._unheard

    def _take(self, obj: Object) -> None:
        metadata = obj["metadata"]
        if metadata["uid"] in self._gone:
            self._unheard.discard(metadata["uid"])
            return
        before = self._objects.get(key_of(obj))
        if before is not None and int(metadata["resourceVersion"]) <= int(before["metadata"]["resourceVersion"]):
            return
        metadata.pop("managedFields", None)
        self._replace(before, self._sharing.renewed(obj, before))

    def forget(self, obj: Object) -> None:
        """Takes an object out; an answer that arrives later cannot bring the same incarnation back."""
        uid = obj["metadata"]["uid"]
        self._unheard.discard(uid)
        self._remember_gone(uid)
        before = self._objects.get(key_of(obj))
        if before is not None and before["metadata"]["uid"] == uid:
            self._replace(before, None)

    def keep_only(self, uids: set[str], version: int) -> None:
        """After a fresh list: whatever is not in it is gone, unless it was written after the list's version."""
        for obj in self:
            metadata = obj["metadata"]
            if metadata["uid"] not in uids and int(metadata["resourceVersion"]) <= version:
                self.forget(obj)

    def _remember_gone(self, uid: str) -> None:
        if uid in self._gone:
            return
        self._gone.add(uid)
        self._gone_order.append(uid)
        if len(self._gone_order) > REMEMBERED_DELETIONS:
            self._gone.discard(self._gone_order.popleft())

    def _replace(self, before: Object | None, after: Object | None) -> None:
        if before is not None:
            self._unfile(before)
            del self._objects[key_of(before)]
        if after is not None:
            self._objects[key_of(after)] = after
            self._file(after)
        self._tell(before, after)

    def _tell(self, before: Object | None, after: Object | None) -> None:
        for listener in list(self._listeners):
            listener(before, after)

    def _file(self, obj: Object) -> None:
        for name, indexer in self._indexers.items():
            for value in indexer(obj):
                self._indexes[name].setdefault(value, {})[key_of(obj)] = None

    def _unfile(self, obj: Object) -> None:
        for name, indexer in self._indexers.items():
            for value in indexer(obj):
                filed = self._indexes[name].get(value)
                if filed is not None:
                    filed.pop(key_of(obj), None)
                    if not filed:
                        del self._indexes[name][value]
