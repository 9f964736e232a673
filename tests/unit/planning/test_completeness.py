"""A plan is the same for the same facts, leaves nobody behind where there is a way, and room never harms."""

import os
import subprocess
import sys
from copy import deepcopy
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from drover.facts.kubevirt import HOSTNAME
from drover.facts.snapshot import Snapshot
from drover.planning.proposing import propose
from tests.builders import NodeBuilder, VMIBuilder, a_node, a_plan, a_vmi
from tests.examples import examples
from tests.unit.planning.crowded import Crowd, crowds
from tests.unit.planning.exhaustive import a_way
from tests.unit.planning.scene import a_scene


def left_behind(crowd: Crowd) -> list[str]:
    scene = crowd.scene()
    goal = crowd.goal(scene)
    return sorted(propose([goal], scene.snapshot, {}, {})[goal.plan.uid].refused)


@settings(max_examples=examples(60))
@given(crowds(vms=5))
def test_nobody_is_left_behind_where_there_is_a_way_for_all(crowd: Crowd) -> None:
    if left_behind(crowd):
        scene = crowd.scene()
        movers = [vmi.uid for vmi in crowd.goal(scene).vmis]
        assert a_way(scene.snapshot, movers, crowd.sources) is None


@settings(max_examples=examples(60))
@given(crowds(vms=5), st.integers(0, 4), st.sampled_from(["a0", "n1x", "z9"]))
def test_one_more_empty_node_leaves_nobody_behind(crowd: Crowd, which: int, name: str) -> None:
    """One like another, whatever its place in the order of names; but where VMs are spread by host it is a domain in
    which fewest are, and may rightly forbid all others."""
    if any(rule["topologyKey"] == HOSTNAME for vm in guests(crowd) for rule in spread(vm)) or left_behind(crowd):
        return
    nodes = [part for part in crowd.parts if isinstance(part, NodeBuilder)]
    more = deepcopy(nodes[which % len(nodes)]).set("metadata.name", name).labelled({HOSTNAME: name})
    assert left_behind(crowd.with_parts(more.with_uid(f"{name}-uid"))) == []


def guests(crowd: Crowd) -> list[VMIBuilder]:
    return [part for part in crowd.parts if isinstance(part, VMIBuilder)]


def spread(vm: VMIBuilder) -> list[dict[str, str]]:
    found: list[dict[str, str]] = vm.pod.json["spec"].get("topologySpreadConstraints", [])
    return found


@given(crowds(), st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_known_changes_nothing(crowd: Crowd, chance: Random) -> None:
    scene = crowd.scene()
    goal = crowd.goal(scene)
    again = propose([goal], shuffled(scene.snapshot, chance), {}, {}, crowd.reserve)
    assert again == propose([goal], scene.snapshot, {}, {}, crowd.reserve)


def shuffled(snapshot: Snapshot, chance: Random) -> Snapshot:
    fields = {}
    for name in snapshot.__dataclass_fields__:
        value = getattr(snapshot, name)
        if hasattr(value, "items"):
            value = dict(chance.sample(sorted(value.items()), len(value)))
        fields[name] = value
    return Snapshot(**fields)


def a_fixed_plan() -> str:
    """Of a fleet in which VMs mind each other in many ways, as JSON."""
    nodes = [a_node(f"n{n}").labelled(zone="abc"[n % 3]).memory(f"{9 + n % 5}Gi") for n in range(9)]
    vms = [a_vmi(f"v{n}").on(f"n{n % 2}").memory(f"{1 + n % 3}Gi") for n in range(14)]
    for n, vm in enumerate(vms):
        vm.pod.labelled(app="xyz"[n % 3])
        if n % 4 == 0:
            vm.pod.spreads("zone", {"app": "xyz"[n % 3]}, 2)
        if n % 5 == 1:
            term = {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": {"app": "xyz"[n % 3]}}}
            required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
            vm.set("spec.affinity", {"podAntiAffinity": required})
    scene = a_scene(*nodes, *vms)
    goal = scene.goal(a_plan("p").evacuates("n0", "n1"), *(vm.name for vm in vms), sources=("n0", "n1"))
    found = scene.propose(goal)["p"]
    return msgspec.json.encode([found.hash, list(found.assignments.values()), list(found.refused.values())]).decode()


def test_the_seed_of_hashes_changes_nothing() -> None:
    script = f"from {__name__} import a_fixed_plan; print(a_fixed_plan())"
    said = set()
    for seed in ("0", "1", "77"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        run = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        said.add(run.stdout.strip())
    assert said == {a_fixed_plan()}
