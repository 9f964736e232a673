"""Objects for tests, said as sentences: `a_vmi("web").on("n1").memory("4Gi").not_migratable("DisksNotLiveMigratable")`.

Every builder holds the JSON an API server would send and decodes it as the operator does, so that a test never meets an
object the wire could not carry. Names give UIDs: `a_vmi("web").uid` is `"web-uid"`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeAlias

import msgspec

from drover.api.maintenance import NodeMaintenance
from drover.api.plan import MigrationPlan
from drover.api.reasons import Outcome
from drover.api.report import Attempt, MigrationReport, Record, RejectedTarget
from drover.api.shared import FINALIZER, OwnerReference, Steps
from drover.facts.kubevirt import ATTEMPT, CRD, HOSTNAME, PLAN, PLAN_UID, RUN, VMI, VMI_UID, VMIM, WHY, KubeVirt
from drover.facts.namespace import Namespace, PodDisruptionBudget, ResourceQuota
from drover.facts.node import BEFORE, Before, Node
from drover.facts.pod import MIGRATION_JOB_UID, Pod
from drover.facts.policy import MigrationPolicy
from drover.facts.quantity import units
from drover.facts.snapshot import Refusal, Snapshot
from drover.facts.storage import CSINode, PersistentVolume, PersistentVolumeClaim, VolumeAttachment
from drover.facts.wire import Key
from drover.running.names import DEFAULT_RUN, migration_name, report_name

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMESPACE = "shop"
OVERHEAD = 256 << 20
"""Bytes a launcher pod asks for on top of the guest."""


def at(seconds: float) -> datetime:
    """A moment before or after NOW."""
    return NOW + timedelta(seconds=seconds)


def stamp(moment: datetime) -> str:
    """A moment as the API writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Builder:
    """An object in the making: `json` is what the API server would send."""

    def __init__(self, name: str, namespace: str = "") -> None:
        self.json: dict[str, Any] = {"metadata": {"name": name, "uid": f"{name}-uid", "labels": {}}}
        if namespace:
            self.json["metadata"]["namespace"] = namespace

    @property
    def name(self) -> str:
        return str(self.json["metadata"]["name"])

    @property
    def uid(self) -> str:
        return str(self.json["metadata"]["uid"])

    def set(self, path: str, value: Any) -> Self:
        """Set one field: `set("status.phase", "Failed")`."""
        here = self.json
        *parents, last = path.split(".")
        for step in parents:
            here = here.setdefault(step, {})
        here[last] = value
        return self

    def with_uid(self, uid: str) -> Self:
        return self.set("metadata.uid", uid)

    def labelled(self, labels: Mapping[str, str] | None = None, **more: str) -> Self:
        self.json["metadata"]["labels"] |= {**(labels or {}), **more}
        return self

    def annotated(self, annotations: Mapping[str, str]) -> Self:
        self.json["metadata"].setdefault("annotations", {}).update(annotations)
        return self

    def created(self, moment: datetime) -> Self:
        return self.set("metadata.creationTimestamp", stamp(moment))

    def deleting(self, since: datetime = NOW) -> Self:
        return self.set("metadata.deletionTimestamp", stamp(since))

    def condition(self, kind: str, status: str, reason: str = "", message: str = "") -> Self:
        """Set a condition, in the place of one of its type."""
        status_ = self.json.setdefault("status", {})
        others = [each for each in status_.get("conditions", ()) if each["type"] != kind]
        status_["conditions"] = [*others, {"type": kind, "status": status, "reason": reason, "message": message}]
        return self

    def bytes(self) -> bytes:
        return msgspec.json.encode(self.json)


