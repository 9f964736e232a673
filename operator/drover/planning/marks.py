"""What tells a proposal from another: the hash that an approval names, and the nodes that it was made for."""

import hashlib
import json
from collections.abc import Mapping

from drover.facts.snapshot import Snapshot
from drover.planning import reasons
from drover.planning.proposal import Goal


def goal_hash(goal: Goal, barred: Mapping[str, str], snapshot: Snapshot) -> str:
    """Covers the goal, its VMs and the nodes that its `targets` allow; nothing that changes with load or time."""
    spec = goal.plan.spec
    allowed = sorted(n.name for n in snapshot.nodes.values() if barred.get(n.name) != reasons.EXCLUDED)
    goal_parts = spec.model_dump(
        mode="json", include={"evacuate", "virtual_machines", "targets", "make_room", "non_migratable"}
    )
    text = json.dumps([goal_parts, sorted(vmi.uid for vmi in goal.vmis), allowed], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def nodes_mark(snapshot: Snapshot) -> str:
    """Changes when a node comes, goes, or may be used or not used any more."""
    nodes = sorted(
        (n.name, n.usable_by_kubevirt, n.silent, n.ready, n.cordoned, n.spec.taints) for n in snapshot.nodes.values()
    )
    return hashlib.sha256(repr(nodes).encode()).hexdigest()[:16]
