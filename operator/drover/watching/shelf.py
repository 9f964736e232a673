"""One resource's objects, as of the highest resourceVersion seen of each."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic, TypeVar

from drover.facts.wire import Key
from drover.watching.resources import Resource, Thing, version_of

T = TypeVar("T", bound=Thing)
MAX_GRAVES = 20_000


class Shelf(Generic[T]):
    """Keeps, of every object, the newest version it was given, in whatever order they come.

    `floor` is the version of the last list: about everything up to it the list is the truth, so that what was not in
    it cannot come back with an older version. Graves say the same of single objects removed since.
    """

    def __init__(self, resource: Resource[T]) -> None:
        self.resource = resource
        self.objects: dict[Key, T] = {}
        self.floor = -1
        self._graves: OrderedDict[Key, int] = OrderedDict()

    @property
    def listed(self) -> bool:
        return self.floor >= 0

    def is_news(self, key: Key, version: int) -> bool:
        """Whether something of this version can change what we know of the object."""
        present = self.objects.get(key)
        if present is not None:
            return version >= version_of(present)
        return version > max(self.floor, self._graves.get(key, -1))

    def put(self, thing: T) -> T | None:
        """Keep it, and return what was there before. Ask `is_news` first."""
        key = self.resource.key(thing)
        before = self.objects.get(key)
        self.objects[key] = thing
        self._graves.pop(key, None)
        return before

    def remove(self, key: Key, version: int) -> T | None:
        """Remove what is not newer than `version`, remember that, and return what was there."""
        if not self.is_news(key, version):
            return None
        self._graves.pop(key, None)
        self._graves[key] = version
        if len(self._graves) > MAX_GRAVES:
            self._graves.popitem(last=False)
        return self.objects.pop(key, None)

    def missing_from(self, listed: Iterable[Key], version: int) -> list[Key]:
        """The objects that a list of this version should have had and has not."""
        unlisted = self.objects.keys() - set(listed)
        return [key for key in unlisted if version_of(self.objects[key]) <= version]

    def raise_floor(self, version: int) -> None:
        """A list of this version is in: it says all that the graves up to it said."""
        self.floor = version
        self._graves = OrderedDict((key, grave) for key, grave in self._graves.items() if grave > version)

    def forget(self) -> list[T]:
        """Start from nothing, and return what there was."""
        gone = list(self.objects.values())
        self.objects, self._graves, self.floor = {}, OrderedDict(), -1
        return gone