class NodeBuilder(Builder):
    """A Ready node that KubeVirt uses, with 32 cores, 64 GiB and 110 pods."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.labelled({HOSTNAME: name, "kubevirt.io/schedulable": "true", "kubernetes.io/arch": "amd64"})
        self.condition("Ready", "True").allocatable(cpu="32", memory="64Gi", pods="110")

    def allocatable(self, amounts: Mapping[str, str] | None = None, **more: str) -> Self:
        status = self.json["status"]
        status["allocatable"] = {**status.get("allocatable", {}), **(amounts or {}), **more}
        return self

    def memory(self, amount: str) -> Self:
        return self.allocatable(memory=amount)

    def cpu(self, amount: str) -> Self:
        return self.allocatable(cpu=amount)

    def cordoned(self) -> Self:
        """As `kubectl cordon` and the node controller leave it."""
        return self.set("spec.unschedulable", True).tainted("node.kubernetes.io/unschedulable", "NoSchedule")

    def tainted(self, key: str, effect: str, value: str = "") -> Self:
        self.json.setdefault("spec", {}).setdefault("taints", []).append({"key": key, "value": value, "effect": effect})
        return self

    def not_ready(self) -> Self:
        return self.condition("Ready", "False")

    def silent(self) -> Self:
        """As a snapshot has it when its virt-handler has not been heard of for long."""
        return self.set("silent", True)

    def without_kubevirt(self) -> Self:
        return self.labelled({"kubevirt.io/schedulable": "false"})

    def held_by(self, thing: "PlanBuilder | MaintenanceBuilder", *, was_cordoned: bool = False) -> Self:
        """Cordoned by us, with what was there before."""
        by = f"{thing.kind}/{thing.name}"
        mark = Before(unschedulable=was_cordoned, since=stamp(at(-60)), by=by, uid=thing.uid)
        return self.set("spec.unschedulable", True).annotated({BEFORE: msgspec.json.encode(mark).decode()})

    def build(self) -> Node:
        return msgspec.json.decode(self.bytes(), type=Node)


class PodBuilder(Builder):
    """A pod that asks for nothing until it is told to."""

    def __init__(self, name: str, namespace: str = NAMESPACE) -> None:
        super().__init__(name, namespace)
        self.created(at(-3600)).set("status.phase", "Running").set("spec.containers", [])

    def on(self, node: str) -> Self:
        return self.set("spec.nodeName", node)

    def phase(self, phase: str) -> Self:
        return self.set("status.phase", phase)

    def container(self, requests: Mapping[str, str], name: str = "compute") -> Self:
        self.json["spec"]["containers"].append({"name": name, "resources": {"requests": dict(requests)}})
        return self

    def init(self, requests: Mapping[str, str], *, sidecar: bool = False) -> Self:
        container: dict[str, Any] = {"name": "init", "resources": {"requests": dict(requests)}}
        container |= {"restartPolicy": "Always"} if sidecar else {}
        self.json["spec"].setdefault("initContainers", []).append(container)
        return self

    def selects(self, labels: Mapping[str, str]) -> Self:
        self.json["spec"].setdefault("nodeSelector", {}).update(labels)
        return self

    def tolerates(self, key: str = "", operator: str = "Exists", value: str = "", effect: str = "") -> Self:
        toleration = {"key": key, "operator": operator, "value": value, "effect": effect}
        self.json["spec"].setdefault("tolerations", []).append(toleration)
        return self

    def requires(self, *terms: list[dict[str, Any]]) -> Self:
        """Required node affinity: terms, ORed; each a list of expressions, ANDed."""
        required = {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]}
        return self.set("spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution", required)

    def spreads(self, topology: str, labels: Mapping[str, str], skew: int = 1, **more: Any) -> Self:
        """A DoNotSchedule topology spread constraint."""
        constraint = {"topologyKey": topology, "maxSkew": skew, "whenUnsatisfiable": "DoNotSchedule"}
        constraint |= {"labelSelector": {"matchLabels": dict(labels)}, **more}
        self.json["spec"].setdefault("topologySpreadConstraints", []).append(constraint)
        return self

    def unschedulable(self, message: str = "0/3 nodes are available: 3 Insufficient memory.") -> Self:
        return self.phase("Pending").condition("PodScheduled", "False", "Unschedulable", message)

    def build(self) -> Pod:
        return msgspec.json.decode(self.bytes(), type=Pod)


class VMIBuilder(Builder):
    """A running, migratable VM of 4 GiB on n1, with the launcher pod KubeVirt would have made for it."""

    def __init__(self, name: str, namespace: str = NAMESPACE) -> None:
        super().__init__(name, namespace)
        self.pods: list[PodBuilder] = []
        self.set("status.phase", "Running").condition("Ready", "True").condition("LiveMigratable", "True")
        self.set("spec.domain.cpu", {"model": "Skylake-Server-IBRS"}).launcher().memory("4Gi").on("n1")

    @property
    def pod(self) -> PodBuilder:
        """The pod its guest runs in."""
        return self.pods[0]

    def launcher(self, name: str = "", vmim: "VMIMBuilder | None" = None) -> Self:
        """One more launcher pod: a target's, if a migration is given."""
        pod = PodBuilder(name or f"virt-launcher-{self.name}-{len(self.pods)}", self.json["metadata"]["namespace"])
        pod.labelled({"kubevirt.io": "virt-launcher", "kubevirt.io/created-by": self.uid})
        pod.labelled({MIGRATION_JOB_UID: vmim.uid} if vmim is not None else {})
        pod.annotated({"kubevirt.io/memory-overhead-bytes": str(OVERHEAD), "kubevirt.io/domain": self.name})
        pod.selects({"kubevirt.io/schedulable": "true", "kubernetes.io/arch": "amd64"})
        pod.set("metadata.ownerReferences", [self._owner()])
        if self.pods:
            pod.json["spec"]["containers"] = self.pod.json["spec"]["containers"]
        self.pods.append(pod)
        return self

    def _owner(self) -> dict[str, Any]:
        return {"kind": "VirtualMachineInstance", "name": self.name, "uid": self.uid, "controller": True}

    def with_uid(self, uid: str) -> Self:
        super().with_uid(uid)
        for pod in self.pods:
            pod.set("metadata.ownerReferences", [self._owner()])
        return self

    def on(self, node: str) -> Self:
        self.pod.on(node)
        return self.set("status.nodeName", node)

    def memory(self, guest: str) -> Self:
        """The guest's memory; its pod asks for that and the overhead, and a tenth of a core."""
        self.set("spec.domain.memory.guest", guest)
        return self.requests(cpu="100m", memory=str(units(guest) + OVERHEAD))

    def requests(self, amounts: Mapping[str, str] | None = None, **more: str) -> Self:
        """What its pod asks for, whatever the guest has."""
        wanted = {"name": "compute", "resources": {"requests": {**(amounts or {}), **more}}}
        self.pod.json["spec"]["containers"] = [wanted]
        return self

    def phase(self, phase: str) -> Self:
        return self.set("status.phase", phase)

    def not_migratable(self, reason: str = "DisksNotLiveMigratable", message: str = "a disk is not shared") -> Self:
        return self.condition("LiveMigratable", "False", reason, message)

    def not_ready(self) -> Self:
        return self.condition("Ready", "False")

    def migrating(self, vmim: "VMIMBuilder", source: str, target: str, **more: Any) -> Self:
        """`status.migrationState` as this migration's, with further fields as KubeVirt writes them."""
        state = {"migrationUid": vmim.uid, "sourceNode": source, "targetNode": target}
        return self.set("status.migrationState", {**state, **more})

    def without_pods(self) -> Self:
        self.pods.clear()
        return self

    def build(self) -> VMI:
        return msgspec.json.decode(self.bytes(), type=VMI)


