"""A set of nodes in a few words: by what all of them have and the others lack."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

Labels = Mapping[str, str]
NAMED = 3
"""So many nodes are called by their names."""
TRAITS = 3
LONGEST = 160
HOST_MODEL = "host-model-cpu.node.kubevirt.io/"
ROLE = "node-role.kubernetes.io/"
FIRST = (
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    ROLE,
    "node.kubernetes.io/instance-type",
    HOST_MODEL,
)
"""What people know nodes by, before any other label."""
UNTOLD = ("kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch", "kubevirt.io/", "beta.kubernetes.io/")
UNTOLD_DOMAINS = (".node.kubevirt.io", "feature.node.kubernetes.io")
"""What is on every node, or there by the hundred."""


@dataclass(frozen=True, slots=True)
class _Trait:
    rank: int
    words: str
    key: str
    value: str


def describe(nodes: Collection[str], labels: Mapping[str, Labels]) -> str:
    """The nodes in words, true of exactly these. `labels` are those of all nodes of the cluster, by name.

    >>> zones = {"n1": "a", "n2": "b", "n3": "b", "n4": "b", "n5": "b"}
    >>> describe(["n2", "n3", "n4", "n5"], {n: {"topology.kubernetes.io/zone": zone} for n, zone in zones.items()})
    'nodes with zone=b (4 nodes)'
    """
    names = sorted(nodes)
    if len(names) == len(labels) > NAMED:
        return f"all {len(names)} nodes"
    if len(names) <= NAMED:
        return (
            f"node{'s' if len(names) != 1 else ''} {' and '.join(filter(None, [', '.join(names[:-1]), *names[-1:]]))}"
        )
    chosen, others = _telling(names, labels)
    if not chosen:
        return f"{len(names)} of {len(labels)} nodes ({_some(names)})"
    with_ = f"nodes with {_short(' and '.join(trait.words for trait in chosen))}"
    if others:
        return f"{len(names)} of {len(names) + len(others)} {with_}"
    return f"{with_} ({len(names)} nodes)"


def _telling(names: list[str], labels: Mapping[str, Labels]) -> tuple[list[_Trait], list[str]]:
    """The traits that tell the nodes from most others, and the others that have them too."""
    inside = set(names)
    others = [name for name in sorted(labels) if name not in inside]
    shared = [trait for trait in _traits(labels[names[0]]) if all(_has(labels[name], trait) for name in names)]
    chosen: list[_Trait] = []
    while others and shared and len(chosen) < TRAITS:
        left = {trait: [name for name in others if _has(labels[name], trait)] for trait in shared}
        best = min(shared, key=lambda trait: (bool(left[trait]), trait.rank, len(left[trait]), trait.words))
        shared.remove(best)
        if len(left[best]) < len(others):
            chosen.append(best)
            others = left[best]
    return chosen, others


def _traits(labels: Labels) -> list[_Trait]:
    return [_Trait(_rank(key), _words(key, value), key, value) for key, value in sorted(labels.items()) if _told(key)]


def _told(key: str) -> bool:
    domain = key.partition("/")[0]
    return key.startswith(HOST_MODEL) or not (key.startswith(UNTOLD) or domain.endswith(UNTOLD_DOMAINS))


def _rank(key: str) -> int:
    return next((n for n, first in enumerate(FIRST) if key.startswith(first)), len(FIRST))


def _words(key: str, value: str) -> str:
    if key.startswith(HOST_MODEL):
        return f"CPU model {key.removeprefix(HOST_MODEL)}"
    if key.startswith(ROLE):
        return f"role {key.removeprefix(ROLE)}"
    return f"{key.removeprefix('topology.kubernetes.io/')}={value}"


def _has(labels: Labels, trait: _Trait) -> bool:
    return labels.get(trait.key) == trait.value


def _some(names: list[str]) -> str:
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
