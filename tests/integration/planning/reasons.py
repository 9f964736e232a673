"""The scheduler's message, counted by filter.

The words are those of the filters' ErrReason constants and of NewStatus calls (pkg/scheduler/framework/plugins).
"""

import re
from collections import Counter

from tests.integration.planning.extender import REFUSAL

OWN_PODS = "node(s) didn't match pod anti-affinity rules"
"""Also said of the source: a target pod keeps off the VM's own pods."""

_ONE_POD = "ReadWriteOncePod access mode already in-use by another pod"
_WORDS = {
    REFUSAL: "",
    "node(s) were unschedulable": "NodeUnschedulable",
    "node(s) had untolerated taint(s)": "TaintToleration",
    "node(s) didn't match Pod's node affinity/selector": "NodeAffinity",
    "node(s) didn't satisfy plugin(s) [NodeAffinity]": "NodeAffinity",
    f"node(s) unavailable due to PersistentVolumeClaim with {_ONE_POD}": "VolumeRestrictions",
    "node(s) didn't have free ports for the requested pod ports": "NodePorts",
    "Too many pods": "NodeResourcesFit",
    "node(s) exceed max volume count": "NodeVolumeLimits",
    "node(s) didn't match PersistentVolume's node affinity": "VolumeBinding",
    "node(s) had no available volume zone": "VolumeZone",
    "node(s) didn't match pod topology spread constraints": "PodTopologySpread",
    "node(s) didn't match pod topology spread constraints (missing required label)": "PodTopologySpread",
    OWN_PODS: "InterPodAffinity",
    "node(s) didn't match pod affinity rules": "InterPodAffinity",
    "node(s) didn't satisfy existing pods anti-affinity rules": "InterPodAffinity",
}
_COUNTED = re.compile(r"(\d+) (.+)")
_OF_ALL = {
    r"node\(s\) didn't satisfy plugin \[NodeAffinity\]": "NodeAffinity",
    r'persistentvolumeclaim "[^"]+" not found': "VolumeRestrictions",
    r'persistentvolumeclaim "[^"]+" is being deleted': "VolumeBinding",
    r'persistentvolumeclaim "[^"]+" bound to non-existent persistentvolume "[^"]+"': "VolumeBinding",
    "pod has unbound immediate PersistentVolumeClaims": "VolumeBinding",
    r'persistentvolume "[^"]+" not found': "VolumeZone",
}
"""What is said of a pod before any node is looked at (PreFilter), and so of all nodes."""


def reasons(message: str) -> Counter[str]:
    """How many nodes each reason of "0/3 nodes are available: 2 Too many pods, 1 asked. preemption: ..." is said of.

    Raises:
        ValueError: the message is another one.
    """
    head, separator, rest = message.partition(" nodes are available: ")
    if not separator or not head.startswith("0/"):
        raise ValueError(f"not a verdict of the scheduler: {message}")
    said = rest.split(". ")[0].removesuffix(".")
    if _of_all(said):
        return Counter({said: int(head.removeprefix("0/"))})
    result: Counter[str] = Counter()
    for part in said.split(", "):
        found = _COUNTED.fullmatch(part)
        if found is None:
            raise ValueError(f"not a verdict of the scheduler: {message}")
        result[found[2]] += int(found[1])
    return result


def plugin_of(reason: str) -> str:
    """The filter that says so; the empty string for our own extender.

    Raises:
        ValueError: no filter that we know says it.
    """
    if reason.startswith("Insufficient "):
        return "NodeResourcesFit"
    if _of_all(reason):
        return _of_all(reason)
    if reason not in _WORDS:
        raise ValueError(f"no known filter says: {reason}")
    return _WORDS[reason]


def _of_all(said: str) -> str:
    """The filter that says so of all nodes, or the empty string."""
    return next((plugin for pattern, plugin in _OF_ALL.items() if re.fullmatch(pattern, said)), "")
