"""The planner's verdict beside the real kube-scheduler's, on random fleets.

A longer run, with other seeds: `python -m tests.integration.planning --seed 7 --fleets 40`.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from random import Random

import pytest

from drover.facts.index import index
from drover.facts.kubevirt import HOSTNAME
from tests.integration.planning.adapter import Answer, judge, snapshot_of
from tests.integration.planning.comparing import Tally, compare
from tests.integration.planning.fleets.concerns import CONCERNS, alone, together
from tests.integration.planning.fleets.draft import VM, Object, drafted
from tests.integration.planning.fleets.spreading import unspread
from tests.integration.planning.oracle import Oracle
from tests.integration.planning.skew import Skew
from tests.integration.planning.target import target_pod

pytestmark = pytest.mark.anyio

SEED = 1
ENOUGH = 200
"""Pairs of each verdict that a filter has to decide alone."""
MOST_FLEETS = 6
MIXED_PAIRS = 5_000
SPREAD_FLEETS = 2
SHOWN = 20


@pytest.mark.parametrize("name", [pytest.param(name, id=name.replace(" ", "-")) for name in CONCERNS])
async def test_a_filter_that_decides_alone(
    oracle: Oracle, name: str, record_property: Callable[[str, object], None]
) -> None:
    concern, tally = CONCERNS[name], Tally()
    for number in range(MOST_FLEETS):
        tally.add(await compare(oracle, alone(name, SEED, number), concern))
        if tally.least(concern.plugin) >= ENOUGH:
            break
    record_property("measured", f"{name}: {tally}")
    assert tally.least(concern.plugin) >= ENOUGH, str(tally)
    _check(tally)


async def test_all_filters_together(oracle: Oracle, record_property: Callable[[str, object], None]) -> None:
    names, tally, number = tuple(CONCERNS), Tally(), 0
    while tally.pairs < MIXED_PAIRS:
        tally.add(await compare(oracle, together(names, SEED, number)))
        number += 1
    record_property("measured", f"{len(names)} together: {tally}")
    silent = {CONCERNS[name].plugin for name in names} - set(tally.named)
    assert not silent, f"these filters never said no: {silent}"
    assert tally.pairs // 10 < tally.fits < tally.pairs * 9 // 10
    _check(tally)


def _check(tally: Tally) -> None:
    assert tally.unknown * 100 <= tally.pairs, f"{tally.unknown} of {tally.pairs} verdicts are unknown"
    shown = "\n".join(str(each) for each in tally.disagreements[:SHOWN])
    assert not tally.disagreements, f"{len(tally.disagreements)} of {tally.pairs} pairs:\n{shown}"
    assert not tally.misnamed, "\n".join(tally.misnamed[:SHOWN])


async def test_where_nothing_is_asked_for_a_vm_fits_everywhere_but_where_it_is(oracle: Oracle) -> None:
    draft = drafted(Random(SEED), "plain", dose=1, nodes=4, vms=3, others=3)
    async with oracle.holding(draft):
        heard = await oracle.ask([target_pod(vm, draft.node(vm.source), vm.name) for vm in draft.vms])
    assert [each.fits for each in heard] == [draft.others(vm) for vm in draft.vms]


async def test_pods_that_ask_take_nothing_from_each_other(oracle: Oracle) -> None:
    """Each node has room for one more pod, and everybody is told so."""
    draft = drafted(Random(SEED), "full", dose=1, nodes=4, vms=8, others=0)
    for node in draft.nodes:
        here = [vm for vm in draft.vms if vm.source == node["metadata"]["name"]]
        node["status"]["allocatable"]["pods"] = str(len(here) + 1)
    async with oracle.holding(draft):
        heard = await oracle.ask([target_pod(vm, draft.node(vm.source), vm.name) for vm in draft.vms])
    assert [each.fits for each in heard] == [draft.others(vm) for vm in draft.vms]


async def test_a_vm_may_go_where_its_end_is_fine_or_no_worse(oracle: Oracle) -> None:
    """A plain count says what the scheduler says where the source pod is ending, and what we say where it runs."""
    stays = 0
    for number in range(SPREAD_FLEETS):
        draft = alone("spread", SEED + 1, number)
        async with oracle.holding(draft) as objects:
            nodes = {node["metadata"]["name"]: node for node in objects["nodes"]}
            probes = [target_pod(vm, nodes[vm.source], f"probe-{vm.name}") for vm in draft.vms]
            heard = await oracle.ask(probes)
            free = await oracle.ask([unspread(probe) for probe in probes])
        for vm, probe, theirs, unbound in zip(draft.vms, probes, heard, free, strict=True):
            skew = Skew(probe, objects["nodes"], objects["pods"])
            elsewhere = unbound.fits & draft.others(vm)
            fine = {name for name in elsewhere if not skew.breaks(nodes[name])}
            no_worse = {name for name in elsewhere if not skew.breaks_more(nodes[name], nodes[vm.source])}
            assert theirs.fits & elsewhere == fine, f"{draft.key} {vm.name}"
            named = {name for name, node in nodes.items() if HOSTNAME in node["metadata"]["labels"]}
            assert _ours(vm, objects) == no_worse & named, f"{draft.key} {vm.name}"
            stays += len(no_worse - fine)
    assert stays > 50, "it hardly ever mattered where the VM is"


def _ours(vm: VM, objects: Mapping[str, Sequence[Object]]) -> set[str]:
    """Where the planner lets the VM go while its source pod runs on."""
    pods = [
        _running(pod) if pod["metadata"]["name"] == vm.launcher["metadata"]["name"] else pod for pod in objects["pods"]
    ]
    snapshot = snapshot_of({**objects, "pods": pods, "vmis": [vm.vmi]})
    verdicts = judge(next(iter(snapshot.vmis.values())), snapshot, index(snapshot))
    return {name for name, ours in verdicts.items() if ours.answer is Answer.YES}


def _running(pod: Object) -> Object:
    pod = copy.deepcopy(pod)
    pod["metadata"].pop("deletionTimestamp", None)
    return pod
