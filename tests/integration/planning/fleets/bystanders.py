"""Pods that count for nobody, and pods that count less than others because they are ending."""

from tests.integration.planning.fleets.draft import HOSTNAME, Draft, Object, container

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_APART_FROM_ALL = {"podAntiAffinity": {_REQUIRED: [{"topologyKey": HOSTNAME, "labelSelector": {}}]}}


def bystanders(draft: Draft) -> None:
    """Pods that count for nobody, whatever they ask: gated, left to another scheduler, or on a node that has gone."""
    for _ in range(len(draft.nodes)):
        if draft.chance(0.5):
            pod = draft.add_pod()
            container(pod)["resources"] = {"requests": {"cpu": "300", "memory": "1Ti"}}
            pod["spec"]["affinity"] = _APART_FROM_ALL
            draft.rng.choice((_gate, _leave_to_another, _strand))(pod)


def _gate(pod: Object) -> None:
    del pod["spec"]["nodeName"]
    pod["spec"]["schedulingGates"] = [{"name": "example.com/not-yet"}]


def _leave_to_another(pod: Object) -> None:
    del pod["spec"]["nodeName"]
    pod["spec"]["schedulerName"] = "another"


def _strand(pod: Object) -> None:
    pod["spec"]["nodeName"] = "gone"


def ending(draft: Draft) -> None:
    """Some pods are deleted and take their time: they hold their room and repel, and are spread no more."""
    for pod in draft.pods:
        if draft.chance(0.15) and "nodeName" in pod["spec"]:
            draft.terminating.add((pod["metadata"]["namespace"], pod["metadata"]["name"]))
