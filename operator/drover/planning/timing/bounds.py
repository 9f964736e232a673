"""How long it takes at least, whoever orders the moves, and which limit says so.

Each bound is a sum over moves that have to share something. Where all moves take equally long, the slots' bounds are
attained: out of a node and into a node are the two sides of a bipartite multigraph, whose edges fall into as many
matchings as its largest degree (König, 1916), and into matchings of equal size (de Werra, 1971).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, inf

from drover.planning.timing.moves import Job, Limits


@dataclass(frozen=True, slots=True)
class Bound:
    """Seconds, and what it is that does not let it be less, in words."""

    seconds: float = 0.0
    by: str = "nothing has to move"


@dataclass(frozen=True, slots=True)
class Cut:
    """A link between some nodes and all others: a rack's uplink, the connection of a zone."""

    name: str
    inside: frozenset[str]
    capacity: float
    """Bytes a second."""


@dataclass(frozen=True, slots=True)
class Network:
    """What is known of it, in bytes a second; what is not in it limits nothing."""

    out: Mapping[str, float] = field(default_factory=dict)
    """Out of a node."""
    into: Mapping[str, float] = field(default_factory=dict)
    """Into a node."""
    cuts: Sequence[Cut] = ()


UNKNOWN = Network()
Homes = Mapping[str, frozenset[str]]
"""The nodes a VM could go to, by VM."""


def makespan(
    jobs: Sequence[Job], limits: Limits, homes: Homes | None = None, network: Network = UNKNOWN, admission: float = 0.0
) -> Bound:
    """The least makespan of any plan that moves these VMs off their sources, wherever they go.

    `homes` are where each could go; without them nothing is said about targets. `admission` are the seconds between two
    migrations that KubeVirt lets begin. The targets of the jobs are not looked at. Moves in flight must not be in it:
    they may be more than the limits.
    """
    return largest(
        [
            _slots(jobs, limits.total, f"the {_count(limits.total, 'slot')} of the cluster"),
            *_per_source(jobs, limits),
            _longest(jobs),
            *_out(jobs, network),
            *_into(jobs, limits, homes or {}, network),
            *_cuts(jobs, homes or {}, network),
            _bandwidth(jobs, limits),
            Bound(len(jobs) * admission, f"{admission:g} s between two migrations that KubeVirt lets begin"),
        ]
    )


def with_targets(jobs: Sequence[Job], limits: Limits) -> Bound:
    """The least makespan while every VM goes to the target of its job, and after those it has to wait for."""
    into = _by(jobs, "target")
    words = {node: f"the {_count(limits.per_target, 'slot')} into {node}" for node in into}
    return largest([*(_slots(into[node], limits.per_target, words[node]) for node in into if node), _chain(jobs)])


def migrations(count: int, unplaced: float = 0.0, admitted: int = 1) -> int:
    """How many migrations it takes at least to empty nodes with so many VMs.

    `unplaced` is how many of them a relaxation (the linear program of the room that is left) cannot place, and
    `admitted` how many of those one more migration elsewhere can make room for at most.
    """
    return count + ceil((unplaced - 1e-6) / max(1, admitted)) if unplaced > 1e-6 else count


def largest(bounds: Iterable[Bound]) -> Bound:
    """The one that binds; of equal ones the first."""
    return max((bound for bound in bounds if bound.seconds > 0), key=lambda bound: bound.seconds, default=Bound())


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _by(jobs: Iterable[Job], end: str) -> dict[str, list[Job]]:
    result: dict[str, list[Job]] = defaultdict(list)
    for job in sorted(jobs, key=lambda job: job.vm):
        result[getattr(job, end)].append(job)
    return dict(sorted(result.items()))


