"""KubeVirt's migration configuration, live from the KubeVirt CR, with its defaults (pkg/virt-config/virt-config.go)."""

from collections.abc import Iterable
from typing import Any

from virtsim.cluster.store import Store
from virtsim.objects import keys, quantity
from virtsim.objects.eviction import DRAIN_TAINT_KEY
from virtsim.objects.kubevirt import configuration_of, developer_configuration
from virtsim.objects.pods import annotations_of
from virtsim.objects.resources import Object

DEFAULTS: dict[str, Any] = {
    "nodeDrainTaintKey": DRAIN_TAINT_KEY,
    "parallelMigrationsPerCluster": 5,
    "parallelOutboundMigrationsPerNode": 2,
    "allowAutoConverge": False,
    "bandwidthPerMigration": "0",
    "completionTimeoutPerGiB": 150,
    "maxDowntimeMs": 900,
    "progressTimeout": 150,
    "utilityVolumesTimeout": 150,
    "unsafeMigrationOverride": False,
    "allowPostCopy": False,
}


def migration_configuration(kubevirts: Store) -> dict[str, Any]:
    """What a migration that is handed over now is given, and what the limits are now."""
    given = configuration_of(kubevirts).get("migrations") or {}
    resolved = {**DEFAULTS, **given}
    resolved.setdefault("allowWorkloadDisruption", resolved["allowPostCopy"])
    return {**resolved, "bandwidthPerMigration": quantity.canonical(resolved["bandwidthPerMigration"])}


def cluster_node_selectors(kubevirts: Store) -> dict[str, str]:
    """developerConfiguration.nodeSelectors: on every launcher pod."""
    selectors: dict[str, str] = developer_configuration(kubevirts).get("nodeSelectors") or {}
    return selectors


def launcher_image(kubevirts: Iterable[Object], default: str) -> str:
    """The image that virt-controller gives to new launchers: by the simulator's annotation, else by the version.

    `default` counts until the KubeVirt CR says which version is deployed.
    """
    for kubevirt in kubevirts:
        version = (kubevirt.get("status") or {}).get("observedKubeVirtVersion")
        deployed = f"{default.rpartition(':')[0]}:{version}" if version else default
        return annotations_of(kubevirt).get(keys.LAUNCHER_IMAGE, deployed)
    return default
