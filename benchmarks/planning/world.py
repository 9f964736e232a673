"""A fleet in the words of its operators: hosts, guests, what each guest needs, and an answer that is known to be right.

Everything is an integer: memory in MiB, huge pages in pages of 1 GiB, zones and CPU generations counted from 0. A host
of a generation runs the CPU models of that generation and of all before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Rng = np.random.Generator

ZONES = 3
MODELS = ("Cascadelake-Server-noTSX", "Icelake-Server-noTSX", "SapphireRapids-noTSX")
HOST_MODEL = -1
GENERAL = ""
MAX_PODS = 250
HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"


@dataclass(frozen=True, slots=True)
class Size:
    """How large a fleet is, and how full once `emptied` of its nodes have been emptied. `displaced` is the fraction of
    the guests on the other nodes that do not stand where the known answer has them: then a complete plan may have to
    move some of those, too."""

    vms: int
    nodes: int
    emptied: int
    util: float
    displaced: float = 0.0

    def __str__(self) -> str:
        moved = f", {self.displaced:.0%} displaced" if self.displaced else ""
        return f"{self.vms:,} / {self.nodes:,}, {self.emptied} emptied, {self.util:.0%}{moved}"


@dataclass(slots=True)
class Host:
    """`memory` is what guests can have of it, outside huge pages."""

    name: str
    zone: int
    generation: int
    pool: str = GENERAL
    memory: int = 0
    pages: int = 0
    gpus: int = 0
    emptied: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Guests whose places depend on each other. `rule`: "apart" and "together" are required inter-pod (anti-)affinity,
    "spread" is a topology spread of skew 1; over `key`."""

    name: str
    rule: str
    key: str


@dataclass(slots=True)
class Guest:
    """`home` is its host in the known answer, `at` where it is. `model` is the oldest generation it runs on, or
    HOST_MODEL; `zones` those its node selector or affinity names, `by` which of the two, `volume` whether its volume is
    in its zone only."""

    name: str
    namespace: str
    memory: int
    cores: int
    overhead: int
    huge: bool = False
    gpus: int = 0
    home: int = -1
    at: int = -1
    model: int = 0
    zones: tuple[int, ...] = ()
    by: str = ""
    volume: bool = False
    group: Group | None = None

    @property
    def ordinary(self) -> int:
        """MiB of ordinary memory its launcher pod asks for."""
        return self.overhead + (0 if self.huge else self.memory)

    @property
    def pages(self) -> int:
        return self.memory // 1024 if self.huge else 0


@dataclass(slots=True)
class World:
    """The fleet. `fixed` arrays are over hosts, in their order."""

    size: Size
    seed: int
    hosts: list[Host]
    guests: list[Guest] = field(default_factory=list)
    zone: NDArray[np.int64] = field(init=False)
    generation: NDArray[np.int64] = field(init=False)
    emptied: Mask = field(init=False)
    _pools: dict[str, Mask] = field(init=False)

    def __post_init__(self) -> None:
        self.zone = np.array([host.zone for host in self.hosts])
        self.generation = np.array([host.generation for host in self.hosts])
        self.emptied = np.array([host.emptied for host in self.hosts])
        pools = np.array([host.pool for host in self.hosts])
        self._pools = {str(pool): pools == pool for pool in np.unique(pools)}

    def allowed(self, guest: Guest) -> Mask:
        """bool[hosts]: where it may be, room and other guests aside; a host model is that of the host it is on now."""
        return self.runs(guest, self.hosts[guest.at].generation if guest.model == HOST_MODEL else guest.model)

    def runs(self, guest: Guest, oldest: int) -> Mask:
        """bool[hosts]: the same for a CPU that needs this generation."""
        result = self._pools[self.hosts[guest.home].pool] & (self.generation >= oldest)
        if guest.zones:
            result &= np.isin(self.zone, guest.zones)
        if guest.volume:
            result &= self.zone == self.hosts[guest.home].zone
        return result

    def free(self) -> NDArray[np.int64]:
        """int[hosts, 4]: memory, pages, GPUs and pods that the guests leave, where they are."""
        whole = [(host.memory, host.pages, host.gpus, MAX_PODS - DAEMONS) for host in self.hosts]
        free = np.array(whole, dtype=np.int64)
        where = [guest.at for guest in self.guests]
        np.subtract.at(free, where, needs(self.guests))
        return free


DAEMONS = 2
"""Pods of daemon sets on every host."""


def needs(guests: Sequence[Guest]) -> NDArray[np.int64]:
    """int[guests, 4]: memory, pages, GPUs and pods."""
    return np.array([(each.ordinary, each.pages, each.gpus, 1) for each in guests], dtype=np.int64).reshape(-1, 4)
