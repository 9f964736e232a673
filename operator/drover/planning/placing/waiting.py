"""Whom each move has to wait for, so that none is refused whatever else runs meanwhile.

A plan is legal in the order in which it was made. Moves run side by side and in any order, and two checks look at where
others are: who follows somebody can go when he has arrived, and before the last one leaves whom he goes to; and a VM
that is spread counts others that come and go. Where the worst that moves can do to each other in any order is harmless,
nobody waits.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from drover.planning.demand.guest import Guest
from drover.planning.site.fleet import Fleet
from drover.planning.site.spread import Counted
from drover.planning.site.topology import Counts

Awaited = dict[str, set[tuple[str, int]]]
"""By UID: who has to have arrived first, and on which node (its position)."""
BEFORE_ALL = -1


def waits(going: Sequence[tuple[Guest, int]], fleet: Fleet) -> Awaited:
    """For VMs and their targets in an order in which each move is legal when all before it have been made. The fleet
    expects all of them where they go, those of earlier plans as well: these come before all."""
    course = _Course(fleet, {guest.uid: n for n, (guest, _) in enumerate(going)})
    for guest, target in going:
        for key in sorted({term.key for term in guest.occupant.bonds.near}):
            course.follow(guest, target, fleet.classes.topology.domains(key).of)
        for counted in fleet.spreading.constraints(guest.vm_class):
            course.spread(guest, target, counted)
    return course.awaited


@dataclass(frozen=True, slots=True)
class _Shift:
    """A counted VM leaves one domain and comes to another, None if that is none that counts. `turn`: its place in the
    order."""

    uid: str
    target: int
    turn: int
    leaves: int | None
    comes: int | None


@dataclass(slots=True)
class _Course:
    fleet: Fleet
    turns: Mapping[str, int]
    awaited: Awaited = field(default_factory=lambda: defaultdict(set))
    shifts: dict[Counted, list[_Shift]] = field(default_factory=dict)

    def turn(self, uid: str) -> int:
        return self.turns.get(uid, BEFORE_ALL)

    def follow(self, guest: Guest, target: int, of: Counts) -> None:
        """One of those it requires near must be in the target's domain when it goes."""
        domain, mine = int(of[target]), self.turn(guest.uid)
        arriving: list[tuple[int, str, int]] = []
        leaving: list[tuple[int, str]] = []
        for uid in self.fleet.neighbours.meant(guest.occupant.bonds.near):
            here, heading = self._place(uid)
            if here is not None and of[here] == domain:
                if uid == guest.uid or (heading is not None and of[heading] == domain):
                    return
                leaving.append((self.turn(uid), uid))
            elif heading is not None and of[heading] == domain and self.turn(uid) < mine:
                arriving.append((self.turn(uid), uid, heading))
        if arriving:
            _, uid, node = min(arriving)
            self.awaited[guest.uid].add((uid, node))
        elif last := max((each for each in leaving if each[0] > mine), default=None):
            self.awaited[last[1]].add((guest.uid, target))

    def _place(self, uid: str) -> tuple[int | None, int | None]:
        """Where it is, and where it will be."""
        occupants = self.fleet.neighbours.population
        occupant = occupants.occupants[occupants.number[uid]]
        going = self.fleet.spreading.target(uid)
        here = occupant.pods[0] if occupant.pods else None
        return here, going if going is not None else occupant.home

    def spread(self, guest: Guest, target: int, counted: Counted) -> None:
        """It waits for those that make it legal, and those that would make it illegal wait for it."""
        shifts = [each for each in self._shifts(counted) if each.uid != guest.uid]
        if not shifts:
            return
        domain, mine = int(counted.domains.of[target]), self.turn(guest.uid)
        judge = _Judge(guest, domain, counted, _at_first(target, counted, shifts))
        helpful = [each for each in shifts if each.turn < mine and _helps(each, domain)]
        harmful = [each for each in shifts if each.turn > mine and _harms(each, domain)]
        for ahead, behind in _NOBODY, (helpful, []), ([], harmful), (helpful, harmful):
            if judge.fine(ahead, [each for each in shifts if each not in ahead and each not in behind]):
                break
        self.awaited[guest.uid] |= {(each.uid, each.target) for each in ahead}
        for each in behind:
            self.awaited[each.uid].add((guest.uid, target))

    def _shifts(self, counted: Counted) -> list[_Shift]:
        if counted not in self.shifts:
            found = (self._shift(n, counted) for n in counted.members)
            self.shifts[counted] = [each for each in found if each is not None]
        return self.shifts[counted]

    def _shift(self, n: int, counted: Counted) -> _Shift | None:
        """What its move changes for the constraint, if anything."""
        occupant = self.fleet.spreading.population.occupants[n]
        target = self.fleet.spreading.target(occupant.uid)
        if target is None:
            return None
        of, places = counted.domains.of, (occupant.home, target)
        leaves, comes = (int(of[n]) if n is not None and counted.looked_at[n] else None for n in places)
        return _Shift(occupant.uid, target, self.turn(occupant.uid), leaves, comes) if leaves != comes else None


_NOBODY: tuple[list[_Shift], list[_Shift]] = [], []


def _helps(shift: _Shift, domain: int) -> bool:
    """Whether it can make room in the domain or fill up another."""
    return shift.leaves == domain or shift.comes not in (None, domain)


def _harms(shift: _Shift, domain: int) -> bool:
    return shift.comes == domain or shift.leaves not in (None, domain)


def _at_first(target: int, counted: Counted, shifts: Iterable[_Shift]) -> Counts:
    """int[domains]: the others before anybody moves."""
    result = counted.others(target)
    for shift in shifts:
        _put(result, shift, -1)
    return result


def _put(pods: Counts, shift: _Shift, change: int) -> None:
    if shift.leaves is not None:
        pods[shift.leaves] -= change
    if shift.comes is not None:
        pods[shift.comes] += change


@dataclass(frozen=True, slots=True)
class _Judge:
    """May a VM come to a domain? `pods` are the others before anybody moves."""

    guest: Guest
    domain: int
    counted: Counted
    pods: Counts

    def fine(self, done: Iterable[_Shift], free: Sequence[_Shift]) -> bool:
        """Whether it may once some have moved, whichever of the free ones have moved by then."""
        worst = self.pods.copy()
        for shift in done:
            _put(worst, shift, 1)
        for shift in free:
            if shift.comes == self.domain:
                worst[self.domain] += 1
            if shift.leaves not in (None, self.domain):
                worst[shift.leaves] -= 1
        return bool(self.counted.bearable(worst, self.guest.occupant.home)[self.domain])
