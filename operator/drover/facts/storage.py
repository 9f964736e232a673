"""Volumes, as far as they say where a pod can be: claims, what they are bound to, and what a node can attach."""

import msgspec

from drover.facts.podspec import NodeSelector
from drover.facts.selector import NodeSelectorTerm
from drover.facts.wire import Metadata, Wire

SINGLE_POD = "ReadWriteOncePod"


class ClaimSpec(Wire, frozen=True, kw_only=True):
    volume_name: str = ""
    access_modes: tuple[str, ...] = ()


class ClaimStatus(Wire, frozen=True, kw_only=True):
    phase: str = ""


class ClaimAnnotations(Wire, frozen=True, kw_only=True):
    bind_completed: str | None = msgspec.field(name="pv.kubernetes.io/bind-completed", default=None)


class ClaimMetadata(Metadata, frozen=True, kw_only=True):
    annotations: ClaimAnnotations = ClaimAnnotations()


class PersistentVolumeClaim(Wire, frozen=True, kw_only=True):
    metadata: ClaimMetadata
    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()

    @property
    def volume(self) -> str:
        """The name of the volume it is bound to, or is to be bound to, or the empty string."""
        return self.spec.volume_name

    @property
    def bound(self) -> bool:
        """Whether the volume is its own for good (kube-scheduler volumebinding isPVCFullyBound)."""
        return bool(self.volume) and self.metadata.annotations.bind_completed is not None

    @property
    def lost(self) -> bool:
        """Whether its volume has gone from under it."""
        return self.status.phase == "Lost"

    @property
    def for_one_pod(self) -> bool:
        """Whether no second pod may use it at the same time, so that a target pod cannot either."""
        return SINGLE_POD in self.spec.access_modes


class VolumeNodeAffinity(Wire, frozen=True, kw_only=True):
    required: NodeSelector | None = None


class CSIVolume(Wire, frozen=True, kw_only=True):
    driver: str
    volume_handle: str = ""


class InTreeVolume(Wire, frozen=True, kw_only=True):
    """A volume of a plugin that was once part of Kubernetes, by whichever of these names it has there."""

    volume_id: str = msgspec.field(name="volumeID", default="")
    pd_name: str = ""
    disk_uri: str = msgspec.field(name="diskURI", default="")

    @property
    def handle(self) -> str:
        return self.volume_id or self.pd_name or self.disk_uri


class VolumeSpec(Wire, frozen=True, kw_only=True):
    node_affinity: VolumeNodeAffinity | None = None
    csi: CSIVolume | None = None
    aws_elastic_block_store: InTreeVolume | None = None
    gce_persistent_disk: InTreeVolume | None = None
    azure_disk: InTreeVolume | None = None
    cinder: InTreeVolume | None = None
    portworx_volume: InTreeVolume | None = None

    def translated(self) -> CSIVolume | None:
        """The CSI volume that the scheduler takes it for, if it is of a plugin that a CSI driver has replaced
        (kube-scheduler nodevolumelimits isCSIMigrationOn, csi-translation-lib)."""
        in_tree = {
            "ebs.csi.aws.com": self.aws_elastic_block_store,
            "pd.csi.storage.gke.io": self.gce_persistent_disk,
            "disk.csi.azure.com": self.azure_disk,
            "cinder.csi.openstack.org": self.cinder,
            "pxd.portworx.com": self.portworx_volume,
        }
        found = ((driver, volume) for driver, volume in in_tree.items() if volume is not None)
        return next((CSIVolume(driver=driver, volume_handle=volume.handle) for driver, volume in found), None)


class PersistentVolume(Wire, frozen=True, kw_only=True):
    metadata: Metadata
    spec: VolumeSpec = VolumeSpec()

    def node_terms(self) -> tuple[NodeSelectorTerm, ...] | None:
        """The nodes that can use it: any of these terms; None if every node can."""
        affinity = self.spec.node_affinity
        required = affinity.required if affinity is not None else None
        return required.node_selector_terms if required is not None else None


class Allocatable(Wire, frozen=True, kw_only=True):
    count: int | None = None


class CSINodeDriver(Wire, frozen=True, kw_only=True):
    name: str
    allocatable: Allocatable | None = None


class CSINodeSpec(Wire, frozen=True, kw_only=True):
    drivers: tuple[CSINodeDriver, ...] | None = None
    """The API server writes null where there is none."""


class CSINode(Wire, frozen=True, kw_only=True):
    """What the CSI drivers of a node can do; it has the node's name."""

    metadata: Metadata
    spec: CSINodeSpec = CSINodeSpec()

    def limits(self) -> dict[str, int]:
        """How many volumes can be attached, by driver, of those that have a limit."""
        known = ((d.name, d.allocatable.count) for d in self.spec.drivers or () if d.allocatable is not None)
        return {name: count for name, count in known if count is not None}


class AttachedSource(Wire, frozen=True, kw_only=True):
    persistent_volume_name: str = ""


class AttachmentSpec(Wire, frozen=True, kw_only=True):
    attacher: str = ""
    node_name: str = ""
    source: AttachedSource = AttachedSource()


class VolumeAttachment(Wire, frozen=True, kw_only=True):
    """That a volume is, or is to be, attached to a node: it counts there although no pod uses it (any more)."""

    metadata: Metadata
    spec: AttachmentSpec = AttachmentSpec()