class VMIMBuilder(Builder):
    """A migration of a VM that somebody else made, unless a plan is named."""

    def __init__(self, vmi: str | VMIBuilder, name: str = "", namespace: str = NAMESPACE) -> None:
        self.vmi = vmi if isinstance(vmi, VMIBuilder) else a_vmi(vmi, namespace)
        super().__init__(name or f"{self.vmi.name}-migration", namespace)
        self.set("spec.vmiName", self.vmi.name).set("status", {}).created(at(-30))

    def of(self, plan: "PlanBuilder", attempt: int = 1, run: str = DEFAULT_RUN) -> Self:
        """Ours: with the name and the labels our own would have."""
        name = migration_name(plan.uid, run, self.vmi.build(), attempt)
        self.set("metadata.name", name).set("metadata.uid", f"{name}-uid").annotated(
            {WHY: "the only node that fits", VMI_UID: self.vmi.uid}
        )
        return self.labelled({PLAN: plan.name, PLAN_UID: plan.uid, RUN: run, ATTEMPT: str(attempt)})

    def to(self, node: str) -> Self:
        return self.set("spec.addedNodeSelector", {HOSTNAME: node})

    def phase(self, phase: str, moment: datetime = NOW) -> Self:
        """It enters a phase."""
        times = self.json["status"].setdefault("phaseTransitionTimestamps", [])
        times.append({"phase": phase, "phaseTransitionTimestamp": stamp(moment)})
        return self.set("status.phase", phase)

    def build(self) -> VMIM:
        return msgspec.json.decode(self.bytes(), type=VMIM)


