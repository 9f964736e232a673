"""Our answers beside a real scheduler's."""

from collections import Counter
from dataclasses import dataclass
from functools import cache

import pytest

from drover.facts.index import Index, index
from drover.facts.kubevirt import VMI
from drover.facts.pod import SpreadConstraint
from drover.facts.snapshot import Snapshot
from drover.planning import checks, fleet
from drover.planning.proposal import admits, bars
from tests.unit.planning.recorded import Verdict, recording

NOT_MODELLED = (
    "didn't match pod affinity rules",
    "didn't match pod anti-affinity rules",
    "didn't satisfy existing pods anti-affinity rules",
)
SPREAD = "would break the VM's topology spread"
FLEETS = ("roomy", "tight")


@dataclass(frozen=True)
class Pair:
    """The scheduler's verdict, and ours: None for yes, else why not."""

    theirs: Verdict
    ours: str | None

    @property
    def not_modelled(self) -> bool:
        return any(words in self.theirs.message for words in NOT_MODELLED)


@cache
def pairs(name: str) -> list[Pair]:
    record = recording(name)
    relations = index(record.snapshot)
    result = []
    for verdict in record.verdicts:
        vmi = record.vms[verdict.vm]
        forbidden = bars(vmi, relations, ())
        result.append(Pair(verdict, admits(vmi, verdict.node, forbidden, record.snapshot, relations)))
    return result


@pytest.mark.parametrize("name", FLEETS)
def test_where_the_scheduler_says_yes_only_spread_makes_us_say_no(name: str) -> None:
    ours = [pair.ours for pair in pairs(name) if pair.theirs.fits and pair.ours is not None]
    assert [words for words in ours if not words.startswith(SPREAD)] == []


@pytest.mark.parametrize("name", FLEETS)
def test_where_it_says_no_we_say_yes_only_if_the_filter_is_not_modelled(name: str) -> None:
    wrong = {id(pair) for pair in pairs(name) if not pair.theirs.fits and pair.ours is None}
    beyond = {id(pair) for pair in pairs(name) if not pair.theirs.fits and pair.not_modelled and not _spread(pair)}
    assert wrong == beyond


def _spread(pair: Pair) -> bool:
    return pair.ours is not None and pair.ours.startswith(SPREAD)


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("roomy", {(True, None): 152, (True, SPREAD): 11, (False, None): 68}),
        ("tight", {(True, None): 36, (True, SPREAD): 3, (False, None): 13}),
    ],
)
def test_how_often_each_happens(name: str, answers: dict[tuple[bool, str | None], int]) -> None:
    """So that the tables above cannot become empty unnoticed."""
    seen = Counter((pair.theirs.fits, SPREAD if _spread(pair) else pair.ours) for pair in pairs(name))
    assert {key: seen[key] for key in answers} == answers


@pytest.mark.parametrize("name", FLEETS)
def test_spread_refuses_exactly_what_breaks_it(name: str) -> None:
    record = recording(name)
    relations = index(record.snapshot)
    for pair in pairs(name):
        if pair.theirs.fits:
            vmi = record.vms[pair.theirs.vm]
            assert _spread(pair) is any(
                _breaks(rule, vmi, pair.theirs.node, record.snapshot, relations) for rule in _rules(vmi, relations)
            ), pair


def _rules(vmi: VMI, relations: Index) -> list[SpreadConstraint]:
    pod = relations.source_pod(vmi)
    assert pod is not None
    return [rule for rule in pod.spec.topology_spread_constraints if rule.when_unsatisfiable == "DoNotSchedule"]


def _breaks(rule: SpreadConstraint, vmi: VMI, node: str, snapshot: Snapshot, relations: Index) -> bool:
    """Counted in the plainest way: everybody else where they are, the VM on the target."""
    counts = _counts(rule, vmi, snapshot, relations)
    target, source = (snapshot.nodes["", name].labels[rule.topology_key] for name in (node, vmi.node))
    return counts[target] + 1 - min(counts.values()) > rule.max_skew and counts[target] > counts[source]


def _counts(rule: SpreadConstraint, vmi: VMI, snapshot: Snapshot, relations: Index) -> Counter[str]:
    own, vm_class = relations.source_pod(vmi), fleet.class_of(vmi, snapshot, relations)
    assert rule.label_selector is not None
    assert vm_class is not None
    wanted = rule.label_selector.matches
    nodes = [pod.node for pod in snapshot.pods.values() if pod is not own and wanted(pod.metadata.labels)]
    counts: Counter[str] = Counter()
    for node in snapshot.nodes.values():
        refusals = {check.name for check in checks.CHECKS if check.refuses(vm_class, node) is not None}
        tainted = "Taint" in refusals and rule.node_taints_policy == "Honor"
        if not tainted and not refusals & {"NodeSelector", "NodeAffinity"}:
            counts[node.labels[rule.topology_key]] += nodes.count(node.name)
    return counts
