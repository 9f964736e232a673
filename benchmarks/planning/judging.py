"""Is an answer legal? Asked of the fleet as it was drawn, in other words than the planner's."""

from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np

from benchmarks.planning.world import HOSTNAME, ZONE, Group, Guest, World, needs


def broken(world: World, targets: Mapping[str, str]) -> Counter[str]:
    """How often each rule is broken once these guests (by name) are on these hosts (by name) and all others where they
    are: rules about a guest count guests, "room" counts hosts."""
    position = {host.name: n for n, host in enumerate(world.hosts)}
    end = np.array([position[targets[g.name]] if g.name in targets else g.at for g in world.guests])
    found: Counter[str] = Counter()
    for guest, host in zip(world.guests, end.tolist(), strict=True):
        if guest.name in targets and not world.allowed(guest)[host]:
            found["volume" if guest.volume and world.zone[host] != world.zone[guest.home] else "node"] += 1
    found["room"] = _overfilled(world, end)
    members: dict[Group, list[tuple[Guest, int]]] = defaultdict(list)
    for guest, host in zip(world.guests, end.tolist(), strict=True):
        if guest.group is not None:
            members[guest.group].append((guest, host))
    for group, where in members.items():
        if any(guest.name in targets for guest, _ in where):
            found[group.rule] += _against(world, group, [host for _, host in where])
    return +found


def _overfilled(world: World, end: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    free = world.free()
    need = needs(world.guests)
    np.add.at(free, [guest.at for guest in world.guests], need)
    np.subtract.at(free, end, need)
    return int((free < 0).any(axis=1).sum())


def _against(world: World, group: Group, hosts: list[int]) -> int:
    """How many of the members stand where their group does not want them."""
    domains = Counter(hosts if group.key == HOSTNAME else world.zone[hosts].tolist())
    if group.rule == "apart":
        return sum(count - 1 for count in domains.values())
    if group.rule == "together":
        return len(hosts) - max(domains.values())
    assert group.key == ZONE
    counts = [domains[zone] for zone in np.unique(world.zone).tolist()]
    return max(0, max(counts) - min(counts) - 1)