class Ours(Builder):
    """One of our kinds, generation 1, created an hour ago."""

    kind = ""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.set("metadata.generation", 1).set("spec", {}).created(at(-3600))

    def spec(self, **fields: Any) -> Self:
        """Fields of the spec, in their JSON names."""
        self.json["spec"] |= fields
        return self

    def dry(self) -> Self:
        return self.spec(mode="DryRun")

    def paused(self) -> Self:
        return self.spec(paused=True)

    def withdrawn(self) -> Self:
        return self.spec(intent="Withdrawn")

    def finalized(self) -> Self:
        return self.set("metadata.finalizers", [FINALIZER])


class PlanBuilder(Ours):
    """A plan; `running()` gives it a run that has started, and our finalizer."""

    kind = "MigrationPlan"

    def evacuates(self, *nodes: str, cordon: str = "Ignore", **more: Any) -> Self:
        return self.spec(evacuate={"nodes": {"names": list(nodes)}, "cordon": cordon, **more})

    def moves(self, *vms: str, to: str) -> Self:
        """A plain move of these VMs to this node."""
        names = [{"namespace": NAMESPACE, "name": vm} for vm in vms]
        return self.spec(virtualMachines={"names": names}, targets={"nodes": {"names": [to]}})

    def owned_by(self, maintenance: "MaintenanceBuilder") -> Self:
        owner = OwnerReference(
            api_version="drover.dev/v1alpha1",
            kind=maintenance.kind,
            name=maintenance.name,
            uid=maintenance.uid,
            controller=True,
        )
        return self.set("metadata.ownerReferences", [owner.wire()])

    def running(self, run: str = DEFAULT_RUN, *, finished: datetime | None = None) -> Self:
        """A run that started ten minutes ago, and perhaps has ended."""
        nodes = self.json["spec"].get("evacuate", {}).get("nodes", {}).get("names", [])
        status = {"id": run, "startedAt": stamp(at(-600)), "resolvedNodes": nodes}
        if finished is not None:
            status["finishedAt"] = stamp(finished)
        return self.set("status.run", status).finalized()

    def build(self) -> MigrationPlan:
        return MigrationPlan.model_validate_json(self.bytes())


class MaintenanceBuilder(Ours):
    """A maintenance of the node with its name."""

    kind = "NodeMaintenance"

    def __init__(self, node: str) -> None:
        super().__init__(node)
        self.set("metadata.uid", f"{node}-maintenance-uid").spec(nodeName=node)

    def build(self) -> NodeMaintenance:
        return NodeMaintenance.model_validate_json(self.bytes())


class KubeVirtBuilder(Builder):
    """A KubeVirt that is deployed, with its default limits."""

    def __init__(self) -> None:
        super().__init__("kubevirt", "kubevirt")
        self.set("status.phase", "Deployed")

    def limits(self, cluster: int, outbound: int) -> Self:
        path = "spec.configuration.migrations"
        self.set(f"{path}.parallelMigrationsPerCluster", cluster)
        return self.set(f"{path}.parallelOutboundMigrationsPerNode", outbound)

    def upgrading(self) -> Self:
        return self.set("status.observedKubeVirtVersion", "v1.8.0").set("status.targetKubeVirtVersion", "v1.9.0")

    def build(self) -> KubeVirt:
        return msgspec.json.decode(self.bytes(), type=KubeVirt)


class PlainBuilder(Builder):
    """An object without a builder of its own."""

    def __init__(self, projection: type[Any], name: str, namespace: str = "") -> None:
        super().__init__(name, namespace)
        self.projection = projection

    def build(self) -> Any:
        return msgspec.json.decode(self.bytes(), type=self.projection)


def a_policy(name: str, vmi: Mapping[str, str] | None = None, **spec: Any) -> PlainBuilder:
    """A MigrationPolicy for VMIs with these labels."""
    selectors = {"virtualMachineInstanceSelector": dict(vmi or {})}
    return PlainBuilder(MigrationPolicy, name).set("spec", {"selectors": selectors, **spec})


