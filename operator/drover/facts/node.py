"""A Node, as far as placement and maintenance read it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property

import msgspec

from drover.facts.quantity import Resources, resources
from drover.facts.selector import Taint
from drover.facts.wire import Condition, Metadata, Wire, find, same_facts

SCHEDULABLE_FOR_KUBEVIRT = "kubevirt.io/schedulable"
HEARTBEAT = "kubevirt.io/heartbeat"
SILENT_AFTER = timedelta(minutes=5)
"""heartBeatTimeout of virt-controller (kubevirt pkg/virt-controller/watch/node/node.go)."""
BEFORE = "drover.dev/before"
CPU_VENDOR = "cpu-vendor.node.kubevirt.io/"
CPU_FEATURE = "cpu-feature.node.kubevirt.io/"
MIGRATION_MODEL = "cpu-model-migration.node.kubevirt.io/"
_HOST_MODEL = "host-model-cpu.node.kubevirt.io/"
_HOST_FEATURES = "host-model-required-features.node.kubevirt.io/"
PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")


class NodeAnnotations(Wire, frozen=True, kw_only=True):
    """Ours, and virt-handler's heartbeat, by which two nodes are not told apart (`same_node`): in a large cluster it
    changes several times a second."""

    before: str = msgspec.field(name=BEFORE, default="")
    heartbeat: str = msgspec.field(name=HEARTBEAT, default="")


class NodeMetadata(Metadata, frozen=True, kw_only=True):
    annotations: NodeAnnotations = NodeAnnotations()


class NodeSpec(Wire, frozen=True, kw_only=True):
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class NodeStatus(Wire, frozen=True, kw_only=True):
    allocatable: dict[str, str] = {}
    conditions: tuple[Condition, ...] = ()


class Node(Wire, frozen=True, kw_only=True, dict=True):
    metadata: NodeMetadata
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()
    silent: bool = False
    """Whether virt-handler had not been heard of for five minutes when the snapshot was taken (`as_of`). The API has no
    such field."""
    networked: bool = False
    """Whether its virt-handler listens in the migration network: said by `site.survey`, and not by the API either."""
    namesakes: tuple[str, ...] = ()
    """The other nodes that have its hostname label, said in the same place."""

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def labels(self) -> dict[str, str]:
        return self.metadata.labels

    @property
    def cordoned(self) -> bool:
        return self.spec.unschedulable

    @property
    def ready(self) -> bool:
        condition = find(self.status.conditions, "Ready")
        return condition is not None and condition.status == "True"

    @property
    def usable_by_kubevirt(self) -> bool:
        """virt-handler says "true" with a live heartbeat (kubevirt pkg/virt-handler/heartbeat)."""
        return self.labels.get(SCHEDULABLE_FOR_KUBEVIRT) == "true"

    @property
    def is_kubevirt_node(self) -> bool:
        """virt-handler has been here, whatever it says now."""
        return SCHEDULABLE_FOR_KUBEVIRT in self.labels

    @cached_property
    def cpu_vendor(self) -> Mapping[str, str]:
        """The selector of nodes with a CPU of its vendor."""
        return {key: "true" for key in self.labels if key.startswith(CPU_VENDOR)}

    @cached_property
    def host_model(self) -> Mapping[str, str]:
        """The selector of nodes that can be its CPU for a guest that follows its host (kubevirt
        nodeselectorrenderer.go)."""
        labels = self.labels
        models = (key.removeprefix(_HOST_MODEL) for key in labels if key.startswith(_HOST_MODEL))
        features = (key.removeprefix(_HOST_FEATURES) for key in labels if key.startswith(_HOST_FEATURES))
        return {MIGRATION_MODEL + name: "true" for name in models} | {CPU_FEATURE + name: "true" for name in features}

    def as_of(self, now: datetime) -> "Node":
        """The node as it is at a moment: `silent` is what the heartbeat says then, by the rule of virt-controller
        (isNodeUnresponsive), which takes up to a minute to write it into the label, and writes nothing while it is
        down. No heartbeat and one that cannot be read are not held against the node there, and are not here."""
        text = self.metadata.annotations.heartbeat
        if not text:
            return self
        try:
            beat = datetime.fromisoformat(text)
        except ValueError:
            return self
        late = beat.tzinfo is not None and beat < now - SILENT_AFTER
        return msgspec.structs.replace(self, silent=True) if late else self

    def pressure(self) -> str | None:
        """The type of the first pressure condition that is not known to be false, if there is one."""
        for kind in PRESSURES:
            condition = find(self.status.conditions, kind)
            if condition is not None and condition.status == "True":
                return kind
        return None

    def allocatable(self) -> Resources:
        """What pods may request here, in the units of `facts.quantity`."""
        return resources(self.status.allocatable)


def same_node(one: Node, other: Node) -> bool:
    """Whether two versions of a node mean the same to a decision: only the age of a heartbeat does, and `as_of` tells
    that of whichever is the newest."""
    annotations = msgspec.structs.replace(other.metadata.annotations, heartbeat=one.metadata.annotations.heartbeat)
    metadata = msgspec.structs.replace(other.metadata, annotations=annotations)
    return same_facts(one, msgspec.structs.replace(other, metadata=metadata))


class Before(Wire, frozen=True, kw_only=True):
    """What a node was like before we cordoned it: the value of the annotation `drover.dev/before`."""

    unschedulable: bool
    since: str
    by: str
    uid: str


def before(node: Node) -> Before | None:
    """The remembered state, if we hold this node."""
    text = node.metadata.annotations.before
    return remembered(text) if text else None


def remembered(text: str) -> Before:
    """The state an annotation remembers. One that is not ours to read counts as a plain cordon of ours."""
    try:
        return msgspec.json.decode(text, type=Before)
    except msgspec.MsgspecError:
        return Before(unschedulable=False, since="", by="unknown", uid="")
