"""Who is in which domain, and what pods take of nodes: told quickly, beside the plain way."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drover.facts.node import Node
from drover.planning.demand.vmclass import GUEST_MEMORY
from drover.planning.site.fleet import MOST
from drover.planning.site.presence import FEW, Presence
from drover.planning.site.sums import Sums
from drover.planning.site.topology import Domains, Topology
from tests.builders import a_node

NAMES = ("cpu", "hugepages-1Gi", "memory", GUEST_MEMORY)


def a_fleet(zones: list[int | None]) -> list[Node]:
    built = [
        a_node(f"n{n}") if zone is None else a_node(f"n{n}").labelled(zone=str(zone)) for n, zone in enumerate(zones)
    ]
    return [node.build() for node in built]


fleets = st.one_of(
    st.lists(st.sampled_from([None, 0, 1, 2]), max_size=8),
    st.integers(FEW, 3 * FEW).map(lambda many: [None, *range(many), 0, None, 1]),
).map(a_fleet)


def domains(nodes: list[Node]) -> Domains:
    return Topology(nodes).domains("zone")


@given(fleets)
def test_a_domain_has_the_nodes_with_its_label(nodes: list[Node]) -> None:
    found = domains(nodes)
    for number, name in enumerate(found.names):
        assert found.nodes(number).tolist() == [n for n, node in enumerate(nodes) if node.labels.get("zone") == name]
    assert list(found.numbers) == found.of.tolist()
    assert found.has.tolist() == ["zone" in node.labels for node in nodes]


@given(fleets, st.data())
def test_nodes_are_barred_where_more_came_than_left(nodes: list[Node], data: st.DataObject) -> None:
    """Also where, on the way, fewer than none are counted."""
    counted, come = Presence(domains(nodes), whole=True), dict[str, int]()
    places = st.lists(st.integers(0, len(nodes) - 1), max_size=2 * FEW) if nodes else st.just([])
    for where, change in data.draw(st.lists(st.tuples(places, st.sampled_from([1, 1, -1])), max_size=6)):
        counted.put(where, change)
        if data.draw(st.booleans()):
            counted.present()  # from now on it is kept as it changes
        for place in where:
            zone = nodes[place].labels.get("zone")
            if zone is not None:
                come[zone] = come.get(zone, 0) + change
    near = [come.get(node.labels.get("zone", ""), 0) > 0 for node in nodes]
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(nodes), max_size=len(nodes))), dtype=np.bool_)
    barred = mask.copy()
    counted.bar(barred)
    assert barred.tolist() == [was and not there for was, there in zip(mask.tolist(), near, strict=True)]
    assert counted.present().tolist() == near
    assert counted.anywhere() == any(near)


amounts = st.one_of(st.integers(-(1 << 40), 1 << 40), st.integers(0, 3).map(lambda n: n * (1 << 44) + 1))
beyond = st.sampled_from([1 << 62, 1 << 70, -(1 << 70), 10**400])


@given(st.data(), st.integers(0, 3), st.sampled_from([(), ("cpu",), NAMES]))
def test_what_pods_take_is_the_sum_of_what_each_takes(data: st.DataObject, nodes: int, names: tuple[str, ...]) -> None:
    """Some share what they request, of others it is gone as soon as it was told."""
    kinds = data.draw(st.lists(st.dictionaries(st.sampled_from([*NAMES[:3], "gpu"]), amounts), min_size=1, max_size=3))
    pods = st.tuples(st.integers(0, nodes - 1), st.integers(0, len(kinds) - 1), st.booleans(), amounts)
    sums, taken = Sums(nodes, names), [dict.fromkeys(names, 0) for _ in range(nodes)]
    for node, kind, anew, guest in data.draw(st.lists(pods, max_size=12)) if nodes else ():
        sums.add(node, dict(kinds[kind]) if anew else kinds[kind], guest)
        for name, amount in {**kinds[kind], GUEST_MEMORY: guest}.items():
            if name in names:
                taken[node][name] += amount
    assert sums.table().tolist() == [[each[name] for name in names] for each in taken]


@given(st.lists(beyond, min_size=1, max_size=4))
def test_no_amount_is_too_large_to_be_added(guests: list[int]) -> None:
    sums = Sums(1, NAMES)
    for guest in guests:
        sums.add(0, {"memory": guest}, guest)
    (row,) = sums.table().tolist()
    assert all(-MOST <= amount <= MOST for amount in row)
    if min(guests) > 0:
        assert row == [0, 0, MOST, MOST]
