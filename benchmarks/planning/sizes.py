"""VM sizes with the marginals of Azure's public traces (Cortez et al., SOSP 2017; AzurePublicDataset V2, 2019)."""

import math

import numpy as np

from benchmarks.planning.world import Guest, Rng

MEMORY = {1: 0.04, 2: 0.08, 4: 0.16, 8: 0.35, 16: 0.18, 32: 0.13, 64: 0.045, 128: 0.015}
"""GiB of guest memory: share of the VMs."""
CORES = {1: 0.25, 2: 0.33, 4: 0.26, 8: 0.11, 16: 0.04, 32: 0.01}
KINSHIP = 0.75
"""How far cores follow memory: the traces give the marginals, not this."""
HUGE, GPU = 0.03, 0.005
"""Shares of VMs on huge pages and with a GPU."""
LARGEST_HUGE = 32
"""GiB: few hosts have huge pages, and larger guests would not go into them evenly."""
NAMESPACES = 40


def guests(count: int, rng: Rng) -> list[Guest]:
    """So many VMs, without a place."""
    first = rng.standard_normal(count)
    second = KINSHIP * first + math.sqrt(1 - KINSHIP**2) * rng.standard_normal(count)
    memory, cores = _quantiles(MEMORY, first), _quantiles(CORES, second)
    kind = rng.random(count)
    tenant = rng.integers(0, NAMESPACES, count)
    return [
        Guest(
            name=f"vm-{n:05d}",
            namespace=f"tenant-{tenant[n]:02d}",
            memory=gib * 1024,
            cores=vcpus,
            overhead=overhead(gib * 1024, vcpus),
            huge=bool(kind[n] < HUGE) and gib <= LARGEST_HUGE,
            gpus=_gpus(kind[n]),
        )
        for n, (gib, vcpus) in enumerate(zip(memory, cores, strict=True))
    ]


def _gpus(kind: float) -> int:
    """One in four of those with a GPU has two."""
    return 0 if not HUGE <= kind < HUGE + GPU else 2 if kind < HUGE + GPU / 4 else 1


def overhead(memory: int, cores: int) -> int:
    """MiB on top of the guest: page tables, the processes around it, vCPUs, graphics (kubevirt
    pkg/virt-controller/services/renderresources.go GetMemoryOverhead)."""
    return memory // 512 + 240 + 8 * cores + 8 + 32


def _quantiles(shares: dict[int, float], normal: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[int]:
    """Values with these shares, in the order of the normal variates, exactly."""
    values, bounds = list(shares), np.cumsum(list(shares.values()))
    rank = (np.argsort(np.argsort(normal, kind="stable"), kind="stable") + 0.5) / len(normal)
    return [values[min(n, len(values) - 1)] for n in np.searchsorted(bounds, rank).tolist()]
