"""Our answers beside a real scheduler's: none differs, and a no has the reason that the scheduler gives."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache

import pytest

from drover.facts.index import Index, index
from drover.facts.kubevirt import VMI
from drover.facts.podspec import SpreadConstraint
from drover.facts.snapshot import Snapshot
from drover.planning.barred import bars
from drover.planning.checks import chain
from drover.planning.checks.check import Answer, Verdict
from drover.planning.judging import judge
from drover.planning.site import survey
from tests.unit.planning import recorded
from tests.unit.planning.recorded import recording

FLEETS = ("roomy", "tight")
PLUGINS = {
    "node(s) were unschedulable": "NodeUnschedulable",
    "node(s) had untolerated taint(s)": "TaintToleration",
    "node(s) didn't match Pod's node affinity/selector": "NodeAffinity",
    "node(s) didn't match pod affinity rules": "InterPodAffinity",
    "node(s) didn't match pod anti-affinity rules": "InterPodAffinity",
    "node(s) didn't satisfy existing pods anti-affinity rules": "InterPodAffinity",
    "Insufficient cpu": "NodeResourcesFit",
    "Insufficient memory": "NodeResourcesFit",
    "Insufficient hugepages-2Mi": "NodeResourcesFit",
    "Too many pods": "NodeResourcesFit",
}
"""What the scheduler calls its filters' refusals."""


@dataclass(frozen=True)
class Pair:
    """The scheduler's verdict, and ours."""

    theirs: recorded.Verdict
    ours: Verdict

    @property
    def spread(self) -> bool:
        """Whether nothing but the VM's topology spread is in the way, which the pin keeps the scheduler from seeing."""
        return self.ours.check == "Spread"


@cache
def pairs(name: str) -> list[Pair]:
    record = recording(name)
    relations = index(record.snapshot)
    result = []
    for verdict in record.verdicts:
        vmi = record.vms[verdict.vm]
        result.append(Pair(verdict, judge(vmi, verdict.node, bars(vmi, relations, ()), record.snapshot, relations)))
    return result


@pytest.mark.parametrize("name", FLEETS)
def test_we_say_what_the_scheduler_says(name: str) -> None:
    differing = [
        pair
        for pair in pairs(name)
        if not pair.spread and pair.ours.answer != (Answer.YES if pair.theirs.fits else Answer.NO)
    ]
    assert differing == []


@pytest.mark.parametrize("name", FLEETS)
def test_where_it_says_no_we_never_have_spread_for_a_reason(name: str) -> None:
    assert [pair for pair in pairs(name) if pair.spread and not pair.theirs.fits] == []


@pytest.mark.parametrize("name", FLEETS)
def test_a_no_has_the_reason_that_the_scheduler_names(name: str) -> None:
    """Its message counts over all nodes: the others fail on the pin unless one of two filters before that refuses."""
    record = recording(name)
    relations = index(record.snapshot)
    ground = survey.build(record.snapshot, relations, {})
    for pair in pairs(name):
        if not pair.theirs.fits:
            found = survey.guest(record.vms[pair.theirs.vm], record.snapshot, relations, ground.position)
            assert found is not None
            expected = Counter({pair.ours.plugin: 1})
            for n, node in enumerate(ground.nodes):
                if node.name != pair.theirs.node:
                    code = int(chain.static(found.vm_class, ground.classes)[n])
                    first = chain.CHECKS[code - 1].plugin if code > 0 else ""
                    expected[first if first in ("NodeUnschedulable", "TaintToleration") else "NodeAffinity"] += 1
            assert told(pair.theirs.message) == expected, pair


def told(message: str) -> Counter[str]:
    """How many nodes each plugin refuses, by the scheduler's message. A node that is short of two resources is counted
    for both, which the plugin is not."""
    counts: Counter[str] = Counter()
    fit: list[int] = []
    for count, reason in re.findall(r"(\d+) (.+?)(?:, |\. )", message.split(" are available: ")[1]):
        plugin = PLUGINS.get(reason)
        if plugin == "NodeResourcesFit":
            fit.append(int(count))
        elif plugin is not None:
            counts[plugin] += int(count)
    if fit:
        counts["NodeResourcesFit"] = max(fit)
    return counts


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        (
            "roomy",
            {
                (True, ""): 152, (True, "Spread"): 11,
                (False, "InterPodAffinity"): 72, (False, "NodeAffinity"): 110, (False, "NodeResourcesFit"): 23,
                (False, "NodeUnschedulable"): 39, (False, "TaintToleration"): 66,
            },
        ),
        (
            "tight",
            {
                (True, ""): 36, (True, "Spread"): 3,
                (False, "InterPodAffinity"): 13, (False, "NodeAffinity"): 81, (False, "NodeResourcesFit"): 205,
                (False, "NodeUnschedulable"): 37, (False, "TaintToleration"): 54,
            },
        ),
    ],
)  # fmt: skip
def test_how_often_each_happens(name: str, answers: dict[tuple[bool, str], int]) -> None:
    """So that the tables above cannot become empty unnoticed."""
    seen = Counter((pair.theirs.fits, "Spread" if pair.spread else pair.ours.plugin) for pair in pairs(name))
    assert seen == answers


@pytest.mark.parametrize("name", FLEETS)
def test_spread_refuses_exactly_what_breaks_it(name: str) -> None:
    record = recording(name)
    relations = index(record.snapshot)
    for pair in pairs(name):
        if pair.theirs.fits:
            vmi = record.vms[pair.theirs.vm]
            assert pair.spread is any(
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
    own, ground = relations.source_pod(vmi), survey.build(snapshot, relations, {})
    vm_class = survey.class_of(vmi, snapshot, relations)
    assert rule.label_selector is not None
    assert vm_class is not None
    wanted = rule.label_selector.matches
    nodes = [pod.node for pod in snapshot.pods.values() if pod is not own and wanted(pod.metadata.labels)]
    counts: Counter[str] = Counter()
    for node in ground.nodes:
        asked = {check.name: check.asks(vm_class, node) for _, check in chain.NODE_CHECKS}
        tainted = asked["Taint"] is not None and rule.node_taints_policy == "Honor"
        if not tainted and asked["NodeSelector"] is None and asked["NodeAffinity"] is None:
            counts[node.labels[rule.topology_key]] += nodes.count(node.name)
    return counts
