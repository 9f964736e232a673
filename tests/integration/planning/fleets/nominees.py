"""Pods for which room is kept on a node: others are preempted there for them."""

from tests.integration.planning.fleets.draft import Draft, Object, container
from tests.integration.planning.fleets.ports import open_ports

PRIORITIES = {"high": 10, "even": 0, "low": -10}
"""The priority classes, by name; VMs have 0. Their pods wait, and preempt nobody themselves: that takes their node from
them when it finds no victim."""


def nominees(draft: Draft) -> None:
    """Some of a higher and some of a lower priority than the VMs, some gated, some of a scheduler that is not ours."""
    for node in draft.nodes:
        if draft.chance(1):
            node["status"]["allocatable"] |= {"cpu": "3"}
        for _ in range(draft.rng.randrange(3)):
            # Only in a fleet of their own: what they would mean to neighbours is not modelled.
            if draft.dose == 1:
                _nominate(draft, node["metadata"]["name"])
    for vm in draft.vms:
        if draft.chance(0.9) and "resources" not in vm.launcher["spec"]:
            container(vm.launcher)["resources"] = {"requests": {"cpu": f"{draft.rng.randrange(1, 9) * 250}m"}}
        if draft.chance(0.2):
            open_ports(vm.launcher, draft.rng)


def _nominate(draft: Draft, node: str) -> None:
    rng, pod = draft.rng, draft.add_pod()
    del pod["spec"]["nodeName"]
    pod["spec"]["priorityClassName"] = rng.choice(list(PRIORITIES))
    container(pod)["resources"] = {"requests": {"cpu": f"{rng.randrange(1, 9) * 250}m"}}
    open_ports(pod, rng)
    pod["status"] = {"nominatedNodeName": node}
    odd = rng.random()
    if odd < 0.1:
        pod["spec"]["schedulingGates"] = [{"name": "example.com/not-yet"}]
    elif odd < 0.2:
        pod["spec"]["schedulerName"] = "another"


def priority_classes() -> list[Object]:
    return [
        {"metadata": {"name": name}, "value": value, "preemptionPolicy": "Never", "description": "for the oracle"}
        for name, value in PRIORITIES.items()
    ]