def a_namespace(name: str = NAMESPACE) -> PlainBuilder:
    return PlainBuilder(Namespace, name)


def a_claim(name: str, volume: str = "", *modes: str, namespace: str = NAMESPACE) -> PlainBuilder:
    """A claim bound to the volume, or to none; ReadWriteMany unless told otherwise."""
    spec = {"volumeName": volume, "accessModes": list(modes or ("ReadWriteMany",))}
    claim = PlainBuilder(PersistentVolumeClaim, name, namespace).set("spec", spec)
    return claim.annotated({"pv.kubernetes.io/bind-completed": "yes"}) if volume else claim


def a_volume(name: str, driver: str = "") -> PlainBuilder:
    """A volume of this CSI driver, if one is named."""
    volume = PlainBuilder(PersistentVolume, name)
    return volume.set("spec.csi", {"driver": driver, "volumeHandle": f"{name}-handle"}) if driver else volume


def a_csinode(name: str, limits: Mapping[str, int]) -> PlainBuilder:
    """How many volumes the node can attach, by driver."""
    drivers = [{"name": driver, "allocatable": {"count": count}} for driver, count in limits.items()]
    return PlainBuilder(CSINode, name).set("spec.drivers", drivers)


def an_attachment(name: str, node: str, volume: str, driver: str) -> PlainBuilder:
    spec = {"attacher": driver, "nodeName": node, "source": {"persistentVolumeName": volume}}
    return PlainBuilder(VolumeAttachment, name).set("spec", spec)


def a_quota(name: str, namespace: str = NAMESPACE) -> PlainBuilder:
    return PlainBuilder(ResourceQuota, name, namespace)


def a_budget(name: str, namespace: str = NAMESPACE) -> PlainBuilder:
    return PlainBuilder(PodDisruptionBudget, name, namespace)


def a_crd(*, can_pin: bool = True) -> CRD:
    """KubeVirt's CRD of migrations, as far as it matters: with `addedNodeSelector` (1.6 and later) or without."""
    fields: dict[str, Any] = {"vmiName": {"type": "string"}} | ({"addedNodeSelector": {}} if can_pin else {})
    schema = {"openAPIV3Schema": {"properties": {"spec": {"properties": fields}}}}
    name = "virtualmachineinstancemigrations.kubevirt.io"
    crd = {"metadata": {"name": name}, "spec": {"versions": [{"name": "v1", "served": True, "schema": schema}]}}
    return msgspec.json.decode(msgspec.json.encode(crd), type=CRD)


a_node = NodeBuilder
a_pod = PodBuilder
a_vmi = VMIBuilder
a_vmim = VMIMBuilder
a_plan = PlanBuilder
a_maintenance = MaintenanceBuilder
a_kubevirt = KubeVirtBuilder
Part: TypeAlias = (
    NodeBuilder
    | PodBuilder
    | VMIBuilder
    | VMIMBuilder
    | PlanBuilder
    | MaintenanceBuilder
    | KubeVirtBuilder
    | PlainBuilder
)


def an_attempt(number: int = 1, outcome: Outcome = Outcome.FAILED, **fields: Any) -> Attempt:
    """A recorded attempt from n1 to n2 that ended a minute ago."""
    known = {
        "number": number,
        "migration": f"web-{number}",
        "uid": f"web-{number}-uid",
        "source": "n1",
        "target": "n2",
        "outcome": outcome,
        "ended_at": at(-60),
        "steps": Steps(),
    }
    return Attempt(**{**known, **fields})


def a_record(vmi: str | VMIBuilder, *attempts: Attempt, rejected: tuple[RejectedTarget, ...] = ()) -> Record:
    """What the ledger says of a VM."""
    name, uid = (vmi, f"{vmi}-uid") if isinstance(vmi, str) else (vmi.name, vmi.uid)
    outcome = attempts[-1].outcome if attempts else Outcome.CANCELLING
    return Record(namespace=NAMESPACE, name=name, uid=uid, outcome=outcome, attempts=attempts, rejected=rejected)


