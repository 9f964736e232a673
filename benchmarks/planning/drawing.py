"""The known answer first: hosts, and guests that need what the host they are given has; then they are scattered."""

import numpy as np

from benchmarks.planning.groups import group
from benchmarks.planning.scattering import scatter
from benchmarks.planning.sizes import guests
from benchmarks.planning.world import HOST_MODEL, ZONES, Guest, Host, Rng, Size, World

MEMORY = (256, 384, 512)
"""GiB of the hosts of each generation, before all are scaled to the wanted utilisation."""
POOLS = ("batch", "database")
POOLED, PAGED, WITH_GPU = 0.1, 0.1, 0.04
"""Shares of the hosts in a dedicated pool, with huge pages, with GPUs."""
FULLEST = 0.998
GPUS = 8
FULLEST_PAGES = 0.85
"""Of the huge pages of all hosts together: the few hosts that have them leave larger rests."""


def a_world(size: Size, seed: int) -> World:
    """The fleet of this size and seed: the same on every machine."""
    rng = np.random.Generator(np.random.PCG64(seed))
    world = World(size, seed, _hosts(size, rng))
    world.guests = sorted(guests(size.vms, rng), key=lambda guest: (-guest.gpus, -guest.memory))
    _scale(world)
    _settle(world, rng)
    for guest in world.guests:
        _demand(guest, world.hosts[guest.home], rng)
    group(world, rng)
    scatter(world, rng)
    world.guests.sort(key=lambda guest: guest.name)
    return world


def _hosts(size: Size, rng: Rng) -> list[Host]:
    """Zones and generations evenly mixed; those to be emptied are any of them."""
    count = size.nodes
    pooled, paged, with_gpu = (round(count * share) for share in (POOLED, PAGED, WITH_GPU))
    generations = rng.permutation(np.arange(count) % len(MEMORY)).tolist()
    order = rng.permutation(count).tolist()
    # The first of each kind stays, so that its guests have somewhere to go.
    staying = {*order[: len(POOLS)], order[pooled], order[pooled + paged]}
    emptied = set([n for n in rng.permutation(count).tolist() if n not in staying][: size.emptied])
    pools = {n: POOLS[i % len(POOLS)] for i, n in enumerate(order[:pooled])}
    pages, gpus = set(order[pooled : pooled + paged]), set(order[pooled + paged : pooled + paged + with_gpu])
    return [
        Host(
            name=f"n{n:04d}",
            zone=n % ZONES,
            generation=generations[n],
            pool=pools.get(n, ""),
            memory=MEMORY[generations[n]] // (2 if n in pages else 1),
            pages=MEMORY[generations[n]] // 2 if n in pages else 0,
            gpus=GPUS if n in gpus else 0,
            emptied=n in emptied,
        )
        for n in range(count)
    ]


def _scale(world: World) -> None:
    """Hosts as large as makes those that stay as full as is wanted."""
    staying = [host for host in world.hosts if not host.emptied]
    wanted = sum(guest.ordinary for guest in world.guests) / world.size.util
    scale = wanted / sum(host.memory for host in staying)
    pages = sum(guest.pages for guest in world.guests) / min(world.size.util, FULLEST_PAGES)
    page_scale = pages / max(1, sum(host.pages for host in staying))
    for host in world.hosts:
        host.memory = round(host.memory * scale)
        host.pages = round(host.pages * page_scale)


def _settle(world: World, rng: Rng) -> None:
    """A home for every guest, the largest first, each host up to a fullness of its own."""
    hosts = world.hosts
    free = np.array([(h.memory, h.pages, h.gpus) if not h.emptied else (0, 0, 0) for h in hosts], dtype=np.int64)
    width = min(0.08, FULLEST - world.size.util)
    reserve = 1 - (world.size.util + rng.uniform(-width, width, len(hosts)))
    kept = (free[:, :2] * reserve[:, None]).astype(np.int64)
    whole = np.maximum(free[:, :2], 1)
    for guest in world.guests:
        need = np.array([guest.ordinary, guest.pages, guest.gpus])
        fits = (free >= need).all(axis=1)
        if not fits.any():
            raise ValueError(f"no host of the fleet takes a guest of {guest.memory} MiB: allow more nodes a VM")
        kind = 1 if guest.huge else 0
        left = (free[:, kind] - kept[:, kind] - need[kind]) / whole[:, kind]
        # Hosts with GPUs are left to those who need them while there are others.
        left = left - 0.02 * (free[:, 2] > 0) * (guest.gpus == 0)
        guest.home = guest.at = int(np.argmax(np.where(fits, left, -np.inf)))
        free[guest.home] -= need


def _demand(guest: Guest, host: Host, rng: Rng) -> None:
    """What the guest asks of a node: nothing that its home does not have."""
    cpu, place, volume = rng.random(3).tolist()
    if cpu < 0.25:
        guest.model = HOST_MODEL
    elif cpu < 0.65:
        guest.model = int(rng.integers(0, host.generation + 1))
    if place < 0.05:
        guest.zones, guest.by = (host.zone,), "selector"
    elif place < 0.10:
        guest.zones, guest.by = tuple(sorted({host.zone, (host.zone + 1) % ZONES})), "affinity"
    guest.volume = volume < 0.25
