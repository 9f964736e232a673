"""The status of a pod as a kubelet reports it."""

import hashlib
from typing import Any

from virtsim.objects.conditions import condition
from virtsim.objects.resources import Object
from virtsim.objects.times import now

DIGEST = "sha256:" + "ab" * 32


SIDECAR = {"name": "hook-sidecar-0", "image": "quay.io/kubevirt/sidecar-shim"}
"""What stands for a container that runs and does not get ready."""


def waiting(pod: Object, reason: str, message: str) -> dict[str, Any]:
    """Bound, and its containers do not run yet."""
    state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    spec = pod["spec"]
    not_ready = {"status": "False", "reason": "ContainersNotReady"}
    conditions = [
        {"type": "PodScheduled", "status": "True"},
        {"type": "Initialized", "status": "False", "reason": "ContainersNotInitialized"},
        *({"type": kind, **not_ready} for kind in ("ContainersReady", "Ready")),
    ]
    return {
        "phase": "Pending",
        "startTime": (pod.get("status") or {}).get("startTime") or now(),
        "conditions": [_since(pod, entry) for entry in conditions],
        "initContainerStatuses": [_container(entry, state, False) for entry in _sidecars(spec)],
        "containerStatuses": [_container(entry, state, False) for entry in spec["containers"]],
    }


def unready(pod: Object) -> dict[str, Any]:
    """The compute container runs, another one is not ready."""
    status = running(pod)
    not_ready = {"status": "False", "reason": "ContainersNotReady"}
    conditions = [entry for entry in status["conditions"] if entry["type"] not in ("ContainersReady", "Ready")]
    conditions += [_since(pod, {"type": kind, **not_ready}) for kind in ("ContainersReady", "Ready")]
    sidecar = {**_container(SIDECAR, {"running": {"startedAt": now()}}, True), "ready": False}
    return {**status, "conditions": conditions, "containerStatuses": [*status["containerStatuses"], sidecar]}


def is_unready(pod: Object) -> bool:
    """Whether that was its last status."""
    containers = (pod.get("status") or {}).get("containerStatuses") or ()
    return any(entry["name"] == SIDECAR["name"] for entry in containers)


def is_waiting(pod: Object, reason: str) -> bool:
    """Whether its last status said that its containers wait for this reason."""
    containers = (pod.get("status") or {}).get("containerStatuses") or ()
    return any(entry["state"].get("waiting", {}).get("reason") == reason for entry in containers)


def running(pod: Object) -> dict[str, Any]:
    """All containers run. Ready follows the readiness gates."""
    at = started_at(pod) or now()
    address = pod_address(pod["metadata"]["uid"])
    spec = pod["spec"]
    return {
        "phase": "Running",
        "startTime": (pod.get("status") or {}).get("startTime") or at,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [_since(pod, entry) for entry in _conditions(pod)],
        "initContainerStatuses": [_container(entry, {"running": {"startedAt": at}}, True) for entry in _sidecars(spec)],
        "containerStatuses": [_container(entry, {"running": {"startedAt": at}}, True) for entry in spec["containers"]],
    }


def ended(pod: Object, phase: str) -> dict[str, Any]:
    """All containers have terminated: well (Succeeded) or not (Failed)."""
    well = phase == "Succeeded"
    terminated = {
        "exitCode": 0 if well else 2,
        "reason": "Completed" if well else "Error",
        "startedAt": (pod.get("status") or {}).get("startTime") or now(),
        "finishedAt": now(),
    }
    reason = "PodCompleted" if well else "PodFailed"
    return {
        "phase": phase,
        "conditions": [
            _since(pod, {"type": kind, "status": "False", "reason": reason}) for kind in ("Ready", "ContainersReady")
        ],
        "containerStatuses": [
            _container(entry, {"terminated": terminated}, False) for entry in pod["spec"]["containers"]
        ],
    }


def started_at(pod: Object) -> str | None:
    """When its first container (of a launcher: compute) began to run; None while it does not."""
    containers = (pod.get("status") or {}).get("containerStatuses") or ()
    first = pod["spec"]["containers"][0]["name"]
    states = (entry["state"].get("running") or {} for entry in containers if entry["name"] == first)
    return next((state.get("startedAt") for state in states), None)


def pod_address(uid: str) -> str:
    """An address for the pod, a hash of its uid in 10.128.0.0/9."""
    first, second, third = hashlib.sha256(uid.encode()).digest()[:3]
    return f"10.{128 + first % 128}.{second}.{1 + third % 254}"


def _sidecars(spec: dict[str, Any]) -> list[Object]:
    return [entry for entry in spec.get("initContainers") or () if entry.get("restartPolicy") == "Always"]


def _conditions(pod: Object) -> list[Object]:
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    closed = [gate for gate in gates if (condition(pod, gate) or {}).get("status") != "True"]
    ready: Object = {"type": "Ready", "status": "True"}
    if closed:
        missing = ", ".join(
            f'corresponding condition of pod readiness gate "{gate}" does not exist.' for gate in closed
        )
        ready = {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady", "message": missing}
    done = [{"type": kind, "status": "True"} for kind in ("PodScheduled", "Initialized", "ContainersReady")]
    return [*done, ready]


def _since(pod: Object, entry: Object) -> Object:
    """The condition with the moment of its last change; one that goes back to True loses its reason (null removes)."""
    known = condition(pod, entry["type"]) or {}
    changed = known.get("status") != entry["status"]
    since = now() if changed else known.get("lastTransitionTime")
    cleared: Object = {field: None for field in ("reason", "message") if field in known and field not in entry}
    return {**cleared, **entry, "lastProbeTime": None, "lastTransitionTime": since}


def _container(spec: Object, state: dict[str, Any], up: bool) -> Object:
    image = spec.get("image", "")
    return {
        "name": spec["name"],
        "image": image,
        "imageID": f"{image.rpartition(':')[0] or image}@{DIGEST}",
        "containerID": f"virtsim://{hashlib.sha256(spec['name'].encode()).hexdigest()}",
        "ready": up,
        "started": up,
        "restartCount": 0,
        "state": state,
        "lastState": {},
    }
