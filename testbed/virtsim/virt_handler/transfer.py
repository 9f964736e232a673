"""How long pre-copy takes and whether it ends: a model of QEMU's iterations and of virt-launcher's monitor.

Pure. pkg/virt-launcher/virtwrap/live-migration-source.go.
"""

from dataclasses import dataclass

DOWNTIME_SECONDS = 0.3
"""libvirt's default: the guest is stopped when what remains can be sent in this time."""

BYTES_PER_STEP = 10**9
"""KubeVirt's "GiB" in completionTimeoutPerGiB is 10^9 bytes, begun ones counted whole."""


@dataclass(frozen=True, slots=True)
class Precopy:
    """A transfer of guest memory: how long it runs (s), what it sends (bytes), how many rounds, and whether it ends.

    One that does not converge runs until its deadline.
    """

    seconds: float
    sent: int
    iterations: int
    converges: bool


def precopy(memory: int, dirty_rate: float, bandwidth: float, deadline: float) -> Precopy:
    """Sends `memory` bytes at `bandwidth` while the guest dirties `dirty_rate` (both bytes/s).

    Each round sends what the previous one left dirty, never more than the memory; `deadline` in seconds, 0 for none
    (a transfer that would never end then runs for ever: `seconds` is infinite).
    """
    remaining, elapsed, sent, rounds = float(memory), 0.0, 0.0, 0
    limit = deadline if deadline > 0 else float("inf")
    if dirty_rate >= bandwidth and memory > bandwidth * DOWNTIME_SECONDS:
        total = limit * bandwidth if limit != float("inf") else float(memory)
        return Precopy(limit, int(total), max(1, int(total // memory)), converges=False)
    while True:
        took = remaining / bandwidth
        elapsed, sent, rounds = elapsed + took, sent + remaining, rounds + 1
        if elapsed > limit:
            return Precopy(limit, int(limit * bandwidth), rounds, converges=False)
        remaining = min(float(memory), dirty_rate * took)
        if remaining <= bandwidth * DOWNTIME_SECONDS:
            return Precopy(elapsed + remaining / bandwidth, int(sent + remaining), rounds, converges=True)


def deadline_seconds(memory: int, timeout_per_gib: int) -> float:
    """When virt-launcher gives up: the timeout for every begun 10^9 bytes. A "2Gi" VM gets 3 x 150 s. 0 means never."""
    return float(timeout_per_gib * -(-memory // BYTES_PER_STEP))
