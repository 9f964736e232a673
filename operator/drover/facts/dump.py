"""A Snapshot read from what `kubectl get -o json` shows: objects and lists of them, of any kinds, in any order."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import msgspec
import pydantic

from drover.api.maintenance import NodeMaintenance
from drover.api.plan import MigrationPlan
from drover.api.report import MigrationReport
from drover.facts.kubevirt import CRD, VMI, VMIM, KubeVirt
from drover.facts.namespace import Namespace, PodDisruptionBudget, ResourceQuota
from drover.facts.node import Node
from drover.facts.pod import Pod
from drover.facts.policy import MigrationPolicy
from drover.facts.snapshot import Snapshot
from drover.facts.storage import CSINode, PersistentVolume, PersistentVolumeClaim, VolumeAttachment


class _Named(msgspec.Struct):
    name: str = ""
    namespace: str = ""


class _Object(msgspec.Struct):
    kind: str = ""
    metadata: _Named | None = None
    items: list[msgspec.Raw] | None = None


_PROJECTIONS: dict[str, tuple[str, type[msgspec.Struct]]] = {
    "Node": ("nodes", Node),
    "Pod": ("pods", Pod),
    "VirtualMachineInstance": ("vmis", VMI),
    "VirtualMachineInstanceMigration": ("vmims", VMIM),
    "KubeVirt": ("kubevirts", KubeVirt),
    "CustomResourceDefinition": ("crds", CRD),
    "MigrationPolicy": ("policies", MigrationPolicy),
    "Namespace": ("namespaces", Namespace),
    "ResourceQuota": ("quotas", ResourceQuota),
    "PodDisruptionBudget": ("budgets", PodDisruptionBudget),
    "PersistentVolumeClaim": ("pvcs", PersistentVolumeClaim),
    "PersistentVolume": ("pvs", PersistentVolume),
    "CSINode": ("csinodes", CSINode),
    "VolumeAttachment": ("attachments", VolumeAttachment),
}
_OURS: dict[str, tuple[str, type[pydantic.BaseModel]]] = {
    "MigrationPlan": ("plans", MigrationPlan),
    "NodeMaintenance": ("maintenances", NodeMaintenance),
    "MigrationReport": ("reports", MigrationReport),
}


class UnreadableError(ValueError):
    """A document is no JSON of Kubernetes objects, or an object in it is not what its kind promises."""


def snapshot(documents: Iterable[bytes]) -> Snapshot:
    """The objects of the documents, as far as somebody decides on them; other kinds are passed over.

    Raises:
        UnreadableError: a document or an object cannot be read; the message names it.
    """
    found: dict[str, Any] = {}
    for document in documents:
        _read(document, found)
    return replace(Snapshot(), **found)


def _read(document: bytes | msgspec.Raw, found: dict[str, Any], listed: str = "") -> None:
    """`listed` is the kind of the items of a list, which say it themselves only if kubectl has made the list."""
    try:
        thing = msgspec.json.decode(document, type=_Object)
    except msgspec.MsgspecError as error:
        raise UnreadableError(f"no Kubernetes object: {error}") from error
    if thing.items is not None:
        for item in thing.items:
            _read(item, found, thing.kind.removesuffix("List"))
        return
    kind = thing.kind or listed
    reader = _reader(kind)
    if reader is None or thing.metadata is None:
        return
    name, decode = reader
    key = thing.metadata.namespace, thing.metadata.name
    try:
        found.setdefault(name, {})[key] = decode(bytes(document))
    except (msgspec.MsgspecError, pydantic.ValidationError) as error:
        raise UnreadableError(f"{kind} {'/'.join(part for part in key if part)}: {error}") from error


def _reader(kind: str) -> tuple[str, Callable[[bytes], Any]] | None:
    if kind in _PROJECTIONS:
        name, projection = _PROJECTIONS[kind]
        return name, msgspec.json.Decoder(projection).decode
    if kind in _OURS:
        name, model = _OURS[kind]
        return name, model.model_validate_json
    return None
