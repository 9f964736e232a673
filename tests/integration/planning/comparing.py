"""Our verdicts beside the scheduler's, pair by pair, and what filters decided."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.integration.planning.adapter import Answer, Ours, judge_all, snapshot_of
from tests.integration.planning.fleets.concerns import Concern
from tests.integration.planning.fleets.draft import VM, Draft, Object
from tests.integration.planning.oracle import Heard, Oracle
from tests.integration.planning.reasons import OWN_PODS, plugin_of
from tests.integration.planning.target import pinned, target_pod

_EXPLAINED = 20
"""Of a fleet's disagreements, so many are asked again with a pin, for the scheduler's message about this very node."""


@dataclass(frozen=True)
class Disagreement:
    """Enough to see it again: `fleet` has the concern, the seed and the number in it."""

    fleet: str
    vm: str
    node: str
    fits: bool
    ours: Ours
    message: str
    """Over all nodes; and over all nodes when the target pod is pinned to this one, so that the others fail on that."""
    pinned: str = ""

    def __str__(self) -> str:
        theirs = "yes" if self.fits else "no"
        ours = f"{self.ours.answer.name.lower()} {self.ours.words}".strip()
        where = f"{self.fleet}: {self.vm} on {self.node}"
        return f"{where}: scheduler {theirs}, we {ours}\n  unpinned: {self.message}\n  pinned:   {self.pinned}"


@dataclass
class Tally:
    """Pairs of a VM and another node. `decided` counts, by filter and verdict, the pairs that it alone decided; `named`
    how many nodes each filter is named for in the scheduler's messages."""

    pairs: int = 0
    fits: int = 0
    unknown: int = 0
    own_rules: int = 0
    decided: Counter[tuple[str, bool]] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    disagreements: list[Disagreement] = field(default_factory=list, repr=False)
    misnamed: list[str] = field(default_factory=list, repr=False)
    """VMs some of whose nodes we refuse for another filter than the scheduler does, with both counts."""

    def add(self, other: "Tally") -> None:
        self.pairs += other.pairs
        self.fits += other.fits
        self.unknown += other.unknown
        self.own_rules += other.own_rules
        self.decided += other.decided
        self.named += other.named
        self.disagreements += other.disagreements
        self.misnamed += other.misnamed

    def least(self, plugin: str) -> int:
        """How often the filter alone decided, for the verdict it gave less often."""
        return min(self.decided[plugin, True], self.decided[plugin, False])

    def __str__(self) -> str:
        counts = {"pairs": self.pairs, "fit": self.fits, "unknown": self.unknown, "by our rules": self.own_rules}
        head = ", ".join(f"{name} {count}" for name, count in counts.items())
        decided = [f"{name} {'yes' if fits else 'no'} {count}" for (name, fits), count in sorted(self.decided.items())]
        named = [f"{name} {count}" for name, count in sorted(self.named.items())]
        wrong = f"disagree {len(self.disagreements)}, misnamed {len(self.misnamed)}"
        return f"{head}, {wrong}; {', '.join(decided or named)}"


async def compare(oracle: Oracle, draft: Draft, concern: Concern | None = None) -> Tally:
    """One fleet. With a `concern` that is alone in it, what its filter decided is counted as well."""
    async with oracle.holding(draft) as objects:
        probes = {vm.name: target_pod(vm, draft.node(vm.source), f"probe-{vm.name}") for vm in draft.vms}
        heard = await _heard(oracle, probes)
        verdicts = judge_all(snapshot_of({**objects, "vmis": [vm.vmi for vm in draft.vms]}))
        tally = Tally()
        for vm in draft.vms:
            _count(tally, draft, vm, heard[vm.name], verdicts[vm.uid])
        if concern is not None:
            free = await _without(oracle, probes, concern)
            for vm in draft.vms:
                tally.decided += _decided(concern, draft, vm, heard[vm.name], free.get(vm.name))
        tally.disagreements = await _explained(oracle, probes, tally.disagreements)
        return tally


async def _heard(oracle: Oracle, probes: Mapping[str, Object]) -> dict[str, Heard]:
    return dict(zip(probes, await oracle.ask(list(probes.values())), strict=True))


