"""KubeVirt's migration configuration, live from the KubeVirt CR, with its defaults (pkg/virt-config/virt-config.go)."""

from typing import Any

from virtsim.cluster.store import Store
from virtsim.objects.resources import Object

DEFAULTS: dict[str, Any] = {
    "nodeDrainTaintKey": "kubevirt.io/drain",
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
    given = (_configuration(kubevirts).get("migrations")) or {}
    resolved = {**DEFAULTS, **given}
    resolved.setdefault("allowWorkloadDisruption", resolved["allowPostCopy"])
    return {**resolved, "bandwidthPerMigration": str(resolved["bandwidthPerMigration"])}


def cluster_node_selectors(kubevirts: Store) -> dict[str, str]:
    """developerConfiguration.nodeSelectors: on every launcher pod."""
    developer = _configuration(kubevirts).get("developerConfiguration") or {}
    selectors: dict[str, str] = developer.get("nodeSelectors") or {}
    return selectors


def _configuration(kubevirts: Store) -> Object:
    for kubevirt in kubevirts:
        configuration: Object = kubevirt["spec"].get("configuration") or {}
        return configuration
    return {}
