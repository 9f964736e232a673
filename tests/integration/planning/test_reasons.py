"""Reading what the scheduler says."""

import pytest

from tests.integration.planning.reasons import plugin_of, reasons


@pytest.mark.parametrize(
    ("message", "counted"),
    [
        ("0/3 nodes are available: 3 Too many pods.", {"Too many pods": 3}),
        (
            "0/17 nodes are available: 1 Insufficient devices.kubevirt.io/kvm, 12 asked, 4 node(s) were unschedulable.",
            {"Insufficient devices.kubevirt.io/kvm": 1, "asked": 12, "node(s) were unschedulable": 4},
        ),
        ("0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible.", {"Insufficient cpu": 1}),
        ('0/7 nodes are available: persistentvolume "pv" not found.', {'persistentvolume "pv" not found': 7}),
    ],
)
def test_reasons_are_counted(message: str, counted: dict[str, int]) -> None:
    assert reasons(message) == counted


@pytest.mark.parametrize("message", ["", "0/3 nodes are available: it is Sunday.", "Insufficient cpu"])
def test_what_counts_nothing_is_no_verdict(message: str) -> None:
    with pytest.raises(ValueError, match="not a verdict"):
        reasons(message)


def test_a_reason_belongs_to_one_filter() -> None:
    assert plugin_of("Insufficient memory") == "NodeResourcesFit"
    assert plugin_of("node(s) had untolerated taint(s)") == "TaintToleration"
    with pytest.raises(ValueError, match="no known filter"):
        plugin_of("node(s) were dreamt of")
