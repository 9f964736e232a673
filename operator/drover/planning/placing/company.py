"""Who of those that move goes with whom: by numbers in the order of the guests."""

from collections import deque
from collections.abc import Mapping, Sequence

from drover.facts.kubevirt import HOSTNAME
from drover.planning.demand.guest import Guest
from drover.planning.demand.terms import Term
from drover.planning.site.fleet import Fleet


def anchors(guests: Sequence[Guest], fleet: Fleet) -> dict[int, int]:
    """Whom another of them requires to be near; each with how many have to go one after the other before it."""
    number = {guest.uid: n for n, guest in enumerate(guests)}
    followers: dict[tuple[Term, ...], list[int]] = {}
    for n, guest in enumerate(guests):
        if guest.occupant.bonds.near:
            followers.setdefault(guest.occupant.bonds.near, []).append(n)
    groups = [
        (some, [number[uid] for uid in fleet.neighbours.meant(terms) if uid in number])
        for terms, some in followers.items()
    ]
    depths = _depths(len(guests), groups)
    return {n: depths[n] for n in sorted({n for _, meant in groups for n in meant})}


def _depths(count: int, groups: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[int]:
    """How long the shortest chain is by which each of so many follows one who follows nobody, or himself; 0 for those
    who follow each other in a circle. `groups`: who follows, and whom."""
    depths, known = [0] * count, [True] * count
    waiting: list[list[Sequence[int]]] = [[] for _ in range(count)]
    for some, meant in groups:
        themselves = {*meant} if meant else {*some}
        for n in some:
            known[n] = n in themselves
        for n in meant:
            waiting[n].append(some)
    rest = deque(n for n in range(count) if known[n])
    while rest:
        first = rest.popleft()
        for some in waiting[first]:
            for n in some:
                if not known[n]:
                    depths[n], known[n] = depths[first] + 1, True
                    rest.append(n)
    return depths


def ordered(guests: Sequence[Guest], fleet: Fleet) -> frozenset[int]:
    """Who follows others or is followed, and who is spread or counted by that."""
    population = fleet.spreading.population
    rules = {rule for guest in guests for rule in guest.vm_class.spread if rule.selector}
    meant = {n for rule in rules for n in population.matching(frozenset({rule.namespace}), rule.selector)}
    counted = (n for n, guest in enumerate(guests) if population.number.get(guest.uid) in meant)
    minding = (n for n, guest in enumerate(guests) if guest.vm_class.spread or guest.occupant.bonds.near)
    return frozenset((*counted, *minding, *anchors(guests, fleet)))


def bundles(guests: Sequence[Guest], fleet: Fleet) -> dict[int, list[int]]:
    """Who has to be on the host of one certain other, by that other, and who of those follows them."""
    number = {guest.uid: n for n, guest in enumerate(guests)}
    leader: dict[int, int] = {}
    for n, guest in enumerate(guests):
        near = guest.occupant.bonds.near
        meant = fleet.neighbours.meant(near) if any(term.key == HOSTNAME for term in near) else []
        if len(meant) == 1 and meant[0] in number and meant[0] != guest.uid:
            leader[n] = number[meant[0]]
    result: dict[int, list[int]] = {}
    for n in leader:
        result.setdefault(_first(n, leader), []).append(n)
    return {first: [n for n in rest if n != first] for first, rest in result.items()}


def _first(vm: int, leader: Mapping[int, int]) -> int:
    """Whom all follow in the end; of those who follow each other in a circle the first."""
    seen = [vm]
    while (following := leader.get(vm)) is not None and following not in seen:
        vm = following
        seen.append(vm)
    return vm if following is None else min(seen[seen.index(following) :])
