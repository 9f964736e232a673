"""Fleets in a few words. A VM's migration takes the seconds it says, and may be told to take others while it runs."""

import re
from typing import Any

from virtsim.fleet.spec import Fleet, parse
from virtsim.objects import keys

Json = dict[str, Any]
QUICK = 0.3
"""Seconds a migration takes if nothing else is said."""
ENDLESS = 3600.0
"""Seconds of a migration that runs until it is told to end."""


def nodes(count: int | None = 3, name: str = "n", **more: Any) -> list[Json]:
    """`n-1`, `n-2`, ... (without a count just `n`): room for seven VMs of 1Gi each."""
    return [{"name": name, "count": count, "cpu": 8, "memory": "10Gi", **_named(more)}]


def vms(name: str, on: str | None = "n-1", count: int | None = None, seconds: float = QUICK, **more: Any) -> list[Json]:
    """`web`, or `web-1`, `web-2`, ... with a count, on a node or on a group of nodes in turn."""
    annotations = {keys.MIGRATION_SECONDS: str(seconds), **more.pop("annotations", {})}
    wanted = {"name": name, "node": on, "memory": "1Gi", "vcpus": 1, "annotations": annotations, **_named(more)}
    return [wanted if count is None else {**wanted, "count": count}]


def _named(fields: Json) -> Json:
    """The file's own spelling: node_selector is nodeSelector there."""
    return {re.sub(r"_(\w)", lambda letter: letter[1].upper(), name): value for name, value in fields.items()}


def failing(why: str = "the guest panicked") -> Json:
    """Annotations of a VM whose migrations fail."""
    return {keys.FAIL: why}


def fleet(nodes: list[Json], vms: list[Json], namespace: str, total: int = 5, per_source: int = 2) -> Fleet:
    """What `parse` makes of it. The limits are KubeVirt's; both are always said, as a cluster keeps what was before."""
    limits = {"parallelMigrationsPerCluster": total, "parallelOutboundMigrationsPerNode": per_source}
    return parse(
        {
            "kubevirt": {"configuration": {"migrations": limits}},
            "nodes": nodes,
            "virtualMachines": [{"namespace": namespace, **each} for each in vms],
        }
    )
