"""KubeVirt's migration configuration, as far as it decides how a migration goes and ends."""

from dataclasses import dataclass
from math import ceil, inf


@dataclass(frozen=True, slots=True)
class Policy:
    """Defaults: kubevirt pkg/virt-config/virt-config.go; `downtime_limit` is QEMU's (migration/options.c).

    `progressTimeout` is not in it: virt-launcher aborts when the bytes that remain are at no sample fewer than at the
    one before for that long (live-migration-source.go), and while anything is sent at all they are fewer within every
    pass over the memory.
    """

    completion_timeout_per_gib: int = 150
    """Seconds; 0 means no deadline."""
    downtime_limit: float = 0.3
    """Seconds the guest may stand still at switchover."""
    auto_converge: bool = False
    post_copy: bool = False
    workload_disruption: bool | None = None
    """None: as `post_copy` says."""
    bandwidth: float = inf
    """bandwidthPerMigration, bytes a second."""

    @property
    def disrupts(self) -> bool:
        """Whether a migration that is not done at its deadline is ended by post-copy or a pause, and not aborted."""
        return self.post_copy if self.workload_disruption is None else self.workload_disruption

    def deadline(self, size: int) -> float:
        """Seconds a migration of so many bytes of guest memory and migrated disks may take; infinite without a
        time-out. A gigabyte begun counts whole, and is a decimal one (live-migration-source.go, ScaledValue(Giga))."""
        if self.completion_timeout_per_gib == 0:
            return inf
        return float(self.completion_timeout_per_gib * ceil(size / 10**9))
