"""Who the simulator's requests are made for: KubeVirt's own service accounts, impersonated."""

from virtsim.cluster.client import Identity
from virtsim.objects.keys import NAMESPACE

SERVICE_ACCOUNTS = f"system:serviceaccount:{NAMESPACE}:"

ADMIN = Identity("virtsim")
CONTROLLER = Identity("virt-controller", f"{SERVICE_ACCOUNTS}kubevirt-controller")
HANDLER = Identity("virt-handler", f"{SERVICE_ACCOUNTS}kubevirt-handler")
APISERVER = Identity("virt-api", f"{SERVICE_ACCOUNTS}kubevirt-apiserver")

KUBEVIRTS_OWN = frozenset(
    f"{SERVICE_ACCOUNTS}kubevirt-{name}"
    for name in ("apiserver", "controller", "handler", "synchronization-controller")
)
"""Whom the webhooks take for KubeVirt itself: these accounts, and no other of the same namespace."""
KUBELET = Identity("kubelet", f"{SERVICE_ACCOUNTS}virtsim-kubelet")
