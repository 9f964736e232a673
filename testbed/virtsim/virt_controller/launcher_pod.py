"""Launcher pods as virt-controller 1.9 creates them (pkg/virt-controller/services/template.go; kubevirt.md 5.6)."""

import hashlib
from typing import Any

from virtsim.objects import keys
from virtsim.objects.pods import annotations_of, labels_of
from virtsim.objects.resources import Object
from virtsim.virt_controller.node_selectors import forbids_obsolete_models, launcher_selector, target_selector
from virtsim.virt_controller.requirements import compute_resources, overhead_of

NONROOT_USER = 107
VOLUMES = (
    "private",
    "public",
    "sockets",
    "virt-bin-share-dir",
    "libvirt-runtime",
    "ephemeral-disks",
    "hotplug-disks",
)
NOT_COPIED = (keys.LATEST_API_VERSION, keys.STORAGE_API_VERSION, keys.OWN_PREFIX)
"""Beginnings of annotations that stay on the VMI: the simulator's own would tell a planner where a VM began."""
QEMU_TIMEOUT_SECONDS = 240
QEMU_TIMEOUT_JITTER_SECONDS = 120
LAUNCHER_GRACE_SECONDS = 30


def first_pod(vmi: Object, image: str, cluster_selectors: dict[str, str]) -> Object:
    """The pod that starts a VM.

    A VM that the fleet places is bound from the start: nothing in the pod's spec then tells where it began, so that a
    planner reads what it would read of a pod that kube-scheduler had put there.
    """
    pod = _pod(vmi, image, launcher_selector(vmi, cluster_selectors), vmi["metadata"]["uid"])
    node = annotations_of(vmi).get(keys.START_ON)
    if node:
        pod["spec"]["nodeName"] = node
        pod["metadata"]["labels"][keys.NODE_NAME] = node
    return pod


def target_pod(
    vmi: Object, vmim: Object, source_pod: Object, source_node: Object, image: str, cluster_selectors: dict[str, str]
) -> Object:
    """The pod a migration moves its VM into. Raises NoHostModelError."""
    added = vmim["spec"].get("addedNodeSelector") or {}
    selector = target_selector(vmi, source_pod, source_node, added, cluster_selectors)
    pod = _pod(vmi, image, selector, vmim["metadata"]["uid"])
    pod["metadata"]["labels"][keys.MIGRATION_JOB_UID] = vmim["metadata"]["uid"]
    pod["metadata"]["annotations"][keys.MIGRATION_JOB_NAME] = vmim["metadata"]["name"]
    _never_beside(pod["spec"].setdefault("affinity", {}), vmi["metadata"]["uid"])
    return pod


def qemu_timeout_seconds(pod: Object) -> int | None:
    """How long this launcher waits for its domain before it gives up, from its own command line."""
    command = pod["spec"]["containers"][0].get("command") or []
    flag = "--qemu-timeout"
    return int(command[command.index(flag) + 1].removesuffix("s")) if flag in command else None


def _qemu_timeout(seed: str) -> int:
    """240 to 359 s: the base and a jitter (here a hash, not chance)."""
    jitter = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:2], "big") % QEMU_TIMEOUT_JITTER_SECONDS
    return QEMU_TIMEOUT_SECONDS + jitter


def _pod(vmi: Object, image: str, selector: dict[str, str], seed: str) -> Object:
    spec = {
        "nodeSelector": selector,
        "initContainers": [_console_log(vmi, image)],
        "containers": [_compute(vmi, image, seed)],
        **_spec(vmi),
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(vmi), "spec": spec}


