"""The resources we read: where they are, how their objects are decoded, and when two of them are the same to us."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote

import msgspec
import pydantic

from drover.api.maintenance import NodeMaintenance
from drover.api.plan import MigrationPlan
from drover.api.report import MigrationReport
from drover.api.shared import GROUP, VERSION, ObjectMeta
from drover.facts.kubevirt import CRD, VMI, VMIM, KubeVirt
from drover.facts.namespace import Namespace, PodDisruptionBudget, ResourceQuota
from drover.facts.node import Node, same_node
from drover.facts.pod import Pod
from drover.facts.policy import MigrationPolicy
from drover.facts.storage import CSINode, PersistentVolume, PersistentVolumeClaim, VolumeAttachment
from drover.facts.wire import Key, Object, same_facts

CORE = "/api/v1"
STORAGE = "/apis/storage.k8s.io/v1"
KUBEVIRT = "/apis/kubevirt.io/v1"
OURS = f"/apis/{GROUP}/{VERSION}"
VMIM_CRD = "virtualmachineinstancemigrations.kubevirt.io"


class Named(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def resource_version(self) -> str: ...


class Thing(Protocol):
    """Any object we read: a projection or one of our own kinds."""

    @property
    def metadata(self) -> Named: ...


class Identity(msgspec.Struct, frozen=True, rename="camel"):
    """What every object has, whatever else is wrong with it."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class Stub(msgspec.Struct, frozen=True):
    """An object of which nothing else could be read."""

    metadata: Identity = Identity()


T = TypeVar("T", bound=Thing)
P = TypeVar("P", bound=Object)
What = TypeVar("What", covariant=True)
G = TypeVar("G", MigrationPlan, NodeMaintenance)
Ours = MigrationPlan | NodeMaintenance | MigrationReport


class Event(msgspec.Struct, Generic[What], frozen=True):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR, and what it is about."""

    type: str
    object: What


class UndecodableError(Exception):
    """An object is not what its kind promises. `stub` says which one, if even that can be read."""

    def __init__(self, stub: Stub, message: str) -> None:
        super().__init__(message)
        self.stub = stub


@dataclass(frozen=True, eq=False)
class Resource(Generic[T]):
    """One resource. `name` is what it is called in the Snapshot; `params` cut it down on the server.

    `wanted` repeats what `params` select: an object read by name may be one that a watch would not deliver.
    `vital`: while nothing is heard of it nothing is started.
    `read_event` reads a line of a watch in one pass, where there is a quicker way than to read its object by itself.
    """

    name: str
    base: str
    plural: str
    kind: str
    read: Callable[[bytes], T]
    same: Callable[[T, T], bool]
    read_event: Callable[[bytes], Event[T]] | None = None
    namespaced: bool = False
    params: Mapping[str, str] = field(default_factory=dict)
    wanted: Callable[[T], bool] = lambda _: True
    vital: bool = True

    def collection(self, namespace: str = "") -> str:
        """The path of all its objects, or of those in a namespace."""
        inside = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        return f"{self.base}{inside}/{self.plural}"

    def item(self, key: Key) -> str:
        """The path of one object."""
        namespace, name = key
        return f"{self.collection(namespace)}/{quote(name, safe='')}"

    def key(self, thing: Thing) -> Key:
        return getattr(thing.metadata, "namespace", "") if self.namespaced else "", thing.metadata.name

    def decode(self, data: bytes | msgspec.Raw) -> T:
        """An object from its JSON.

        Raises:
            UndecodableError: it is not one.
        """
        try:
            return self.read(bytes(data))
        except (msgspec.MsgspecError, pydantic.ValidationError) as error:
            raise UndecodableError(_stub(bytes(data)), str(error)) from error


def _stub(data: bytes) -> Stub:
    try:
        return msgspec.json.decode(data, type=Stub)
    except msgspec.MsgspecError:
        return Stub()


def version_of(thing: Thing) -> int:
    """The resourceVersion as a number: comparable within a resource (KEP-5504), 0 when there is none."""
    text = thing.metadata.resource_version
    return int(text) if text.isdecimal() else 0


def same_report(one: MigrationReport, other: MigrationReport) -> bool:
    """Whether two versions differ in nothing but their resourceVersion: the Ledger is made of all the rest."""
    return one.status == other.status and _same_demand(one, other)


def same_goal(one: MigrationPlan, other: MigrationPlan) -> bool:
    """Whether two versions mean the same to a decision: of a status, it reads `run` and nothing else."""
    return one.status.run == other.status.run and _same_demand(one, other)


def same_wish(one: NodeMaintenance, other: NodeMaintenance) -> bool:
    """Whether two versions mean the same to a decision: it reads nothing of a maintenance's status."""
    return _same_demand(one, other)


