"""What keeps a plan as a whole from starting, and what is said beside it."""

from collections.abc import Callable
from typing import Any

import pytest

from drover.api.reasons import FindingReason
from drover.api.shared import Finding
from tests.builders import (
    NOW,
    ClusterBuilder,
    a_cluster,
    a_crd,
    a_node,
    a_plan,
    a_record,
    a_report,
    a_vmi,
    an_attempt,
)
from tests.unit.running.rounds import a_round

NODES = [a_node(f"n{n}") for n in range(1, 6)]
PLAN = a_plan("p").evacuates("n1")


def scene(plan: Any, *parts: Any) -> ClusterBuilder:
    return a_cluster(*NODES, plan, *parts)


def selecting(**vms: Any) -> Any:
    return a_plan("p").evacuates("n1").running().spec(virtualMachines=vms)


def by_label(key: str) -> Any:
    return {"selector": {"matchLabels": {key: "yes"}}}


NEW = a_plan("p").spec(evacuate={"nodes": by_label("new"), "cordon": "Ignore"})
ROWS: list[tuple[str, str | None, str, Callable[[], ClusterBuilder]]] = [
    ("nothing", None, "", lambda: scene(PLAN)),
    ("no such node", "NodeNotFound", "no such node: n7, n8", lambda: scene(a_plan("p").evacuates("n1", "n8", "n7"))),
    ("a selector of no node", "NodeNotFound", "evacuate.nodes.selector matches no node", lambda: scene(NEW)),
    (
        "a node that went during the run",
        None,
        "",
        lambda: scene(a_plan("p").evacuates("n7").running(), a_vmi("web").on("n9")),
    ),
    (
        "more than a fifth of the nodes",
        "TooManyNodes",
        "the plan would empty 2 nodes of 5, and 1 are allowed",
        lambda: scene(a_plan("p").evacuates("n1", "n2")),
    ),
    ("as many as it may", None, "", lambda: scene(a_plan("p").evacuates("n1", "n2", maxNodes=2))),
    (
        "more than it may",
        "TooManyNodes",
        "the plan would empty 2 nodes of 5, and 1 are allowed",
        lambda: scene(a_plan("p").evacuates("n1", "n2", maxNodes=1)),
    ),
    (
        "targets that are not there",
        "TargetsNotFound",
        "no such node: n9",
        lambda: scene(going_to("n9")),
    ),
    ("one of the targets", "TargetsNotFound", "no such node: n9", lambda: scene(going_to("n2", "n9"))),
    (
        "a selector of no target",
        "TargetsNotFound",
        "targets.nodes.selector matches no node",
        lambda: scene(a_plan("p").evacuates("n1").spec(targets={"nodes": by_label("new")})),
    ),
    (
        "a node that must not be a target and is not there",
        "TargetsNotFound",
        "no such node: n9",
        lambda: scene(sparing(names=["n2", "n9"])),
    ),
    (
        "a node that must not be a target and went during the run",
        "TargetsNotFound",
        "no such node: n9",
        lambda: scene(sparing(names=["n9"]).running()),
    ),
    (
        "a selector of no node that must not be a target",
        "TargetsNotFound",
        "targets.exclude.selector matches no node",
        lambda: scene(sparing(**by_label("rak"))),
    ),
    ("a node that must not be a target", None, "", lambda: scene(sparing(names=["n2"]))),
    (
        "VMs by name that are not there",
        "NothingSelected",
        "no such VM: shop/db",
        lambda: scene(selecting(names=[{"namespace": "shop", "name": name} for name in ("web", "db")]), a_vmi("web")),
    ),
    (
        "a VM by name that has ended",
        "NothingSelected",
        "no such VM: shop/web",
        lambda: scene(selecting(names=[{"namespace": "shop", "name": "web"}]), a_vmi("web").phase("Succeeded")),
    ),
    (
        "a VM by name that was moved and has gone",
        None,
        "",
        lambda: scene(selecting(names=[{"namespace": "shop", "name": "web"}])).knows(
            a_report(PLAN, a_record("web", an_attempt(1)))
        ),
    ),
    (
        "a selector of no VM",
        "NothingSelected",
        "virtualMachines matches no VM",
        lambda: scene(selecting(selector={"matchLabels": {"app": "db"}}), a_vmi("web")),
    ),
    (
        "a selector of VMs elsewhere",
        None,
        "",
        lambda: scene(selecting(selector={"matchLabels": {"app": "db"}}), a_vmi("db").labelled(app="db").on("n2")),
    ),
    ("a namespace of VMs", None, "", lambda: scene(selecting(namespaces=["shop"]), a_vmi("web"))),
    (
        "no KubeVirt",
        "KubeVirtUnavailable",
        "KubeVirt is not installed: the API server does not serve kubevirts, vmis",
        lambda: scene(PLAN).absent("vmis", "kubevirts"),
    ),
    (
        "an old KubeVirt",
        "PinningUnsupported",
        "this KubeVirt's migrations have no spec.addedNodeSelector: a target cannot be chosen, so nothing is started",
        lambda: scene(PLAN).pinning(a_crd(can_pin=False)),
    ),
    (
        "a limit that is too high",
        "LimitClamped",
        "limits.total 9 is lowered to 5, limits.perSource 3 is lowered to 2, KubeVirt's own",
        lambda: scene(a_plan("p").evacuates("n1").spec(limits={"total": 9, "perSource": 3})),
    ),
    (
        "nodes that the goal means now and the run does not",
        "RunIsFixed",
        "evacuate.nodes now also means n2; this run keeps the nodes it started with",
        lambda: scene(a_plan("p").evacuates("n1").running().evacuates("n1", "n2")),
    ),
    (
        "nodes that the goal does not mean any more and the run does",
        "RunIsFixed",
        "evacuate.nodes does not mean n2 any more; this run keeps the nodes it started with",
        lambda: scene(a_plan("p").evacuates("n1", "n2", maxNodes=2).running().evacuates("n1")),
    ),
    (
        "nodes that the goal does not mean any more, and the run is over",
        None,
        "",
        lambda: scene(a_plan("p").evacuates("n1", "n2", maxNodes=2).running(finished=NOW).evacuates("n1")),
    ),
    (
        "a source that is not cordoned",
        "SourceSchedulable",
        "not cordoned, so that new pods would come while VMs leave: n1",
        lambda: scene(a_plan("p").evacuates("n1", cordon="Require")),
    ),
    ("one that we cordon", None, "", lambda: scene(a_plan("p").evacuates("n1", cordon="Apply"))),
    (
        "a write that was refused",
        "Refused",
        "cordon n1: Forbidden: a policy",
        lambda: scene(a_plan("p").evacuates("n1", cordon="Apply").running()).refused(
            "cordon n1", "Forbidden", "a policy"
        ),
    ),
]