async def _without(oracle: Oracle, probes: Mapping[str, Object], concern: Concern) -> dict[str, Heard]:
    """The same pods without the concern, where it cannot be drawn without others."""
    lift = concern.lift
    return {} if lift is None else await _heard(oracle, {name: lift(probe) for name, probe in probes.items()})


def _count(tally: Tally, draft: Draft, vm: VM, theirs: Heard, verdicts: Mapping[str, Ours]) -> None:
    tally.named += _named(theirs)
    for node in draft.others(vm):
        fits, ours = node in theirs.fits, verdicts[node]
        tally.pairs += 1
        tally.fits += fits
        if ours.answer is Answer.UNKNOWN:
            tally.unknown += 1
        elif (ours.answer is Answer.YES) == fits:
            pass
        elif fits and ours.own_rule:
            tally.own_rules += 1
        else:
            tally.disagreements.append(Disagreement(draft.key, vm.name, node, fits, ours, theirs.message))
    said = _misnamed(theirs, verdicts)
    if said:
        tally.misnamed.append(f"{draft.key}: {vm.name}: {said}: {theirs.message}")


_NEIGHBOURLY = ("PodTopologySpread", "InterPodAffinity")
"""We ask them the other way round: a target is pinned to one node, which switches the former off."""


def _misnamed(theirs: Heard, verdicts: Mapping[str, Ours]) -> str:
    """The filters that refuse more or fewer nodes by our account than by the scheduler's, as far as rules that are ours
    alone do not account for it. A node that is short of several things is counted for each in its message, so that
    those are told by what is left."""
    named = _named(theirs)
    ours = Counter(each.plugin for each in verdicts.values() if each.answer is Answer.NO and not each.own_rule)
    own = sum(each.own_rule for each in verdicts.values())
    for counts in (named, ours):
        counts[_NEIGHBOURLY[1]] += counts.pop(_NEIGHBOURLY[0], 0)
    others = sum(count for name, count in named.items() if name != _ROOM)
    named[_ROOM] = len(verdicts) - len(theirs.fits) - others
    return (
        f"ours {dict(ours - named)}, theirs {dict(named - ours)}"
        if ours - named or (named - ours).total() > own
        else ""
    )


_ROOM = "NodeResourcesFit"


def _named(heard: Heard) -> Counter[str]:
    result: Counter[str] = Counter()
    for reason, count in heard.reasons().items():
        result[plugin_of(reason)] += count
    del result[""]
    return result


async def _explained(oracle: Oracle, probes: Mapping[str, Object], wrong: list[Disagreement]) -> list[Disagreement]:
    asked = wrong[:_EXPLAINED]
    pods = [pinned(probes[each.vm], each.node, f"pinned-{n}") for n, each in enumerate(asked)]
    messages = [heard.message for heard in await oracle.ask(pods)]
    told = [replace(each, pinned=message) for each, message in zip(asked, messages, strict=True)]
    return [*told, *wrong[_EXPLAINED:]]


def _decided(concern: Concern, draft: Draft, vm: VM, theirs: Heard, free: Heard | None) -> Counter[tuple[str, bool]]:
    """Of a VM that the concern's filter alone refuses somewhere: its verdicts.

    Raises AssertionError if another filter had a say in a fleet that is said to be of one concern.
    """
    if free is None:
        strangers = _strangers(theirs, concern)
        assert not strangers, f"{draft.key} is not only of {concern.plugin}: {strangers}"
        refused = draft.others(vm) - theirs.fits
    else:
        refused = draft.others(vm) & free.fits - theirs.fits
    if not refused and not concern.whole:
        return Counter()
    return Counter({(concern.plugin, True): len(theirs.fits), (concern.plugin, False): len(refused)})


def _strangers(heard: Heard, concern: Concern) -> dict[str, int]:
    """What other filters said, but for the VM's own pod, which keeps its target off the source."""
    said = heard.reasons()
    said[OWN_PODS] -= 1
    known = {"", concern.plugin, *concern.also}
    return {reason: n for reason, n in said.items() if n > 0 and plugin_of(reason) not in known}
