"""Launcher pods as virt-controller 1.9 creates them (pkg/virt-controller/services/template.go)."""

from typing import Any

from virtsim.objects import keys
from virtsim.objects.overhead import overhead_of
from virtsim.objects.pods import NONROOT_USER, annotations_of, labels_of
from virtsim.objects.resources import Object
from virtsim.virt_controller.containers import GRACE_PADDING_SECONDS, compute, console_log, launcher_grace_seconds
from virtsim.virt_controller.node_selectors import forbids_obsolete_models, launcher_selector, target_selector

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
    pod["spec"]["containers"][0]["image"] = annotations_of(vmim).get(keys.TARGET_IMAGE, image)
    pod["metadata"]["labels"][keys.MIGRATION_JOB_UID] = vmim["metadata"]["uid"]
    pod["metadata"]["annotations"][keys.MIGRATION_JOB_NAME] = vmim["metadata"]["name"]
    _never_beside(pod["spec"].setdefault("affinity", {}), vmi["metadata"]["uid"])
    return pod


def _pod(vmi: Object, image: str, selector: dict[str, str], seed: str) -> Object:
    spec = {
        "nodeSelector": selector,
        "initContainers": [console_log(vmi, image)],
        "containers": [compute(vmi, image, seed)],
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
        "terminationGracePeriodSeconds": launcher_grace_seconds(vmi) + GRACE_PADDING_SECONDS,
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
