"""How many migrations are in flight, and how many may be.

Counted as KubeVirt counts (pkg/virt-controller/watch/migration/migration.go), plus what it does not: migrations of
ours in any phase, foreign ones that will take the next slot, and the inbound side.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from drover.api.shared import Limits
from drover.facts.index import Index
from drover.facts.kubevirt import UNSTARTED, VMIM, KubeVirt
from drover.facts.snapshot import Snapshot
from drover.facts.wire import key_of
from drover.planning.site.arriving import towards


@dataclass(slots=True)
class Slots:
    """Migrations in flight: all, by source node and by target node, with the names of those that hold them."""

    holders: list[str] = field(default_factory=list)
    by_source: Counter[str] = field(default_factory=Counter)
    by_target: Counter[str] = field(default_factory=Counter)
    outbound: dict[str, list[str]] = field(default_factory=dict)
    inbound: dict[str, list[str]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return len(self.holders)

    def take(self, name: str, sources: frozenset[str], target: str) -> None:
        """Count one more."""
        self.holders.append(name)
        for source in sources:
            self.by_source[source] += 1
            self.outbound.setdefault(source, []).append(name)
        if target:
            self.by_target[target] += 1
            self.inbound.setdefault(target, []).append(name)


@dataclass(frozen=True, slots=True)
class Allowed:
    """The limits in force for a plan."""

    total: int
    per_source: int
    per_target: int
    clamped: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Limits that were asked for and lowered: name -> (asked, KubeVirt's)."""


def allowed(limits: Limits | None, kubevirt: KubeVirt) -> Allowed:
    """The plan's limits under KubeVirt's live figures; perTarget is ours alone."""
    limits = limits or Limits()
    pairs = {
        "total": (limits.total, kubevirt.cluster_limit),
        "perSource": (limits.per_source, kubevirt.outbound_limit),
    }
    least = {name: min(asked, theirs) if asked is not None else theirs for name, (asked, theirs) in pairs.items()}
    clamped = {name: (asked, theirs) for name, (asked, theirs) in pairs.items() if asked is not None and asked > theirs}
    return Allowed(least["total"], least["perSource"], limits.per_target, clamped)


def count(snapshot: Snapshot, index: Index) -> Slots:
    """The slots that are held now."""
    slots = Slots()
    for vmim in sorted((vmim for vmims in index.in_flight.values() for vmim in vmims), key=key_of):
        if counts(vmim, index):
            name = f"{vmim.metadata.namespace}/{vmim.name}"
            slots.take(name, _sources(vmim, snapshot), towards(vmim, snapshot, index))
    return slots


def counts(vmim: VMIM, index: Index) -> bool:
    """Ours always. A foreign one in KubeVirt's queue too, since it goes before ours when a slot becomes free, unless
    something other than the limits holds it there."""
    if vmim.plan_uid or vmim.phase not in UNSTARTED or vmim.uid in index.targets:
        return True
    return vmim.blocked_by() is None


def _sources(vmim: VMIM, snapshot: Snapshot) -> frozenset[str]:
    """KubeVirt counts a migration for the VMI's node and for the source node of the VMI's migration state, which may be
    that of its previous migration."""
    vmi = snapshot.vmis.get(vmim.vmi_key)
    if vmi is None:
        return frozenset()
    state = vmi.status.migration_state
    return frozenset(node for node in (vmi.node, state.source_node if state else "") if node)