def going_to(*nodes: str) -> Any:
    return a_plan("p").evacuates("n1").spec(targets={"nodes": {"names": list(nodes)}})


def sparing(**nodes: Any) -> Any:
    return a_plan("p").evacuates("n1").spec(targets={"exclude": nodes})


def findings(cluster: ClusterBuilder) -> tuple[Finding, ...]:
    return a_round(cluster).plan().findings


@pytest.mark.parametrize(("reason", "message", "cluster"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_finding(reason: str | None, message: str, cluster: Callable[[], ClusterBuilder]) -> None:
    found = findings(cluster())
    assert [(each.reason, each.message) for each in found] == ([(reason, message)] if reason else [])
    assert all(each.suggestion for each in found)


def test_every_finding_of_a_plan_is_reached() -> None:
    """Those about single VMs are in the table of waits, those about nodes in that of maintenances; budgets have their
    own, and what is proven to lack room is a matter of the status."""
    others = {"NotMigratable", "NotRunning", "NoEligibleTarget", "NoRoom", "RetriesSpent", "VerificationFailed"}
    others |= {"QuotaExceeded", "DisruptionBudget", "HandlerSilent"}
    maintenances = {"LastNode", "NameTaken"}
    told = (
        {each.value for each in FindingReason}
        - others
        - maintenances
        - {"CapacityShort", "TargetUncertain", "MakesRoom"}
    )
    assert {row[1] for row in ROWS} - {None} == told


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("no such node", "Blocker"),
        ("one of the targets", "Warning"),
        ("targets that are not there", "Blocker"),
        ("a node that must not be a target and is not there", "Blocker"),
        ("a node that must not be a target and went during the run", "Warning"),
        ("a selector of no node that must not be a target", "Warning"),
        ("a limit that is too high", "Info"),
        ("a write that was refused", "Warning"),
        ("nodes that the goal means now and the run does not", "Warning"),
    ],
)
def test_how_much_a_finding_matters(name: str, severity: str) -> None:
    cluster = next(row[3] for row in ROWS if row[0] == name)()
    assert [each.severity for each in findings(cluster)] == [severity]


def test_nodes_are_resolved_once() -> None:
    """Relabelling a node widens no run that has begun; a further run means it."""
    started = a_plan("p").evacuates("n1").running().evacuates("n1", "n2", maxNodes=2)
    cluster = scene(started, a_vmi("web").on("n2"))
    assert a_round(cluster).plan().virtual_machines == ()
    again = scene(started.spec(runID="2"), a_vmi("web").on("n2"))
    run = a_round(again).plan().run
    assert run is not None
    assert (run.id, run.resolved_nodes) == ("2", ("n1", "n2"))


def test_a_run_begins_when_nothing_holds_it_and_our_finalizer_is_on() -> None:
    assert a_round(scene(PLAN)).plan().run is None
    finalized = a_plan("p").evacuates("n1").finalized()
    assert a_round(scene(finalized)).plan().run is not None
    assert a_round(scene(a_plan("p").evacuates("n1").finalized().paused())).plan().run is None
    assert a_round(scene(a_plan("p").evacuates("n7").finalized())).plan().run is None