def _slots(jobs: Iterable[Job], slots: int, words: str) -> Bound:
    """Moves that share slots: their sum by the slots; and of the slots·i + 1 longest some i + 1 share one, and take at
    least what the shortest i + 1 of them do."""
    lengths = sorted((job.seconds for job in jobs), reverse=True)
    share = sum(lengths) / slots
    crowded = (sum(lengths[i * slots - i : i * slots + 1]) for i in range(1, (len(lengths) - 1) // slots + 1))
    return Bound(max([share, *crowded]) if lengths else 0.0, words)


def _per_source(jobs: Sequence[Job], limits: Limits) -> list[Bound]:
    slots = limits.per_source
    by_source = _by(jobs, "source")
    return [
        _slots(mine, slots, f"the {_count(slots, 'slot')} out of {node}") for node, mine in by_source.items() if node
    ]


def _longest(jobs: Sequence[Job]) -> Bound:
    job = max(jobs, key=lambda job: (job.seconds, job.vm), default=None)
    return Bound(job.seconds, f"the longest move, of {job.vm}") if job is not None else Bound()


def _out(jobs: Sequence[Job], network: Network) -> list[Bound]:
    return [
        Bound(_size(mine) / network.out[node], f"the network out of {node}")
        for node, mine in _by(jobs, "source").items()
        if node in network.out
    ]


def _into(jobs: Sequence[Job], limits: Limits, homes: Homes, network: Network) -> list[Bound]:
    """Of every set of nodes that is all that some VM could go to: the VMs that can go nowhere else share its slots and
    its network (as Hall's theorem counts, 1935)."""
    result = []
    for nodes in sorted({homes[job.vm] for job in jobs if job.vm in homes}, key=sorted):
        bound_there = [job for job in jobs if job.vm in homes and homes[job.vm] <= nodes]
        words = f"the {_count(len(nodes), 'node')} that {_count(len(bound_there), 'VM')} can go to"
        if not nodes:
            continue
        result.append(_slots(bound_there, limits.per_target * len(nodes), f"the slots into {words}"))
        capacity = sum(network.into.get(node, inf) for node in nodes)
        result.append(Bound(_size(bound_there) / capacity, f"the network into {words}"))
    return result


def _cuts(jobs: Sequence[Job], homes: Homes, network: Network) -> list[Bound]:
    """Those that have to cross a link, because they are on one side of it and can only go to the other."""
    result = []
    for cut in network.cuts:
        crossing = [job for job in jobs if job.vm in homes and _crosses(job.source, homes[job.vm], cut)]
        result.append(Bound(_size(crossing) / cut.capacity, f"the link {cut.name}"))
    return result


def _crosses(source: str, homes: frozenset[str], cut: Cut) -> bool:
    return homes.isdisjoint(cut.inside) if source in cut.inside else homes <= cut.inside


def _bandwidth(jobs: Sequence[Job], limits: Limits) -> Bound:
    """What all send, by what they may send together. One that may not go beside another takes all of it."""
    if limits.bandwidth == inf:
        return Bound()
    sent = sum(job.seconds * min(job.rate, limits.bandwidth) for job in jobs)
    return Bound(sent / limits.bandwidth, "the bandwidth of all migrations together")


def _size(jobs: Iterable[Job]) -> float:
    return sum(job.size for job in jobs)


def _chain(jobs: Sequence[Job]) -> Bound:
    """The longest chain of moves that wait for each other. Raises ValueError if one waits for itself."""
    of = {job.vm: job for job in jobs}
    waiting = {job.vm: {vm for vm in job.after if vm in of} for job in jobs}
    ends: dict[str, float] = {}
    while waiting:
        free = [vm for vm, before in waiting.items() if before <= ends.keys()]
        if not free:
            raise ValueError(f"these moves wait for each other: {', '.join(sorted(waiting)[:10])}")
        for vm in free:
            ends[vm] = of[vm].seconds + max((ends[before] for before in waiting.pop(vm)), default=0.0)
    last = max(ends, key=lambda vm: (ends[vm], vm), default="")
    return Bound(ends.get(last, 0.0), f"the chain of moves that ends with {last}")
