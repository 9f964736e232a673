"""Objects as the API server stores them: what it adds to a created object, and admission to a launcher pod. Pure but
for uids and the clock.
"""

import secrets
import uuid
from typing import Any

from virtsim.objects import quantity
from virtsim.objects.resources import Object
from virtsim.objects.times import now

ADMITTED = frozenset({"tolerations", "priorityClassName"})
"""Words of a VMI's spec that admission would take into account for its pod."""

SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH = 5
"""What `generateName` is followed by (k8s.io/apimachinery/pkg/util/rand)."""

TOLERATIONS = [
    {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for state in ("not-ready", "unreachable")
]
"""plugin/pkg/admission/defaulttolerationseconds"""


def born(obj: Object) -> Object:
    """With what every object gets at its creation."""
    metadata = obj["metadata"]
    named = {"name": metadata["generateName"] + _suffix()} if "generateName" in metadata else {}
    given = {"uid": str(uuid.uuid4()), "creationTimestamp": now(), "generation": 1}
    return {**obj, "metadata": {**metadata, **named, **given}}


def admitted(pod: Object) -> Object:
    """A launcher pod without tolerations and priority class, after the default admission plugins of Kubernetes 1.36.

    In a namespace without quotas and limit ranges, whose default ServiceAccount has no pull secrets.
    """
    spec = {
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "priority": 0,
        "preemptionPolicy": "PreemptLowerPriority",
        "tolerations": TOLERATIONS,
        **pod["spec"],
    }
    return {**pod, "spec": spec, "status": {"phase": "Pending", "qosClass": qos_class(pod)}}


def qos_class(pod: Object) -> str:
    """pkg/apis/core/v1/helper/qos: only CPU and memory count, of init containers as well."""
    containers = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())]
    resources = [container.get("resources") or {} for container in containers]
    if not any(_amounts(entry, kind) for entry in resources for kind in ("requests", "limits")):
        return "BestEffort"
    return "Guaranteed" if all(_is_guaranteed(entry) for entry in resources) else "Burstable"


def _is_guaranteed(resources: dict[str, Any]) -> bool:
    limits, requests = _amounts(resources, "limits"), _amounts(resources, "requests")
    return len(limits) == 2 and {**limits, **requests} == limits


def _amounts(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    amounts = {name: quantity.parse(str(text)) for name, text in (resources.get(kind) or {}).items()}
    return {name: amount for name, amount in amounts.items() if name in ("cpu", "memory") and amount > 0}


def _suffix() -> str:
    return "".join(secrets.choice(SUFFIX_ALPHABET) for _ in range(SUFFIX_LENGTH))
