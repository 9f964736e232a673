"""fleet.yaml and maintenance.yaml mean what the demo's check takes them for."""

import pytest

from demo import cast, fleet
from tests.unit.virtsim.transfers import alone
from virtsim.fleet import spec, vms
from virtsim.objects import quantity
from virtsim.virt_handler.transfer.job import Terms

LINK = 1.25e9


@pytest.fixture(scope="module")
def read() -> spec.Fleet:
    return spec.read(fleet.FLEET)


def vms_on_the_node(read: spec.Fleet) -> set[str]:
    return {"/".join(key) for key, node in vms.placements(read).items() if node == fleet.NODE}


def test_it_has_12_nodes_and_120_vms(read: spec.Fleet) -> None:
    assert [name for group in read.nodes for name in spec.names(group)] == cast.node_names()
    assert len(cast.node_names()) == 12
    assert len(vms.keys_of(read)) == len(vms.placements(read)) == 120


def test_the_node_has_a_dozen_vms_the_immovable_ones_among_them(read: spec.Fleet) -> None:
    there = vms_on_the_node(read)
    assert there > set(fleet.IMMOVABLE)
    assert 10 <= len(there - set(fleet.IMMOVABLE)) <= 12


def test_the_immovable_ones_are_so_for_the_reasons_given(read: spec.Fleet) -> None:
    groups = {f"{group.namespace}/{group.name}": group for group in read.virtual_machines}
    assert {name for name, group in groups.items() if group.not_migratable} == {"shop/legacy-db"}
    assert {name: group.node_selector for name, group in groups.items() if group.node_selector} == {
        "shop/licence-server": {"kubernetes.io/hostname": fleet.NODE}
    }


def test_one_is_very_busy_and_converges(read: spec.Fleet) -> None:
    """On its half of the link, which two share: much longer than the others there, and not minutes."""
    there = vms_on_the_node(read) - set(fleet.IMMOVABLE)
    seconds = {}
    for vmi in vms.render(read):
        name = f"{vmi['metadata']['namespace']}/{vmi['metadata']['name']}"
        rate = float(quantity.parse(vmi["metadata"]["annotations"]["virtsim.drover.dev/dirty-rate"]))
        memory = int(quantity.parse(vmi["spec"]["domain"]["memory"]["guest"]))
        job = alone(Terms(memory, memory, rate), LINK / 2)
        assert job.succeeded
        if name in there:
            seconds[name] = job.at / fleet.SPEED_UP
    busiest = max(seconds, key=lambda name: seconds[name])
    assert busiest == "shop/analytics"
    assert 2 * max(took for name, took in seconds.items() if name != busiest) < seconds[busiest] < 60


def test_limits_are_those_of_the_file() -> None:
    assert fleet.limits() == fleet.Limits(total=5, per_source=2, per_target=2)


def test_the_maintenance_is_of_the_node() -> None:
    assert fleet.maintenance()["metadata"]["name"] == fleet.maintenance()["spec"]["nodeName"] == fleet.NODE
    other = fleet.maintenance("worker-03")
    assert other["metadata"]["name"] == other["spec"]["nodeName"] == "worker-03"
