"""May a VM of this class go to that node? An ordered list of small named checks; the first that says no is the reason.

Each check mirrors a filter of kube-scheduler as KubeVirt's target pod meets it (pkg/scheduler/framework/plugins), or a
rule of KubeVirt or of ours. They are asked once per (VM class, node class), not per pair.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from drover.facts.node import Node
from drover.facts.quantity import human
from drover.facts.selector import untolerated
from drover.planning.fleet import Amounts, Fleet
from drover.planning.vmclass import GUEST_MEMORY, VMClass

T = TypeVar("T")
Codes = NDArray[np.int8]
FITS = 0


@dataclass(frozen=True, slots=True)
class Check:
    """`refuses(vm_class, node)` is why not, in words that follow "the node", or None if it does not mind."""

    name: str
    refuses: Callable[[VMClass, Node], str | None]
    suggestion: str


def _not_kubevirts(_: VMClass, node: Node) -> str | None:
    return None if node.usable_by_kubevirt else "is not usable for KubeVirt (label kubevirt.io/schedulable)"


def _not_ready(_: VMClass, node: Node) -> str | None:
    return None if node.ready else "is not Ready"


def _cordoned(_: VMClass, node: Node) -> str | None:
    return "is cordoned" if node.cordoned else None


def _pressure(_: VMClass, node: Node) -> str | None:
    kind = node.pressure()
    return f"is under {kind}" if kind else None


def _tainted(vm_class: VMClass, node: Node) -> str | None:
    taint = untolerated(node.spec.taints, vm_class.tolerations)
    return f"has the taint {taint}, which the VM does not tolerate" if taint else None


def _node_selector(vm_class: VMClass, node: Node) -> str | None:
    lacking = [f"{key}={value}" for key, value in vm_class.node_selector if node.labels.get(key) != value]
    return f"lacks the label {lacking[0]}" if lacking else None


def _node_affinity(vm_class: VMClass, node: Node) -> str | None:
    if not vm_class.affinity or any(term.matches(node.name, node.labels) for term in vm_class.affinity):
        return None
    return "does not match the VM's required node affinity"


CHECKS = (
    Check("NotForKubeVirt", _not_kubevirts, "see why virt-handler does not run there"),
    Check("NotReady", _not_ready, "bring the node back"),
    Check("Cordoned", _cordoned, "uncordon a node that can take it"),
    Check("Pressure", _pressure, "free memory, disk or processes on the node"),
    Check("Taint", _tainted, "remove the taint or let the VM tolerate it"),
    Check("NodeSelector", _node_selector, "label a further node, or relax the VM's nodeSelector or CPU model"),
    Check("NodeAffinity", _node_affinity, "relax the VM's node affinity or label a further node"),
)

TAKEN = "is in maintenance or being evacuated"
EXCLUDED = "is excluded by the plan's targets"
IS_SOURCE = "is where the VM is"
REJECTED = "was refused by the scheduler a short while ago"


def explain(vm_class: VMClass, node: Node) -> str | None:
    """Why the class may not go to the node, in words that follow "the node", or None if nothing static forbids it."""
    code = _first_refusal(vm_class, node)
    return CHECKS[code - 1].refuses(vm_class, node) if code != FITS else None


def asked(vm_class: VMClass) -> object:
    """What of a class the checks look at: classes that agree in it get the same answers."""
    return vm_class.node_selector, vm_class.affinity, vm_class.tolerations


def static(vm_class: VMClass, nodes: Sequence[Node]) -> Codes:
    """int8[nodes]: 0 where the class may go as far as labels, taints and conditions say, else 1 + the check's index."""
    return np.array(_by_class(_first_refusal, vm_class, nodes), dtype=np.int8)


def explanations(vm_class: VMClass, nodes: Sequence[Node]) -> list[str | None]:
    """What `explain` says of each node."""
    return _by_class(explain, vm_class, nodes)


def _by_class(ask: Callable[[VMClass, Node], T], vm_class: VMClass, nodes: Sequence[Node]) -> list[T]:
    """The answer for each node, asked once per node class."""
    keys, named = sorted(vm_class.label_keys), vm_class.fields
    known: dict[object, T] = {}
    result = []
    for node in nodes:
        key = _node_class(node, keys, named)
        if key not in known:
            known[key] = ask(vm_class, node)
        result.append(known[key])
    return result


def _node_class(node: Node, keys: Sequence[str], named: bool) -> object:
    """What of the node can matter to a class that looks at these labels: nodes that agree in it get the same answer."""
    return (
        node.usable_by_kubevirt,
        node.ready,
        node.cordoned,
        node.pressure(),
        node.spec.taints,
        tuple(node.labels.get(key) for key in keys),
        node.name if named else "",
    )


def _first_refusal(vm_class: VMClass, node: Node) -> int:
    for code, check in enumerate(CHECKS, start=1):
        if check.refuses(vm_class, node) is not None:
            return code
    return FITS


def has_room(demand: Amounts, fleet: Fleet) -> NDArray[np.bool_]:
    """bool[nodes]: where all that is asked for is free. What is not asked for may be overdrawn (fit.go)."""
    asked = demand > 0
    result: NDArray[np.bool_] = np.all(fleet.free[:, asked] >= demand[asked], axis=1)
    return result


def shortage(demand: Amounts, fleet: Fleet, node: int) -> str:
    """Which resource is short on the node and by how much, the worst first."""
    return shortages(demand, fleet)[node]


def shortages(demand: Amounts, fleet: Fleet) -> list[str]:
    """What `shortage` says of each node."""
    if not fleet.nodes or (demand == np.iinfo(np.int64).max).any():
        return ["does not offer a device the VM needs"] * len(fleet.nodes)
    lacking = np.where(demand > 0, demand - fleet.free, 0)
    worst = (lacking / np.maximum(fleet.allocatable, 1)).argmax(axis=1)
    amounts = lacking[np.arange(len(worst)), worst]
    return [_lacks(fleet.resources[n], amount) for n, amount in zip(worst.tolist(), amounts.tolist(), strict=True)]


@lru_cache(maxsize=1 << 14)
def _lacks(resource: str, amount: int) -> str:
    if amount <= 0:
        return "has room"
    return f"lacks {human('memory' if resource == GUEST_MEMORY else resource, amount)} of {resource}"


def summarize(reasons: Iterable[str]) -> str:
    """Refusals counted, the most frequent first, as the scheduler words it: "3 nodes are cordoned, ..."."""
    counts = Counter(reasons)
    return ", ".join(f"{count}× {reason}" for reason, count in counts.most_common(6))
