"""Fleets in which every VM is on one node and has to go to another, both legal."""

import statistics
import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.planning.sizes import MEMORY
from drover.planning.placing.cycles import Sequenced, sequence
from drover.planning.placing.room import Amounts

Rng = np.random.Generator


@dataclass(frozen=True)
class Reshuffle:
    """Arrays as `sequence` takes them; `barred` are (VM, node) where a VM may not even be for a while."""

    source: list[int]
    target: list[int]
    demand: Amounts
    capacity: Amounts
    barred: frozenset[tuple[int, int]] = frozenset()

    @cached_property
    def free(self) -> Amounts:
        free = self.capacity.copy()
        np.subtract.at(free, self.source, self.demand)
        return free

    def sequence(self) -> Sequenced:
        may_be = np.ones((len(self.source), len(self.capacity)), dtype=np.bool_)
        for vm, node in self.barred:
            may_be[vm, node] = False
        rows = list(range(len(self.source)))
        return sequence(self.source, self.target, self.demand, self.free, may_be, rows, self.demand[:, 0].tolist())

    @property
    def moves(self) -> int:
        return sum(a != b for a, b in zip(self.source, self.target, strict=True))


def a_reshuffle(util: float, seed: int, vms: int = 1_000, nodes: int = 50) -> Reshuffle:
    """Two random, legal placements of VMs of everyday sizes, nodes so full on average."""
    rng = np.random.Generator(np.random.PCG64(seed))
    memory = rng.choice(list(MEMORY), p=list(MEMORY.values()), size=vms).astype(np.int64) * 1024 + 300
    demand = np.stack([memory, rng.choice([100, 200, 400, 800], size=vms), np.ones(vms, dtype=np.int64)], axis=1)
    capacity = np.tile(np.array([int(memory.sum() / nodes / util), 64_000, 250], dtype=np.int64), (nodes, 1))
    return Reshuffle(_settle(demand, capacity, rng), _settle(demand, capacity, rng), demand, capacity)


def line(util: float, seeds: int) -> list[str]:
    """The cells of one utilisation: moves, VMs that stepped aside, stuck VMs, time; median and worst over seeds."""
    moves, hops, stuck, seconds = [], [], [], []
    for seed in range(seeds):
        scene = a_reshuffle(util, seed)
        began = time.perf_counter()
        found = scene.sequence()
        seconds.append(time.perf_counter() - began)
        moves.append(scene.moves)
        stuck.append(len(found.stuck))
        hops.append(len(found.steps) - scene.moves + len(found.stuck))
    counts = [f"{statistics.median(each):g} / {max(each)}" for each in (moves, hops, stuck)]
    return [f"{util:.0%}", *counts, f"{statistics.median(seconds):.2f} / {max(seconds):.2f} s"]


def _settle(demand: Amounts, capacity: Amounts, rng: Rng) -> list[int]:
    """The largest first, each on the roomiest of three nodes that have room."""
    free, at = capacity.copy(), [0] * len(demand)
    for vm in np.lexsort((rng.random(len(demand)), -demand[:, 0])).tolist():
        fits = np.flatnonzero((free >= demand[vm]).all(axis=1))
        some = rng.choice(fits, size=min(3, len(fits)), replace=False)
        at[vm] = int(some[np.argmax(free[some, 0])])
        free[at[vm]] -= demand[vm]
    return at
