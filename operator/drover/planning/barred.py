"""Nodes that are out of the question whatever the checks say, each with the reason in words."""

from collections.abc import Iterable, Mapping

from drover.api.plan import MigrationPlan
from drover.facts.index import Index
from drover.facts.kubevirt import VMI
from drover.facts.snapshot import Snapshot
from drover.planning import reasons
from drover.planning.candidates import resolve_nodes


def bars(vmi: VMI, relations: Index, avoid: Iterable[str]) -> dict[str, str]:
    """Nodes this VM may not go to: where pods of it are (required anti-affinity to itself, by hostname label, which
    another node may have too), where it was refused."""
    result = dict.fromkeys(avoid, reasons.REJECTED)
    for pod in relations.pods_of(vmi):
        result |= dict.fromkeys(relations.namesakes.get(pod.node, ()), reasons.SHARES_A_HOSTNAME)
    result |= {pod.node: reasons.HAS_A_POD for pod in relations.pods_of(vmi) if pod.node}
    result[vmi.node] = reasons.IS_SOURCE
    return result


def barred_for(
    plan: MigrationPlan, sources: frozenset[str], snapshot: Snapshot, taken: Mapping[str, str]
) -> dict[str, str]:
    """Nodes no VM of the plan may go to, each with the reason in words."""
    result = {name: f"{reasons.TAKEN} ({by})" for name, by in taken.items()}
    targets = plan.spec.targets
    if targets is not None and targets.nodes is not None:
        allowed = set(resolve_nodes(targets.nodes, snapshot).names)
        result |= {n.name: reasons.EXCLUDED for n in snapshot.nodes.values() if n.name not in allowed}
    if targets is not None and targets.exclude is not None:
        result |= dict.fromkeys(resolve_nodes(targets.exclude, snapshot).names, reasons.EXCLUDED)
    return result | dict.fromkeys(sources, reasons.TO_BE_EMPTIED)
