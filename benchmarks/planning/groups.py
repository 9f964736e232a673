"""Groups that the known answer keeps by construction: guests that stand apart, together or evenly are made one."""

from collections import defaultdict
from collections.abc import Iterator

from benchmarks.planning.world import HOSTNAME, ZONE, ZONES, Group, Guest, Rng, World

APART, APART_BY_ZONE, EVENLY, TOGETHER = 0.30, 0.01, 0.04, 0.01
"""Shares of the guests in a group of each kind."""


def group(world: World, rng: Rng) -> None:
    """Give so many of the guests a group, all of one size and tenant."""
    left = [world.guests[n] for n in rng.permutation(len(world.guests)).tolist()]
    kinds = [("together", ZONE, TOGETHER), ("spread", ZONE, EVENLY), ("apart", ZONE, APART_BY_ZONE)]
    for rule, key, share in [*kinds, ("apart", HOSTNAME, APART)]:
        left = [guest for guest in left if guest.group is None]
        wanted, made = round(share * len(world.guests)), 0
        for members in _gathered(left, rule, key, world, rng):
            if made >= wanted:
                break
            name = Group(f"{rule}-{key.rsplit('/', 1)[1]}-{made:05d}", rule, key)
            for member in members:
                # The rules of a group hold among the pods of one namespace.
                member.group, member.namespace = name, members[0].namespace
            made += len(members)


def _gathered(guests: list[Guest], rule: str, key: str, world: World, rng: Rng) -> Iterator[list[Guest]]:
    """Sets of alike guests that stand as the rule wants them to."""
    alike: dict[object, list[Guest]] = defaultdict(list)
    for guest in guests:
        pool, zone = world.hosts[guest.home].pool, world.hosts[guest.home].zone
        # A spread counts only the nodes its own selectors allow: those of alike guests are the same.
        plain = guest.model == 0 and not guest.zones
        if rule != "spread" or plain:
            kind = (pool, guest.huge, guest.gpus > 0, zone if rule == "together" else 0)
            alike[kind].append(guest)
    for members in alike.values():
        yield from _divided(members, rule, key, world, rng)


def _divided(guests: list[Guest], rule: str, key: str, world: World, rng: Rng) -> Iterator[list[Guest]]:
    if rule == "together":
        yield from (guests[n : n + 3] for n in range(0, len(guests) - 2, 3))
    elif rule == "spread":
        zones = [[guest for guest in guests if world.hosts[guest.home].zone == zone] for zone in range(ZONES)]
        for n in range(0, min(map(len, zones)) - 1, 2):
            yield [guest for zone in zones for guest in zone[n : n + 2]]
    else:
        yield from _apart(guests, key, world, rng)


def _apart(guests: list[Guest], key: str, world: World, rng: Rng) -> Iterator[list[Guest]]:
    wanted, members, domains = int(rng.integers(2, 9)), list[Guest](), set[int]()
    most = ZONES if key == ZONE else 9
    for guest in guests:
        domain = guest.home if key == HOSTNAME else world.hosts[guest.home].zone
        if domain not in domains:
            members.append(guest)
            domains.add(domain)
        if len(members) >= min(wanted, most):
            yield members
            wanted, members, domains = int(rng.integers(2, 9)), [], set()
