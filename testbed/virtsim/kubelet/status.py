"""The status of a pod as a kubelet reports it."""

import hashlib
from typing import Any

from virtsim.objects.conditions import condition
from virtsim.objects.resources import Object
from virtsim.objects.times import now

DIGEST = "sha256:" + "ab" * 32


def running(pod: Object) -> dict[str, Any]:
    """All containers run. Ready follows the readiness gates."""
    at = now()
    address = pod_address(pod["metadata"]["uid"])
    spec = pod["spec"]
    sidecars = [entry for entry in spec.get("initContainers") or () if entry.get("restartPolicy") == "Always"]
    return {
        "phase": "Running",
        "startTime": (pod.get("status") or {}).get("startTime") or at,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [_since(pod, entry) for entry in _conditions(pod)],
        "initContainerStatuses": [_container(entry, {"running": {"startedAt": at}}, True) for entry in sidecars],
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


def pod_address(uid: str) -> str:
    """An address for the pod, a hash of its uid in 10.128.0.0/9."""
    first, second, third = hashlib.sha256(uid.encode()).digest()[:3]
    return f"10.{128 + first % 128}.{second}.{1 + third % 254}"


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
