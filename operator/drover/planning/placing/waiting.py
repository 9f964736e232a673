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
from drover.planning.demand.terms import Term
from drover.planning.site.fleet import Fleet
from drover.planning.site.population import Occupant
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
            course.follow(guest, target, key)
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


@dataclass(frozen=True, slots=True)
class _Company:
    """Those that are required near: turn, UID, the domain where each is and the one where it will be; the former by
    UID; and the domains where one of them is and stays."""

    meant: Sequence[tuple[int, str, int, int]]
    here: Mapping[str, int]
    settled: frozenset[int]


@dataclass(slots=True)
class _Course:
    fleet: Fleet
    turns: Mapping[str, int]
    awaited: Awaited = field(default_factory=lambda: defaultdict(set))
    shifts: dict[Counted, list[_Shift]] = field(default_factory=dict)
    companies: dict[tuple[tuple[Term, ...], str], _Company] = field(default_factory=dict)
    known: dict[str, dict[str, tuple[int, str, int, int]]] = field(default_factory=dict)
    """By topology key and UID: what a company says of each that is meant; many may mean the same."""

    def turn(self, uid: str) -> int:
        return self.turns.get(uid, BEFORE_ALL)

    def follow(self, guest: Guest, target: int, key: str) -> None:
        """One of those it requires near must be in the target's domain when it goes, or none anywhere if it is the
        first of its kind."""
        of = self.fleet.classes.topology.domains(key).of
        domain, mine = int(of[target]), self.turn(guest.uid)
        company = self._company(guest, key)
        if domain in company.settled or company.here.get(guest.uid) == domain:
            return
        meant = company.meant
        arriving = min((each for each in meant if each[0] < mine and each[3] == domain), default=None)
        leaving = max((each for each in meant if each[0] > mine and each[2] == domain), default=None)
        home = self._heading(arriving[1]) if arriving is not None else None
        if arriving is not None and home is not None:
            self.awaited[guest.uid].add((arriving[1], home))
        elif leaving is not None:
            self.awaited[leaving[1]].add((guest.uid, target))
        else:
            for turn, uid, _, heading in meant:
                if turn > mine and heading >= 0:
                    self.awaited[uid].add((guest.uid, target))

    def _company(self, guest: Guest, key: str) -> _Company:
        """Many require the same to be near: their places are looked up once."""
        terms = guest.occupant.bonds.near
        if (terms, key) not in self.companies:
            of = self.fleet.classes.topology.domains(key).of
            known, whom = self.known.setdefault(key, {}), self.fleet.neighbours.meant(terms)
            known |= {uid: (self.turn(uid), uid, *self._places(uid, of)) for uid in whom if uid not in known}
            meant = [known[uid] for uid in whom]
            here = {uid: domain for _, uid, domain, _ in meant}
            settled = frozenset(domain for _, _, domain, heading in meant if domain == heading)
            self.companies[terms, key] = _Company(meant, here, settled)
        return self.companies[terms, key]

    def _places(self, uid: str, of: Counts) -> tuple[int, int]:
        """The domains where it is and where it will be; -1 if that is none."""
        occupant, heading = self._occupant(uid), self._heading(uid)
        return int(of[occupant.pods[0]]) if occupant.pods else -1, int(of[heading]) if heading is not None else -1

    def _heading(self, uid: str) -> int | None:
        target = self.fleet.spreading.target(uid)
        return target if target is not None else self._occupant(uid).home

    def _occupant(self, uid: str) -> Occupant:
        population = self.fleet.neighbours.population
        return population.occupants[population.number[uid]]

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
            bound = {each.uid for each in (*ahead, *behind)}
            if judge.fine(ahead, [each for each in shifts if each.uid not in bound]):
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