def a_report(plan: PlanBuilder, *records: Record, run: str = DEFAULT_RUN, number: int = 0) -> MigrationReport:
    """The report of a plan's run with these records."""
    name = report_name(plan.name, plan.uid, run, number)
    return MigrationReport.model_validate(
        {
            "metadata": {"name": name, "uid": f"{name}-uid"},
            "spec": {"plan": {"name": plan.name, "uid": plan.uid}, "run": run},
            "status": {"vms": len(records), "records": records},
        }
    )


class ClusterBuilder:
    """A cluster of these parts, with KubeVirt in it unless it is left out."""

    def __init__(self, *parts: Part) -> None:
        self.parts = list(parts)
        self.reports: list[MigrationReport] = []
        self.refusals: dict[str, Refusal] = {}
        self._gone: list[VMIMBuilder] = []
        self._stale: frozenset[str] = frozenset()
        self._absent: frozenset[str] = frozenset()
        self._unlisted: frozenset[str] = frozenset()
        self._illegible: frozenset[tuple[str, str, str]] = frozenset()
        self._crd: CRD | None = a_crd()
        self._kubevirts = [a_kubevirt()]

    def knows(self, *reports: MigrationReport) -> Self:
        """These reports were written."""
        self.reports += reports
        return self

    def refused(self, key: str, reason: str = "Forbidden", message: str = "no", *, tries: int = 1) -> Self:
        """A write was refused now, so many times in a row."""
        self.refusals[key] = Refusal(key, reason, message, NOW, tries)
        return self

    def lost(self, *vmims: VMIMBuilder) -> Self:
        """These migrations were deleted after they were seen like this."""
        self._gone += vmims
        return self

    def stale(self, *resources: str) -> Self:
        self._stale = frozenset(resources)
        return self

    def unlisted(self, *resources: str) -> Self:
        """Never listed since the operator began."""
        self._stale = self._unlisted = frozenset(resources)
        return self

    def illegible(self, resource: str, name: str, uid: str = "") -> Self:
        """An object is there and cannot be read."""
        self._illegible |= {(resource, name, uid)}
        return self

    def absent(self, *resources: str) -> Self:
        self._absent = frozenset(resources)
        return self

    def without_kubevirt(self) -> Self:
        """Its kinds are served, and there is no object KubeVirt."""
        self._kubevirts = []
        return self

    def pinning(self, crd: CRD | None) -> Self:
        self._crd = crd
        return self

    def snapshot(self) -> Snapshot:
        """The cluster as a round sees it."""
        pods = [pod for vmi in self._all(VMIBuilder) for pod in vmi.pods] + self._all(PodBuilder)
        kubevirts = self._all(KubeVirtBuilder) or ([] if "kubevirts" in self._absent else self._kubevirts)
        return Snapshot(
            nodes=_by_key(each.build() for each in self._all(NodeBuilder)),
            pods=_by_key(each.build() for each in pods),
            vmis=_by_key(each.build() for each in self._all(VMIBuilder)),
            vmims=_by_key(each.build() for each in self._all(VMIMBuilder)),
            gone=_by_key(each.build() for each in self._gone),
            kubevirts=_by_key(each.build() for each in kubevirts),
            crds=_by_key([self._crd] if self._crd is not None else []),
            namespaces=self._plain(Namespace),
            quotas=self._plain(ResourceQuota),
            budgets=self._plain(PodDisruptionBudget),
            policies=self._plain(MigrationPolicy),
            pvcs=self._plain(PersistentVolumeClaim),
            pvs=self._plain(PersistentVolume),
            csinodes=self._plain(CSINode),
            attachments=self._plain(VolumeAttachment),
            plans={("", each.name): each.build() for each in self._all(PlanBuilder)},
            maintenances={("", each.name): each.build() for each in self._all(MaintenanceBuilder)},
            reports={("", report.name): report for report in self.reports},
            refusals=dict(self.refusals),
            stale=self._stale,
            absent=self._absent,
            unlisted=self._unlisted,
            illegible=self._illegible,
        )

    def _plain(self, projection: type[Any]) -> dict[Key, Any]:
        return _by_key(each.build() for each in self._all(PlainBuilder) if each.projection is projection)

    def _all(self, kind: type[Any]) -> list[Any]:
        return [part for part in self.parts if isinstance(part, kind)]


a_cluster = ClusterBuilder


def _by_key(things: Any) -> dict[Key, Any]:
    return {(thing.metadata.namespace, thing.metadata.name): thing for thing in things}
