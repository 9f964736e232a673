"""The containers of a launcher pod (pkg/virt-controller/services/template.go)."""

import hashlib

from virtsim.objects.pods import COMPUTE, NONROOT_USER
from virtsim.objects.resources import Object
from virtsim.virt_controller.requirements import compute_resources

QEMU_TIMEOUT_SECONDS = 240
QEMU_TIMEOUT_JITTER_SECONDS = 120


def compute(vmi: Object, image: str, seed: str) -> Object:
    """The container that virt-launcher and QEMU run in; `seed` decides its qemu time-out."""
    name = vmi["metadata"]["name"]
    return {
        "name": COMPUTE,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/usr/bin/virt-launcher-monitor", "--qemu-timeout", f"{_qemu_timeout(seed)}s", "--name", name],
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
        "args": ["--logfile", f"/var/run/kubevirt-private/{vmi['metadata']['uid']}/virt-serial0-log"],
        "restartPolicy": "Always",
        "resources": {"requests": {"cpu": "5m", "memory": "35M"}, "limits": {"cpu": "15m", "memory": "60M"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "runAsUser": NONROOT_USER,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _qemu_timeout(seed: str) -> int:
    """240 to 359 s: the base and a jitter (here a hash, not chance)."""
    jitter = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:2], "big") % QEMU_TIMEOUT_JITTER_SECONDS
    return QEMU_TIMEOUT_SECONDS + jitter
