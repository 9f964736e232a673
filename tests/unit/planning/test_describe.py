"""Sets of nodes and certificates in words: short, and true of exactly the nodes they mean."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drover.planning.certificate.certify import certify
from drover.planning.certificate.describe import LONGEST, describe
from drover.planning.certificate.question import Question
from drover.planning.certificate.words import in_words
from tests.unit.planning.questions import GI, a_question

ZONE, MODEL, ROLE = "topology.kubernetes.io/zone", "host-model-cpu.node.kubevirt.io/", "node-role.kubernetes.io/"


def a_fleet(*kinds: tuple[int, dict[str, str]]) -> dict[str, dict[str, str]]:
    """So many nodes with these labels, named n00, n01 and so on."""
    every = [labels for count, labels in kinds for _ in range(count)]
    return {f"n{n:02}": {"kubernetes.io/hostname": f"n{n:02}", **labels} for n, labels in enumerate(every)}


def names(first: int, last: int) -> list[str]:
    return [f"n{n:02}" for n in range(first, last)]


TWO_ZONES = a_fleet((5, {ZONE: "a"}), (5, {ZONE: "b"}))
POOLS = a_fleet((4, {ZONE: "a", "pool": "x"}), (4, {ZONE: "a", "pool": "y"}), (4, {ZONE: "b", "pool": "x"}))


@pytest.mark.parametrize(
    ("nodes", "labels", "words"),
    [
        (names(0, 1), TWO_ZONES, "node n00"),
        (names(0, 2), TWO_ZONES, "nodes n00 and n01"),
        (names(0, 3), TWO_ZONES, "nodes n00, n01 and n02"),
        (names(0, 10), TWO_ZONES, "all 10 nodes"),
        (names(0, 3), a_fleet((3, {})), "nodes n00, n01 and n02"),
        (names(5, 10), TWO_ZONES, "nodes with zone=b (5 nodes)"),
        (names(5, 9), TWO_ZONES, "4 of 5 nodes with zone=b"),
        (names(3, 8), TWO_ZONES, "5 of 10 nodes (n03, n04, n05 and 2 more)"),
        (names(0, 4), POOLS, "nodes with zone=a and pool=x (4 nodes)"),
        (names(4, 8), POOLS, "nodes with pool=y (4 nodes)"),
        (names(8, 12), POOLS, "nodes with zone=b (4 nodes)"),
        (names(0, 4), a_fleet((4, {ZONE: "a", "disk": "ssd"}), (1, {})), "nodes with zone=a (4 nodes)"),
        (names(0, 4), a_fleet((4, {MODEL + "Skylake": "true"}), (1, {})), "nodes with CPU model Skylake (4 nodes)"),
        (names(0, 4), a_fleet((4, {ROLE + "gpu": ""}), (1, {})), "nodes with role gpu (4 nodes)"),
        (
            names(0, 4),
            a_fleet((4, {"cpu-feature.node.kubevirt.io/vmx": "true"}), (1, {})),
            "4 of 5 nodes (n00, n01, n02 and 1 more)",
        ),
    ],
)
def test_nodes_in_words(nodes: Sequence[str], labels: dict[str, dict[str, str]], words: str) -> None:
    assert describe(nodes, labels) == words


def test_a_description_is_not_long() -> None:
    labels = a_fleet(
        (4, {"k" * 60: "v" * 60, ZONE: "z" * 60, "pool": "p" * 60}), (1, {ZONE: "z" * 60, "pool": "p" * 60})
    )
    long = labels | {"n99": {"k" * 60: "v" * 60, ZONE: "z" * 60}, "n98": {"k" * 60: "v" * 60, "pool": "p" * 60}}
    assert len(describe(names(0, 4), long)) < LONGEST + 40


@given(
    st.lists(
        st.fixed_dictionaries({}, optional={ZONE: st.sampled_from("ab"), "pool": st.sampled_from("xy")}), min_size=4
    ),
    st.data(),
)
def test_what_is_said_is_true_of_these_nodes_only(kinds: list[dict[str, str]], data: st.DataObject) -> None:
    labels = a_fleet(*((1, kind) for kind in kinds))
    nodes = data.draw(st.sets(st.sampled_from(sorted(labels)), min_size=4))
    words = describe(nodes, labels)
    said = dict(re.findall(r"(zone|pool)=(\w)", words))
    alike = {n for n, has in labels.items() if all(has.get(ZONE if k == "zone" else k) == v for k, v in said.items())}
    assert nodes <= alike
    if words.startswith("nodes with"):
        assert alike == nodes
    if len(nodes) < len(labels):
        counts = [int(number) for number in re.findall(r"\b\d+\b", words.partition(" (n")[0])]
        assert counts == ([len(nodes)] if alike == nodes else [len(nodes), len(alike)])


def zone(name: str, nodes: int, memory: int) -> dict[str, list[int]]:
    return {f"{name}{n:02}": [memory * GI, 99000] for n in range(nodes)}


IN_B = " ".join(zone("b", 12, 0))
FLEET = {**zone("a", 4, 80), **zone("b", 12, 72)}
RESOURCES = ("guest memory", "cpu")
NEEDS_MORE = a_question((122, [8 * GI, 100], IN_B), (40, [8 * GI, 100], "*"), free=FLEET, resources=RESOURCES)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (a_question((1, [GI, 1], "*"), free=FLEET, resources=RESOURCES), ""),
        (a_question((1, [GI, 1], ""), free=FLEET, resources=RESOURCES), ""),
        (
            NEEDS_MORE,
            "nodes with zone=b (12 nodes) lack 112.0 GiB of guest memory for 14 of the 122 VMs that fit nowhere else",
        ),
        (
            a_question((122, [8 * GI, 100], IN_B), free=FLEET, resources=RESOURCES),
            "nodes with zone=b (12 nodes) lack 112.0 GiB of guest memory",
        ),
        (
            a_question((2, [96 * GI, 100], IN_B), free=FLEET, resources=RESOURCES),
            "nodes with zone=b (12 nodes) lack 192.0 GiB of guest memory in pieces of 96.0 GiB "
            "(none has more than 72.0 GiB free)",
        ),
        (
            a_question((2, [96 * GI, 1], IN_B), (1, [99 * GI, 1], IN_B), free={node: [0, 9] for node in IN_B.split()}),
            "nodes with zone=b (12 nodes) lack 291.0 GiB of memory in pieces of 96.0 GiB to 99.0 GiB "
            "(none has any free)",
        ),
        (
            a_question((10, [GI, 10000], "a00"), free=FLEET, resources=RESOURCES),
            "node a00 lacks 10 cores in pieces of 10 cores",
        ),
        (
            a_question(*((2, [73 * GI, 1], f"b{n:02}") for n in range(5)), free=FLEET, resources=RESOURCES),
            "; ".join(
                f"node b{n:02} lacks 146.0 GiB of guest memory in pieces of 73.0 GiB "
                "(it has only 72.0 GiB free) for 2 of the 2 VMs that fit nowhere else"
                for n in range(3)
            )
            + "; and so on, in 2 more groups of nodes",
        ),
    ],
)
def test_a_certificate_in_words(question: Question, words: str) -> None:
    labels = {node: {ZONE: node[0]} for node in FLEET}
    assert in_words(certify(question), labels) == words
