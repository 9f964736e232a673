"""What all plans of a round share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from drover.facts.index import Index
from drover.facts.snapshot import Snapshot
from drover.planning.demand.vmclass import VMClass
from drover.planning.judging import static_homes
from drover.planning.marks import nodes_mark
from drover.planning.site.nodeclass import NodeClasses
from drover.planning.site.survey import class_of
from drover.planning.site.topology import Topology
from drover.running.actions import ObjectRef
from drover.running.names import digest
from drover.running.slots import Slots
from drover.running.view import Case


@dataclass(slots=True)
class Round:
    """The facts, the slots that are held, the VMs that a plan has claimed (by UID), the nodes nobody may be sent to
    (with the object that empties them), and when somebody has to look again although nothing differs."""

    snapshot: Snapshot
    index: Index
    now: datetime
    slots: Slots
    taken: Mapping[str, str]
    claimed: dict[str, ObjectRef] = field(default_factory=dict)
    wake: list[datetime] = field(default_factory=list)
    _nodes_mark: str = ""
    _fingerprints: dict[VMClass | None, str] = field(default_factory=dict)
    _classes: NodeClasses | None = None

    def past(self, limit: datetime) -> bool:
        """Whether a moment is behind us; if not, there is a round when it is."""
        if self.now >= limit:
            return True
        self.wake.append(limit)
        return False

    @property
    def nodes_mark(self) -> str:
        """As it stands on a proposal that was computed on these nodes."""
        self._nodes_mark = self._nodes_mark or nodes_mark(self.snapshot)
        return self._nodes_mark

    def fingerprint(self, case: Case) -> str:
        """Of what the VM asks and of the nodes that could take it but for their room: a change is new hope."""
        if case.vmi is None:
            return ""
        vm_class = class_of(case.vmi, self.snapshot, self.index)
        known = self._fingerprints.get(vm_class)
        if known is None:
            homes = static_homes(vm_class, self._node_classes()) if vm_class is not None else ()
            known = self._fingerprints[vm_class] = digest(vm_class, homes)
        return known

    def _node_classes(self) -> NodeClasses:
        if self._classes is None:
            nodes = tuple(sorted(self.snapshot.nodes.values(), key=lambda node: node.name))
            self._classes = NodeClasses(Topology(nodes))
        return self._classes
