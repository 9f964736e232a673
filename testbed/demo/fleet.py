"""Whom the demo moves, who must stay and why, and what may be in flight: what fleet.yaml and maintenance.yaml mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FLEET = Path(__file__).with_name("fleet.yaml")
MAINTENANCE = Path(__file__).with_name("maintenance.yaml")
SPEED_UP = 4.0
"""Memory is copied this many times faster than over the fleet's 10 Gbit/s, so that the demo takes a minute."""
NAMESPACE = "shop"
NODE = "worker-07"
PLAN = f"{NODE}-maintenance"
"""The MigrationPlan that a NodeMaintenance makes for its VMs."""
IMMOVABLE: Mapping[str, str] = {"shop/legacy-db": "NotMigratable", "shop/licence-server": "NoEligibleTarget"}
"""The VMs that cannot leave the node, and the reason that their status has to give."""
_PER_TARGET = 2
"""Drover's own default: KubeVirt has no limit for it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many migrations may be in flight at once: in the cluster, out of one node, into one node."""

    total: int
    per_source: int
    per_target: int


def limits() -> Limits:
    """What KubeVirt is configured with, and Drover's default."""
    given = document()["kubevirt"]["configuration"]["migrations"]
    return Limits(given["parallelMigrationsPerCluster"], given["parallelOutboundMigrationsPerNode"], _PER_TARGET)


def document() -> dict[str, Any]:
    """The fleet file, decoded."""
    decoded: dict[str, Any] = yaml.safe_load(FLEET.read_text())
    return decoded


def maintenance(node: str = NODE) -> dict[str, Any]:
    """A NodeMaintenance like the demo's, for any node."""
    decoded: dict[str, Any] = yaml.safe_load(MAINTENANCE.read_text())
    return {**decoded, "metadata": {"name": node}, "spec": {**decoded["spec"], "nodeName": node}}
