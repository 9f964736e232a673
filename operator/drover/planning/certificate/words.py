"""A certificate in words."""

from collections.abc import Mapping

from drover.planning.certificate.certify import Certificate
from drover.planning.certificate.describe import Labels, describe
from drover.planning.certificate.lacks import Lack
from drover.planning.certificate.shortages import Shortage
from drover.planning.explain import amount_of

TOLD = 3
"""So many shortages are told, the worst ones."""


def in_words(certificate: Certificate, labels: Mapping[str, Labels]) -> str:
    """What is short, where, and for how many: what follows "cannot be placed". Empty if nothing but room is at fault.

    `labels` are those of all nodes of the cluster, by name.
    """
    told = certificate.shortages[:TOLD]
    clauses = [_clause(each, labels) + _whose(each, certificate) for each in told]
    more = len(certificate.shortages) - len(told)
    return "; ".join(clauses) + (f"; and so on, in {more} more groups of nodes" if more else "")


def _whose(shortage: Shortage, certificate: Certificate) -> str:
    if shortage.vms == certificate.unplaceable and shortage.among == certificate.total:
        return ""
    return f" for {shortage.vms} of the {shortage.among} VMs that fit nowhere else"


def _clause(shortage: Shortage, labels: Mapping[str, Labels]) -> str:
    """What each set of nodes lacks."""
    by_nodes: dict[tuple[str, ...], list[str]] = {}
    for lack in shortage.lacks:
        by_nodes.setdefault(lack.nodes, []).append(_lack(lack))
    return ", ".join(
        f"{describe(nodes, labels)} lack{_s(nodes)} {' and '.join(what)}" for nodes, what in by_nodes.items()
    )


def _lack(lack: Lack) -> str:
    amount = amount_of(lack.resource, lack.amount)
    words = f"{amount} of {lack.resource}" if lack.resource != "cpu" else amount
    if not lack.piece:
        return words
    smallest, largest = amount_of(lack.resource, lack.piece), amount_of(lack.resource, lack.largest)
    pieces = smallest if smallest == largest else f"{smallest} to {largest}"
    return f"{words} in pieces of {pieces}{_at_most(lack) if lack.most < lack.piece else ''}"


def _at_most(lack: Lack) -> str:
    one = len(lack.nodes) == 1
    if not lack.most:
        return " (it has none free)" if one else " (none has any free)"
    return f" ({'it has only' if one else 'none has more than'} {amount_of(lack.resource, lack.most)} free)"


def _s(nodes: tuple[str, ...]) -> str:
    return "s" if len(nodes) == 1 else ""
