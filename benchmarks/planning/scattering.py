"""From the known answer back to a fleet that has still to be emptied: guests moved onto hosts where they are legal."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.planning.world import HOST_MODEL, HOSTNAME, Guest, Mask, Rng, World, needs


def scatter(world: World, rng: Rng) -> None:
    """Fill the hosts to be emptied as full as all are then; then displace a part of the other guests."""
    size = world.size
    scene = _Scene(world)
    order = rng.permutation(len(world.guests)).tolist()
    share = size.util * (size.nodes - size.emptied) / size.nodes
    kept = (scene.free[:, 0] * (1 - share)).astype(np.int64)
    for n in order:
        scene.move(n, world.emptied, kept)
    staying = [n for n in order if not world.emptied[world.guests[n].at]]
    for n in staying[: round(size.displaced * len(staying))]:
        scene.move(n, ~world.emptied, np.zeros_like(kept))


@dataclass(slots=True)
class _Scene:
    """The fleet as it changes. `taken` are the hosts of each group whose members are on different ones."""

    world: World
    free: NDArray[np.int64] = field(init=False)
    need: NDArray[np.int64] = field(init=False)
    taken: dict[str, set[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.free, self.need = self.world.free(), needs(self.world.guests)
        self.taken = defaultdict(set)
        for guest in self.world.guests:
            if guest.group is not None and guest.group.key == HOSTNAME:
                self.taken[guest.group.name].add(guest.at)

    def move(self, n: int, onto: Mask, kept: NDArray[np.int64]) -> None:
        """Put a guest onto the roomiest of these hosts, beyond the memory that is kept free, if it may be on one."""
        guest, need, free = self.world.guests[n], self.need[n], self.free
        fits = onto & (free[:, 0] - kept >= need[0]) & (free[:, 1:] >= need[1:]).all(axis=1)
        if not fits.any():
            return
        fits &= self._legal(guest)
        fits[guest.at] = False
        if not fits.any():
            return
        target = int(np.argmax(np.where(fits, free[:, 0], -1)))
        free[guest.at] += need
        free[target] -= need
        if guest.group is not None and guest.group.key == HOSTNAME:
            self.taken[guest.group.name] ^= {guest.at, target}
        guest.at = target

    def _legal(self, guest: Guest) -> Mask:
        """Where it and its group are content and it can come home from: its host model is that of where it is."""
        world = self.world
        result = world.runs(guest, max(0, guest.model))
        if guest.model == HOST_MODEL:
            result &= world.generation <= world.generation[guest.home]
        if guest.group is not None and guest.group.key == HOSTNAME:
            result[list(self.taken[guest.group.name])] = False
        elif guest.group is not None:
            # Its own pod, where it is, counts for the scheduler: from there it could not go home.
            result &= (world.zone == world.zone[guest.home]) & (guest.group.rule != "apart")
        return result
