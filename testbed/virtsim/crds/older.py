"""The definitions as an older KubeVirt has them: a field that it lacks is pruned by the API server, without a word."""

from typing import Any

from virtsim.objects.resources import Object
from virtsim.versions import Feature, Version

MIGRATION_SPEC = "virtualmachineinstancemigrations.kubevirt.io", "spec"
MIGRATION_STATUS = "virtualmachineinstancemigrations.kubevirt.io", "status"
STATES = (
    ("virtualmachineinstancemigrations.kubevirt.io", "status", "migrationState"),
    ("virtualmachineinstances.kubevirt.io", "status", "migrationState"),
)
RESOLVED = tuple((*state, "migrationConfiguration") for state in STATES)
CONFIGURED = "kubevirts.kubevirt.io", "spec", "configuration", "migrations"

FIELDS: dict[Feature, tuple[tuple[str, ...], ...]] = {
    Feature.ADDED_NODE_SELECTOR: ((*MIGRATION_SPEC, "addedNodeSelector"),),
    Feature.DECENTRALIZED_MIGRATION: (
        (*MIGRATION_SPEC, "sendTo"),
        (*MIGRATION_SPEC, "receive"),
        (*MIGRATION_STATUS, "synchronizationAddresses"),
        *((*state, field) for state in STATES for field in ("sourceState", "targetState", "migrationNetworkType")),
    ),
    Feature.PRIORITY: ((*MIGRATION_SPEC, "priority"),),
    Feature.UTILITY_VOLUMES: tuple((*path, "utilityVolumesTimeout") for path in (*RESOLVED, CONFIGURED)),
    Feature.MEMORY_OVERHEAD_REPORT: tuple((*state, "targetMemoryOverhead") for state in STATES),
    Feature.MAX_DOWNTIME: (
        *((*path, "maxDowntimeMs") for path in (*RESOLVED, CONFIGURED)),
        ("migrationpolicies.migrations.kubevirt.io", "spec", "maxDowntimeMs"),
        ("migrationpolicies.migrations.kubevirt.io", "spec", "experimental"),
    ),
}
"""Where the fields of a feature are: the definition's name, then the path through its schema's properties."""


def as_of(version: Version, crds: list[Object]) -> list[Object]:
    """The definitions, changed in place, without what this version lacks."""
    by_name = {crd["metadata"]["name"]: crd for crd in crds}
    for feature, paths in FIELDS.items():
        for name, *path in () if version.has(feature) else paths:
            if name in by_name:
                _forget(by_name[name], path)
    return crds


def _forget(crd: Object, path: list[str]) -> None:
    *above, field = path
    for served in crd["spec"]["versions"]:
        properties: dict[str, Any] = served["schema"]["openAPIV3Schema"]["properties"]
        for step in above:
            properties = properties.get(step, {}).get("properties", {})
        properties.pop(field, None)
