"""How many more volumes a node can attach (kube-scheduler plugins/nodevolumelimits/csi.go).

A volume that several pods of a node use, or that is attached there for whatever reason, counts once. Only one that a
pod uses is free for the next that asks: one that is merely attached (a VolumeAttachment that is left) is counted as it
stands, and as a new one once more.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from drover.planning.demand.volumes import Handle
from drover.planning.site.topology import Counts, Mask

UNLIMITED = 1 << 40


@dataclass(frozen=True, slots=True)
class Attached:
    """By node position: how many volumes each driver can attach where it has a limit, which pods use there, and which
    are attached for whatever reason."""

    limits: Mapping[int, Mapping[str, int]]
    volumes: Mapping[int, Iterable[Handle]]
    left: Mapping[int, frozenset[Handle]] = field(default_factory=dict)


@dataclass(slots=True)
class _State:
    """By driver int[nodes]; on which nodes each volume is used, by how many; and what is attached anyway."""

    limits: dict[str, Counts]
    counts: dict[str, Counts]
    places: dict[Handle, Counter[int]]
    left: Mapping[int, frozenset[Handle]]

    def put(self, volume: Handle, node: int, change: int) -> None:
        """One user of the volume on the node more or less: it is attached while there is any."""
        users = self.places.setdefault(volume, Counter())
        before = users[node] > 0
        users[node] += change
        if volume[0] in self.limits and volume not in self.left.get(node, ()):
            self.counts[volume[0]][node] += (users[node] > 0) - before
        if not users[node]:
            del users[node]


@dataclass(slots=True)
class Attaching:
    """What is attached where, as placement proceeds. Nothing is counted before a VM with volumes asks."""

    nodes: int
    count: Callable[[], Attached]
    _moved: list[tuple[frozenset[Handle], int]] = field(default_factory=list)
    _known: _State | None = None

    def copy(self) -> "Attaching":
        """The same, to go on independently."""
        return Attaching(self.nodes, self.count, list(self._moved))

    def limited(self, volumes: frozenset[Handle]) -> bool:
        """Whether there is a limit for any of these volumes, on any node."""
        return bool(volumes) and any(driver in self._state().limits for driver, _ in volumes)

    def allowed(self, volumes: frozenset[Handle]) -> Mask:
        """bool[nodes]: where these volumes can be attached as well."""
        result = np.ones(self.nodes, dtype=np.bool_)
        if not self.limited(volumes):
            return result
        state = self._state()
        for driver, mine in _by_driver(volumes).items():
            if driver in state.limits:
                result &= state.counts[driver] + len(mine) <= state.limits[driver]
        for node in {node for volume in volumes for node in state.places.get(volume, ())}:
            result[node] = self.refuses(volumes, node) is None
        return result

    def refuses(self, volumes: frozenset[Handle], node: int) -> str | None:
        """Why not all of them can be attached, in words that follow "the node"."""
        if not self.limited(volumes):
            return None
        state = self._state()
        for driver, mine in sorted(_by_driver(volumes).items()):
            new = sum(node not in state.places.get(volume, ()) for volume in mine)
            if not new or driver not in state.limits:
                continue
            limit, attached = int(state.limits[driver][node]), int(state.counts[driver][node])
            if attached + new > limit:
                return f"can attach {limit} volumes of {driver} and has {attached}"
        return None

    def move(self, volumes: frozenset[Handle], target: int) -> None:
        """From now on the target has these volumes too. Until its pod has ended the source has them as well."""
        if volumes:
            self._moved.append((volumes, target))
            self._put(volumes, target, 1)

    def stay(self, volumes: frozenset[Handle], target: int) -> None:
        """Take such a move back."""
        if volumes:
            self._moved.remove((volumes, target))
            self._put(volumes, target, -1)

    def _put(self, volumes: frozenset[Handle], target: int, change: int) -> None:
        if self._known is not None:
            for volume in volumes:
                self._known.put(volume, target, change)

    def _state(self) -> _State:
        if self._known is None:
            self._known = self._counted()
        return self._known

    def _counted(self) -> _State:
        known = self.count()
        drivers = {driver for limits in known.limits.values() for driver in limits}
        state = _State(
            {driver: np.full(self.nodes, UNLIMITED, dtype=np.int64) for driver in drivers},
            {driver: np.zeros(self.nodes, dtype=np.int64) for driver in drivers},
            {},
            known.left,
        )
        for node, limits in known.limits.items():
            for driver, limit in limits.items():
                state.limits[driver][node] = limit
        for node, left in known.left.items():
            for driver, _ in left:
                if driver in drivers:
                    state.counts[driver][node] += 1
        moved = ((target, volumes) for volumes, target in self._moved)
        for node, volumes in (*known.volumes.items(), *moved):
            for volume in volumes:
                state.put(volume, node, 1)
        return state


def _by_driver(volumes: Iterable[Handle]) -> dict[str, list[Handle]]:
    result: dict[str, list[Handle]] = {}
    for volume in sorted(volumes):
        result.setdefault(volume[0], []).append(volume)
    return result