def _same_demand(one: Ours, other: Ours) -> bool:
    return one.spec == other.spec and _timeless(one.metadata) == _timeless(other.metadata)


def _timeless(metadata: ObjectMeta) -> ObjectMeta:
    return metadata.model_copy(update={"resource_version": ""})


def _lenient(model: type[G]) -> Callable[[bytes], G]:
    """Reads a goal whose status a newer version of Drover may have written: of that, its run is what has to be kept."""

    def read(data: bytes) -> G:
        try:
            return model.model_validate_json(data)
        except pydantic.ValidationError:
            body = msgspec.json.decode(data)
            if not isinstance(body, dict) or not isinstance(body.get("status"), dict):
                raise
            run = body["status"].get("run")
            kept = {"run": run} if run is not None else {}
            return model.model_validate_json(msgspec.json.encode({**body, "status": kept}))

    return read


def _projected(
    name: str,
    base: str,
    plural: str,
    projection: type[P],
    *,
    kind: str = "",
    namespaced: bool = False,
    params: Mapping[str, str] | None = None,
    wanted: Callable[[P], bool] = lambda _: True,
    same: Callable[[P, P], bool] = same_facts,
    vital: bool = True,
) -> Resource[P]:
    """A resource whose objects are projected while they are decoded."""
    return Resource(
        name,
        base,
        plural,
        kind or projection.__name__,
        read=msgspec.json.Decoder(projection).decode,
        read_event=msgspec.json.Decoder(Event[projection]).decode,  # type: ignore[valid-type]  # only known when called
        same=same,
        namespaced=namespaced,
        params=params or {},
        wanted=wanted,
        vital=vital,
    )


NODES = _projected("nodes", CORE, "nodes", Node, same=same_node)
PODS = _projected(
    "pods",
    CORE,
    "pods",
    Pod,
    namespaced=True,
    params={"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"},
    wanted=lambda pod: not pod.terminal,
)
VMIS = _projected("vmis", KUBEVIRT, "virtualmachineinstances", VMI, kind="VirtualMachineInstance", namespaced=True)
VMIMS = _projected(
    "vmims",
    KUBEVIRT,
    "virtualmachineinstancemigrations",
    VMIM,
    kind="VirtualMachineInstanceMigration",
    namespaced=True,
)
KUBEVIRTS = _projected("kubevirts", KUBEVIRT, "kubevirts", KubeVirt, namespaced=True)
CRDS = _projected(
    "crds",
    "/apis/apiextensions.k8s.io/v1",
    "customresourcedefinitions",
    CRD,
    kind="CustomResourceDefinition",
    params={"fieldSelector": f"metadata.name={VMIM_CRD}"},
    wanted=lambda crd: crd.metadata.name == VMIM_CRD,
)
POLICIES = _projected(
    "policies", "/apis/migrations.kubevirt.io/v1alpha1", "migrationpolicies", MigrationPolicy, vital=False
)
NAMESPACES = _projected("namespaces", CORE, "namespaces", Namespace)
QUOTAS = _projected("quotas", CORE, "resourcequotas", ResourceQuota, namespaced=True)
BUDGETS = _projected("budgets", "/apis/policy/v1", "poddisruptionbudgets", PodDisruptionBudget, namespaced=True)
PVCS = _projected("pvcs", CORE, "persistentvolumeclaims", PersistentVolumeClaim, namespaced=True)
PVS = _projected("pvs", CORE, "persistentvolumes", PersistentVolume)
CSINODES = _projected("csinodes", STORAGE, "csinodes", CSINode)
ATTACHMENTS = _projected("attachments", STORAGE, "volumeattachments", VolumeAttachment)
PLANS = Resource("plans", OURS, "migrationplans", "MigrationPlan", read=_lenient(MigrationPlan), same=same_goal)
MAINTENANCES = Resource(
    "maintenances",
    OURS,
    "nodemaintenances",
    "NodeMaintenance",
    read=_lenient(NodeMaintenance),
    same=same_wish,
)
REPORTS = Resource(
    "reports", OURS, "migrationreports", "MigrationReport", read=MigrationReport.model_validate_json, same=same_report
)
CLUSTER: tuple[Resource[Any], ...] = (
    NODES,
    PODS,
    VMIS,
    VMIMS,
    KUBEVIRTS,
    CRDS,
    POLICIES,
    NAMESPACES,
    QUOTAS,
    BUDGETS,
    PVCS,
    PVS,
    CSINODES,
    ATTACHMENTS,
)
"""What is not ours."""
ALL: tuple[Resource[Any], ...] = (*CLUSTER, PLANS, MAINTENANCES, REPORTS)
