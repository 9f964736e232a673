"""The containers of a launcher pod (pkg/virt-controller/services/template.go), as 1.9 renders them.

Left out: what follows from volumes, from host devices and from sidecars of hooks, for VMs that the fleet cannot have.
"""

import hashlib
from typing import Any

from virtsim.objects.pods import COMPUTE, NONROOT_USER
from virtsim.objects.resources import Object
from virtsim.virt_controller.requirements import compute_resources

QEMU_TIMEOUT_SECONDS = 240
QEMU_TIMEOUT_JITTER_SECONDS = 120

DEFAULT_GRACE_SECONDS = 30
GRACE_PADDING_SECONDS = 15
"""The launcher gets so much more than the guest, and the pod so much more than the launcher."""

DISK_MEMORY_LIMIT = 2_097_152_000
LOG_VERBOSITY = "2"
PRIVATE = "/var/run/kubevirt-private"

MOUNTS: tuple[dict[str, Any], ...] = (
    {"name": "private", "mountPath": PRIVATE},
    {"name": "public", "mountPath": "/var/run/kubevirt"},
    {"name": "ephemeral-disks", "mountPath": "/var/run/kubevirt-ephemeral-disks"},
    {"name": "libvirt-runtime", "mountPath": "/var/run/libvirt"},
    {"name": "sockets", "mountPath": "/var/run/kubevirt/sockets"},
    {"name": "hotplug-disks", "mountPath": "/var/run/kubevirt/hotplug-disks", "mountPropagation": "HostToContainer"},
)
ENVIRONMENT: tuple[dict[str, Any], ...] = (
    {"name": "XDG_CACHE_HOME", "value": PRIVATE},
    {"name": "XDG_CONFIG_HOME", "value": PRIVATE},
    {"name": "XDG_RUNTIME_DIR", "value": "/var/run"},
    {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
)


def launcher_grace_seconds(vmi: Object) -> int:
    """How long virt-launcher waits for the guest to shut down."""
    guest: int = vmi["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
    return guest + GRACE_PADDING_SECONDS


def compute(vmi: Object, image: str, seed: str) -> Object:
    """The container that virt-launcher and QEMU run in; `seed` decides its qemu time-out."""
    return {
        "name": COMPUTE,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": _command(vmi, seed),
        "env": [dict(entry) for entry in ENVIRONMENT],
        "volumeMounts": [dict(mount) for mount in MOUNTS],
        "resources": compute_resources(vmi),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "runAsUser": NONROOT_USER,
            "runAsGroup": NONROOT_USER,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def console_log(vmi: Object, image: str) -> Object:
    """A sidecar in the modern form, an init container that stays: its requests count beside the compute container's."""
    return {
        "name": "guest-console-log",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/usr/bin/virt-tail"],
        "args": ["--logfile", f"{PRIVATE}/{vmi['metadata']['uid']}/virt-serial0-log"],
        "env": [{"name": "VIRT_LAUNCHER_LOG_VERBOSITY", "value": LOG_VERBOSITY}],
        "volumeMounts": [{"name": "private", "mountPath": PRIVATE, "readOnly": True}],
        "restartPolicy": "Always",
        "resources": {"requests": {"cpu": "5m", "memory": "35M"}, "limits": {"cpu": "15m", "memory": "60M"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "runAsUser": NONROOT_USER,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _command(vmi: Object, seed: str) -> list[str]:
    metadata = vmi["metadata"]
    options = {
        "--qemu-timeout": f"{_qemu_timeout(seed)}s",
        "--name": metadata["name"],
        "--uid": metadata["uid"],
        "--namespace": metadata["namespace"],
        "--kubevirt-share-dir": "/var/run/kubevirt",
        "--ephemeral-disk-dir": "/var/run/kubevirt-ephemeral-disks",
        "--container-disk-dir": "/var/run/kubevirt/container-disks",
        "--grace-period-seconds": str(launcher_grace_seconds(vmi)),
        "--hook-sidecars": "0",
        "--ovmf-path": "/usr/share/edk2/ovmf",
        "--disk-memory-limit": str(DISK_MEMORY_LIMIT),
        "--hypervisor": "kvm",
    }
    flags = ["--run-as-nonroot", "--image-volume", "--libvirt-hook-server-and-client", "--upgrade-ordinal-ifaces"]
    words = [word for option in options.items() for word in option]
    return ["/usr/bin/virt-launcher-monitor", *words, *flags]


def _qemu_timeout(seed: str) -> int:
    """240 to 359 s: the base and a jitter (here a hash, not chance)."""
    jitter = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:2], "big") % QEMU_TIMEOUT_JITTER_SECONDS
    return QEMU_TIMEOUT_SECONDS + jitter