def _metadata(vmi: Object) -> Object:
    metadata = vmi["metadata"]
    name = metadata["name"]
    copied = {key: value for key, value in annotations_of(vmi).items() if not key.startswith(NOT_COPIED)}
    return {
        "generateName": f"virt-launcher-{name}-",
        "namespace": metadata["namespace"],
        "labels": {
            **labels_of(vmi),
            keys.APP: "virt-launcher",
            keys.CREATED_BY: metadata["uid"],
            keys.VM_NAME: vmi["spec"].get("hostname", name),
            keys.VMI_ID: name,
        },
        "annotations": {
            **copied,
            **_for_others(metadata["namespace"], name),
            keys.DOMAIN: name,
            keys.TRANSPORT_UNIX: "true",
            keys.MEMORY_OVERHEAD: str(overhead_of(vmi)),
        },
        "ownerReferences": [
            {
                "apiVersion": "kubevirt.io/v1",
                "kind": "VirtualMachineInstance",
                "name": name,
                "uid": metadata["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def _for_others(namespace: str, name: str) -> dict[str, str]:
    """What kubectl, the descheduler, Istio and Velero read on a launcher pod."""
    freezer = '["/usr/bin/virt-freezer", "{}", "--name", "{}", "--namespace", "{}"]'
    return {
        keys.DEFAULT_CONTAINER: "compute",
        keys.EVICT_ONLY: "",
        "istio.io/reroute-virtual-interfaces": "k6t-eth0",
        "traffic.sidecar.istio.io/kubevirtInterfaces": "k6t-eth0",
        "pre.hook.backup.velero.io/container": "compute",
        "pre.hook.backup.velero.io/command": freezer.format("--freeze", name, namespace),
        "pre.hook.backup.velero.io/timeout": "60s",
        "post.hook.backup.velero.io/container": "compute",
        "post.hook.backup.velero.io/command": freezer.format("--unfreeze", name, namespace),
    }


def _spec(vmi: Object) -> Object:
    spec = vmi["spec"]
    taken_over = ("tolerations", "topologySpreadConstraints", "priorityClassName", "schedulerName")
    return {
        "restartPolicy": "Never",
        "hostname": spec.get("hostname", vmi["metadata"]["name"]),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": spec.get("terminationGracePeriodSeconds", 30) + LAUNCHER_GRACE_SECONDS,
        "readinessGates": [{"conditionType": keys.UNPAUSED}],
        "securityContext": {
            "runAsUser": NONROOT_USER,
            "runAsGroup": NONROOT_USER,
            "runAsNonRoot": True,
            "fsGroup": NONROOT_USER,
        },
        "volumes": [{"name": name, "emptyDir": {}} for name in VOLUMES],
        **_affinity(vmi),
        **{field: spec[field] for field in taken_over if spec.get(field)},
    }


def _compute(vmi: Object, image: str, seed: str) -> Object:
    name = vmi["metadata"]["name"]
    return {
        "name": "compute",
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


def _console_log(vmi: Object, image: str) -> Object:
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


def _affinity(vmi: Object) -> dict[str, Any]:
    affinity = _copied(vmi["spec"].get("affinity") or {})
    if forbids_obsolete_models(vmi):
        node = affinity.setdefault("nodeAffinity", {})
        required = node.setdefault("requiredDuringSchedulingIgnoredDuringExecution", {"nodeSelectorTerms": [{}]})
        for term in required["nodeSelectorTerms"]:
            term.setdefault("matchExpressions", []).append(
                {"key": keys.OBSOLETE_HOST_MODEL, "operator": "DoesNotExist"}
            )
    return {"affinity": affinity} if affinity else {}


def _never_beside(affinity: dict[str, Any], vmi_uid: str) -> None:
    """The target never lands on the node of another pod of the same VM."""
    anti = affinity.setdefault("podAntiAffinity", {})
    anti.setdefault("requiredDuringSchedulingIgnoredDuringExecution", []).append(
        {"labelSelector": {"matchLabels": {keys.CREATED_BY: vmi_uid}}, "topologyKey": keys.HOSTNAME}
    )


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(entry) for key, entry in value.items()}
    return [_copied(entry) for entry in value] if isinstance(value, list) else value
