"""What an older virt-controller leaves out of launcher pods and of VMIs. Pure."""

from virtsim.objects import keys
from virtsim.objects.pods import annotations_of, labels_of
from virtsim.objects.resources import Object
from virtsim.versions import Feature, Version

LABELS = {keys.VMI_ID: Feature.VMI_ID_LABEL}
ANNOTATIONS = {keys.MEMORY_OVERHEAD: Feature.MEMORY_OVERHEAD_REPORT}
SELECTORS = {keys.MACHINE_TYPE: Feature.MACHINE_TYPE_SELECTOR, keys.CPU_VENDOR: Feature.CPU_VENDOR_SELECTOR}
"""By the beginning of the node label."""

CONDITIONS = {"EvictionRequested": Feature.EVICTION_REQUESTED, "MigrationRequired": Feature.MIGRATION_REQUIRED}


def pod_as_of(version: Version, pod: Object, vmi: Object) -> Object:
    """The launcher pod without what this version does not put on one; what the VMI itself asks for stays."""
    metadata, spec = pod["metadata"], pod["spec"]
    asked = vmi["spec"].get("nodeSelector") or {}
    lacking = tuple(prefix for prefix, feature in SELECTORS.items() if not version.has(feature))
    selector = {
        key: value
        for key, value in (spec.get("nodeSelector") or {}).items()
        if key in asked or not key.startswith(lacking)
    }
    named = {
        **metadata,
        "labels": _known(version, labels_of(pod), LABELS),
        "annotations": _known(version, annotations_of(pod), ANNOTATIONS),
    }
    return {**pod, "metadata": named, "spec": {**spec, "nodeSelector": selector}}


def conditions_as_of(version: Version, conditions: list[Object]) -> list[Object]:
    """The conditions of a VMI that this version knows."""
    return [entry for entry in conditions if entry["type"] not in CONDITIONS or version.has(CONDITIONS[entry["type"]])]


def _known(version: Version, entries: dict[str, str], features: dict[str, Feature]) -> dict[str, str]:
    return {key: value for key, value in entries.items() if key not in features or version.has(features[key])}
