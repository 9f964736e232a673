"""Who belongs to whom."""

from drover.facts.index import index
from drover.facts.kubevirt import HOSTNAME
from tests.builders import VMIBuilder, a_cluster, a_node, a_plan, a_pod, a_report, a_vmi, a_vmim, at


def a_moving_vm() -> VMIBuilder:
    vmi = a_vmi("web").on("n1")
    vmi.launcher(vmim=a_vmim("web", "m")).pods[1].on("n2")
    return vmi


def test_launchers_by_vm_by_migration_and_by_node() -> None:
    vmi = a_moving_vm()
    relations = index(a_cluster(a_node("n1"), a_node("n2"), vmi, a_pod("plain").on("n1")).snapshot())
    names = [pod.metadata.name for pod in relations.pods_of(vmi.build())]
    assert names == ["virt-launcher-web-0", "virt-launcher-web-1"]
    assert {uid: pod.node for uid, pod in relations.targets.items()} == {"m-uid": "n2"}
    assert {node: len(pods) for node, pods in relations.on_node.items()} == {"n1": 1, "n2": 1}
    assert [each.uid for each in relations.guests["n1"]] == [vmi.uid]


def test_terminal_pods_are_not_in_it() -> None:
    vmi = a_moving_vm()
    vmi.pods[0].phase("Succeeded")
    vmi.pods[1].phase("Failed")
    relations = index(a_cluster(vmi).snapshot())
    assert (relations.pods_of(vmi.build()), relations.targets, relations.on_node) == ([], {}, {})


def test_the_source_pod_is_the_newest_on_the_guests_node() -> None:
    vmi = a_vmi("web").on("n1").launcher(name="newer").launcher(name="elsewhere")
    vmi.pods[1].on("n1").created(at(-60))
    vmi.pods[2].on("n2").created(at(0))
    source = index(a_cluster(vmi).snapshot()).source_pod(vmi.build())
    assert source is not None
    assert source.metadata.name == "newer"
    vmi.set("status.nodeName", "n3")
    assert index(a_cluster(vmi).snapshot()).source_pod(vmi.build()) is None


def test_migrations_by_vm_while_in_flight_and_by_plan_for_ever() -> None:
    plan = a_plan("p")
    flying = a_vmim("web").of(plan, attempt=3).phase("Running")
    done, gone = a_vmim("web").of(plan, attempt=2).phase("Succeeded"), a_vmim("web").of(plan, attempt=1).phase("Failed")
    foreign = a_vmim("db").phase("Running")
    relations = index(a_cluster(flying, done, foreign).lost(gone, done).snapshot())
    in_flight = {key: [each.uid for each in vmims] for key, vmims in relations.in_flight.items()}
    assert in_flight == {("shop", "web"): [flying.uid], ("shop", "db"): [foreign.uid]}
    assert [each.attempt for each in relations.by_plan[plan.uid]] == [3, 2, 1]
    assert list(relations.by_plan) == [plan.uid]


def test_nodes_by_hostname_label() -> None:
    bare = a_node("n2").set("metadata.labels", {})
    relations = index(a_cluster(a_node("n1").labelled({HOSTNAME: "host-1"}), bare).snapshot())
    assert relations.hostnames == {"host-1": "n1", "n2": "n2"}


def test_a_label_counts_before_a_name_and_of_two_the_first_by_name() -> None:
    bare = a_node("n2").set("metadata.labels", {})
    twins = [a_node(name).labelled({HOSTNAME: "twin"}) for name in ("n5", "n4")]
    for parts in ([bare, a_node("n3").labelled({HOSTNAME: "n2"}), *twins],) * 2:
        parts.reverse()
        assert index(a_cluster(*parts).snapshot()).hostnames == {"n2": "n3", "twin": "n4"}


def test_reports_by_plan() -> None:
    """By its UID: one of the same name that was made anew is another plan."""
    plan, anew = a_plan("p"), a_plan("p").with_uid("another")
    reports = a_report(plan), a_report(plan, run="2"), a_report(anew), a_report(plan, number=1)
    relations = index(a_cluster().knows(*reports).snapshot())
    assert relations.reports == {plan.uid: [reports[0], reports[1], reports[3]], anew.uid: [reports[2]]}
