"""Every order and every target, tried: may all VMs be moved one after the other?"""

from collections.abc import Mapping, Sequence

from drover.facts.index import index
from drover.facts.snapshot import Snapshot
from drover.planning.barred import bars
from drover.planning.checks import chain
from drover.planning.checks.check import Answer
from drover.planning.demand.guest import Guest
from drover.planning.site import survey
from drover.planning.site.fleet import Fleet

Way = tuple[tuple[str, str], ...]


def a_way(snapshot: Snapshot, movers: Sequence[str], barred: Sequence[str] = (), most: int = 20_000) -> Way | None:
    """A target for each mover (by UID) in an order in which each is legal when all before it are on their way, both
    hosts holding them, and has near it in the end whom it requires; None if there is none. `most` states are looked at.

    Raises:
        TimeoutError: there are more.
    """
    relations = index(snapshot)
    fleet = survey.build(snapshot, relations, {})
    guests = {uid: survey.guest(relations.vmis_by_uid[uid], snapshot, relations, fleet.position) for uid in movers}
    never = {uid: {*bars(relations.vmis_by_uid[uid], relations, ()), *barred} for uid in movers}
    search = _Search(fleet, {uid: guest for uid, guest in guests.items() if guest is not None}, never, most)
    return search.from_here({}) if len(search.guests) == len(movers) else None


class _Search:
    def __init__(self, fleet: Fleet, guests: Mapping[str, Guest], never: Mapping[str, set[str]], most: int) -> None:
        self.fleet, self.guests, self.never, self.most = fleet, guests, never, most
        self.seen: set[frozenset[tuple[str, str]]] = set()

    def from_here(self, placed: dict[str, str]) -> Way | None:
        if len(placed) == len(self.guests):
            return tuple(placed.items()) if self._content(placed) else None
        self.seen.add(frozenset(placed.items()))
        if len(self.seen) > self.most:
            raise TimeoutError
        for uid, guest in self.guests.items():
            for n, node in enumerate(self.fleet.nodes) if uid not in placed else ():
                step = {**placed, uid: node.name}
                if node.name in self.never[uid] or frozenset(step.items()) in self.seen:
                    continue
                if chain.verdict(guest, self.fleet, n).answer == Answer.NO:
                    continue
                self.fleet.move(guest, n)
                found = self.from_here(step)
                self.fleet.forget(guest, n)
                self.fleet.free[n] += self.fleet.demand(guest.vm_class)
                if found is not None:
                    return found
        return None

    def _content(self, placed: Mapping[str, str]) -> bool:
        return all(
            self.fleet.neighbours.content(self.guests[uid].occupant, self.fleet.position[node])
            for uid, node in placed.items()
        )
