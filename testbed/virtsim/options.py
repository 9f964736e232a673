"""What may be chosen when the simulator starts."""

from dataclasses import dataclass

from virtsim.versions import NEWEST, Version

GIGABIT = 10**9 // 8


@dataclass(frozen=True, slots=True)
class Options:
    """How the simulated KubeVirt differs from its defaults.

    speed_up: what happens inside launchers (transfers, their deadlines, the qemu time-out) runs this many times faster.
    Kubernetes' and virt-controller's own timers stay real. link_speed: bytes/s of one migration where KubeVirt's
    bandwidthPerMigration does not say less. webhook_host: the address under which the API server reaches this process.
    version: the KubeVirt that is simulated.
    """

    speed_up: float = 1.0
    link_speed: float = 10.0 * GIGABIT
    webhook_host: str = "127.0.0.1"
    version: Version = NEWEST

    @property
    def launcher_image(self) -> str:
        return f"quay.io/kubevirt/virt-launcher:{self.version.release}"
