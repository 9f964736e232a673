"""Why a VM fits nowhere, in words: the reasons of all nodes, counted, what is short as a range."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drover.facts.quantity import human
from drover.planning.demand.vmclass import GUEST_MEMORY

MOST_REASONS = 6
NOT_OFFERED = "does not offer a device the VM needs"


@dataclass(frozen=True, slots=True)
class Short:
    """So much of a resource is lacking on a node, in the units of `facts.quantity`."""

    resource: str
    amount: int

    @property
    def words(self) -> str:
        """In words that follow "the node"."""
        return lacks(self.resource, self.amount, self.amount)


Reason = str | Short
"""Why not a node: in words that follow "the node", or what is short there."""


def words(reason: Reason) -> str:
    return reason if isinstance(reason, str) else reason.words


def lacks(resource: str, least: int, most: int) -> str:
    """That so much is lacking, on one node or on several.

    >>> lacks("memory", 1 << 30, 1 << 30), lacks("cpu", 500, 2000)
    ('lacks 1.0 GiB of memory', 'lacks 0.5 cores to 2 cores of cpu')
    """
    low, high = amount_of(resource, least), amount_of(resource, most)
    return f"lacks {low} of {resource}" if low == high else f"lacks {low} to {high} of {resource}"


def amount_of(resource: str, amount: int) -> str:
    """An amount for people; memory for the guest is memory."""
    return human("memory" if resource == GUEST_MEMORY else resource, amount)


def summarize(reasons: Iterable[Reason]) -> str:
    """Refusals counted, the most frequent first: "412× lacks the CPU model Skylake-Server, 80× lacks 1.2 GiB to 3.0 GiB
    of memory"."""
    counts: Counter[str] = Counter()
    short: dict[str, list[int]] = {}
    for reason in reasons:
        if isinstance(reason, Short):
            short.setdefault(reason.resource, []).append(reason.amount)
        else:
            counts[reason] += 1
    counts.update({lacks(name, min(each), max(each)): len(each) for name, each in short.items()})
    told = counts.most_common(MOST_REASONS)
    rest = sum(counts.values()) - sum(count for _, count in told)
    return _listed([f"{count}× {reason}" for reason, count in told], rest)


def _listed(told: Sequence[str], rest: int) -> str:
    more = f", {rest}× for other reasons" if rest else ""
    return ", ".join(told) + more
