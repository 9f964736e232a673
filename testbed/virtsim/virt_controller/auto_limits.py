"""Limits that virt-controller gives a launcher because a ResourceQuota of its namespace wants them
(services/template.go, renderresources.go). Without them the quota would refuse the pod.
"""

from collections.abc import Iterable
from typing import Any

from virtsim.objects import quantity
from virtsim.objects.overhead import vcpus
from virtsim.objects.resources import Object

MEMORY_RATIO = 2
"""Of limit to request. A label of the namespace may say otherwise with KubeVirt, and is not looked at here."""


def with_auto_limits(pod: Object, vmi: Object, quotas: Iterable[Object]) -> Object:
    """The pod, not created yet, with limits for what the quotas of its namespace limit and it has no limit of."""
    namespace = vmi["metadata"]["namespace"]
    hard: set[str] = set()
    for quota in quotas:
        if quota["metadata"]["namespace"] == namespace:
            hard.update((quota.get("spec") or {}).get("hard") or {})
    compute, *others = pod["spec"]["containers"]
    limits = {**_wanted(compute["resources"]["requests"], vmi, hard), **compute["resources"]["limits"]}
    limited = {**compute, "resources": {**compute["resources"], "limits": limits}}
    return {**pod, "spec": {**pod["spec"], "containers": [limited, *others]}}


def _wanted(requests: dict[str, Any], vmi: Object, hard: set[str]) -> dict[str, str]:
    wanted: dict[str, str] = {}
    if "limits.memory" in hard:
        wanted["memory"] = quantity.binary(quantity.size(requests["memory"]) * MEMORY_RATIO)
    if "limits.cpu" in hard:
        wanted["cpu"] = str(vcpus(vmi["spec"]["domain"]))
    return wanted
