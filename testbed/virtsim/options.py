"""What may be chosen when the simulator starts."""

from dataclasses import dataclass

from virtsim.versions import NEWEST, Version

GIGABIT = 10**9 // 8


@dataclass(frozen=True, slots=True)
class Options:
    """How the simulated KubeVirt differs from its defaults.

    speed_up: what happens inside launchers (transfers, their deadlines, the qemu time-out) runs this many times faster.
    Kubernetes' and virt-controller's own timers stay real. link_speed: bytes/s of every node's NIC, in each direction;
    all its migrations share it. webhook_host: the address under which the API server reaches this process. version: the
    KubeVirt that is simulated. metrics_port: where Prometheus may scrape, 0 for nowhere.
    """

    speed_up: float = 1.0
    link_speed: float = 10.0 * GIGABIT
    webhook_host: str = "127.0.0.1"
    version: Version = NEWEST
    metrics_port: int = 0

    @property
    def listen_host(self) -> str:
        """The address to listen on: as far as the webhooks can be reached, so can the metrics."""
        return "127.0.0.1" if self.webhook_host in ("127.0.0.1", "localhost") else "0.0.0.0"

    @property
    def launcher_image(self) -> str:
        return f"quay.io/kubevirt/virt-launcher:{self.version.release}"
