"""Which MigrationPolicy a VM's migration follows, and what it changes (watch/migration/migrationpolicy.go). Pure."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from virtsim.objects import quantity
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import Object

OVERRIDABLE = (
    "allowAutoConverge",
    "bandwidthPerMigration",
    "completionTimeoutPerGiB",
    "maxDowntimeMs",
    "allowPostCopy",
    "allowWorkloadDisruption",
)


class Score(NamedTuple):
    """How exactly a policy means a VM: all labels that match first, of them those of the VMI second."""

    total: int
    of_the_vmi: int


def score(policy: Object, vmi_labels: dict[str, str], namespace_labels: dict[str, str]) -> Score | None:
    """The score of a policy that matches, or None.

    A policy without selectors matches nothing, one with empty ones everything. A VMI without any label is not asked
    for: neither selector is looked at then, which is a quirk of KubeVirt's.
    """
    selectors = policy["spec"].get("selectors")
    if selectors is None:
        return None
    of_vmi: dict[str, str] = selectors.get("virtualMachineInstanceSelector") or {}
    of_namespace: dict[str, str] = selectors.get("namespaceSelector") or {}
    if not vmi_labels:
        return Score(0, 0)
    if not (of_vmi.items() <= vmi_labels.items() and of_namespace.items() <= namespace_labels.items()):
        return None
    return Score(len(of_vmi) + len(of_namespace), len(of_vmi))


def matching(policies: Iterable[Object], vmi: Object, namespace: Object) -> Object | None:
    """The policy with the best score; among equals the one whose name comes first."""
    scored = [(score(policy, labels_of(vmi), labels_of(namespace)), policy) for policy in policies]
    found = [(points, policy) for points, policy in scored if points is not None]
    found.sort(key=lambda entry: (-entry[0].total, -entry[0].of_the_vmi, entry[1]["metadata"]["name"]))
    return found[0][1] if found else None


def applied(configuration: dict[str, Any], policy: Object) -> dict[str, Any]:
    """The cluster's configuration with what the policy sets laid over it; `experimental` field by field.

    allowWorkloadDisruption follows the policy's allowPostCopy where the policy sets only that.
    """
    spec = policy["spec"]
    given = {field: spec[field] for field in OVERRIDABLE if spec.get(field) is not None}
    if "allowPostCopy" in given:
        given.setdefault("allowWorkloadDisruption", given["allowPostCopy"])
    if "bandwidthPerMigration" in given:
        given["bandwidthPerMigration"] = quantity.canonical(given["bandwidthPerMigration"])
    result = {**configuration, **given}
    if spec.get("experimental"):
        result["experimental"] = _experimental(configuration.get("experimental") or {}, spec["experimental"])
    return result


def _experimental(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    if "stallDetector" in merged:
        merged["stallDetector"] = {**(below.get("stallDetector") or {}), **(above.get("stallDetector") or {})}
    return merged
