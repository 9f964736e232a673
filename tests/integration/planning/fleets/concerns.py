"""The concerns, by name, each with the filter of kube-scheduler that decides it; and fleets of any of them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random

from tests.integration.planning.fleets import claims, disks, neighbours, nodes, nominees, ports, room, spreading
from tests.integration.planning.fleets.draft import Draft, Object, drafted
from tests.integration.planning.fleets.rendering import render


@dataclass(frozen=True)
class Concern:
    """`add` draws it into a fleet; `lift` is a pod without it, where it cannot be drawn without others. `also`: other
    filters that have a say in it; `whole`: it says the same of all nodes."""

    plugin: str
    add: Callable[[Draft], None]
    lift: Callable[[Object], Object] | None = None
    also: frozenset[str] = frozenset()
    whole: bool = False


CONCERNS: Mapping[str, Concern] = {
    "cordons": Concern("NodeUnschedulable", nodes.cordons),
    "taints": Concern("TaintToleration", nodes.taints),
    "selectors": Concern("NodeAffinity", nodes.selectors),
    "numbers": Concern("NodeAffinity", nodes.numbers),
    "ports": Concern("NodePorts", ports.ports),
    "whole pods": Concern("NodeResourcesFit", room.whole_pods),
    "requests": Concern("NodeResourcesFit", room.requests),
    "fractions": Concern("NodeResourcesFit", room.fractions),
    "resized": Concern("NodeResourcesFit", room.resized),
    "nominees": Concern("NodeResourcesFit", nominees.nominees, also=frozenset({"NodePorts"})),
    "attached": Concern("NodeVolumeLimits", disks.attached),
    "reachable": Concern("VolumeBinding", disks.reachable),
    "zoned": Concern("VolumeZone", disks.zoned),
    "claims": Concern("VolumeBinding", claims.wrong, also=frozenset({"VolumeRestrictions", "VolumeZone"}), whole=True),
    "spread": Concern("PodTopologySpread", spreading.spread, spreading.unspread),
    "spread of all": Concern("PodTopologySpread", spreading.spread_of_all, spreading.unspread),
    "own pods": Concern("InterPodAffinity", neighbours.own_pods),
    "affinity": Concern("InterPodAffinity", neighbours.affinity),
    "anti-affinity": Concern("InterPodAffinity", neighbours.anti_affinity),
    "symmetry": Concern("InterPodAffinity", neighbours.symmetry),
}


def alone(name: str, seed: int, number: int) -> Draft:
    """A fleet in which nothing but this concern can refuse a VM."""
    return _fleet((name,), seed, number, dose=1.0)


def together(names: Iterable[str], seed: int, number: int) -> Draft:
    """A fleet with a little of each of these."""
    return _fleet(tuple(names), seed, number, dose=0.15)


def _fleet(names: tuple[str, ...], seed: int, number: int, dose: float) -> Draft:
    """`key` is a name for objects: short, and never that of another fleet of the same run."""
    rng = Random(f"{seed} {number} {' '.join(names)}")
    tag = names[0].replace(" ", "-") if len(names) == 1 else f"mixed{len(names)}"
    draft = drafted(rng, f"{tag}-{seed}-{number}", dose, nodes=24, vms=36, others=30)
    for name in names:
        CONCERNS[name].add(draft)
    render(draft)
    return draft
