"""What the Store makes of each thing it is told, and when it wakes the loop."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drover.facts.kubevirt import VMIM
from drover.facts.node import HEARTBEAT, Node
from drover.watching import shelf as shelves
from drover.watching import store as stores
from drover.watching.listing import Listing
from drover.watching.resources import (
    ALL,
    MAINTENANCES,
    NODES,
    PLANS,
    PODS,
    POLICIES,
    REPORTS,
    VMIMS,
    Identity,
    Resource,
    Stub,
)
from drover.watching.store import Store
from tests.unit.watching.objects import a_node, a_pod, a_vmim, an_object, read_as

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = ("tenant", "m")


@pytest.fixture
def store() -> Store:
    return Store(clock=lambda: NOW)


def woken(store: Store) -> bool:
    """Whether the loop was woken since the last time this was asked."""
    is_set = store.changed.is_set()
    store.changed.clear()
    return is_set


def versions(store: Store) -> dict[str, str]:
    return {name: node.metadata.resource_version for (_, name), node in store.snapshot(NOW).nodes.items()}


@pytest.mark.parametrize(
    ("told", "version", "wakes"),
    [
        (lambda s: s.put(NODES, a_node("a", 11, labels={"x": "2"})), "11", True),
        (lambda s: s.put(NODES, a_node("a", 11)), "11", False),
        (lambda s: s.put(NODES, a_node("a", 10)), "10", False),
        (lambda s: s.put(NODES, a_node("a", 9, labels={"x": "2"})), "10", False),
        (lambda s: s.put(NODES, a_node("a", 11, uid="another")), "11", True),
        (lambda s: s.remove(NODES, a_node("a", 11)), None, True),
        (lambda s: s.remove(NODES, a_node("a", 9)), "10", False),
        (lambda s: s.replace(NODES, [], "20"), None, True),
        (lambda s: s.replace(NODES, [], "9"), "10", True),
    ],
    ids=[
        "a newer version",
        "a newer version with the same facts",
        "the same version again",
        "an older version",
        "another object of the same name",
        "its deletion",
        "the deletion of an earlier one",
        "a newer list without it",
        "an older list without it (the first list wakes anyway)",
    ],
)
def test_one_node_at_version_10_is_told(
    store: Store, told: Callable[[Store], bool], version: str | None, wakes: bool
) -> None:
    store.put(NODES, a_node("a", 10))
    assert woken(store)
    assert told(store) is wakes
    assert woken(store) is wakes
    assert versions(store).get("a") == version


@pytest.mark.parametrize("version", [5, 10, 11])
def test_what_was_removed_does_not_come_back_with_an_older_version(store: Store, version: int) -> None:
    store.put(NODES, a_node("a", 5))
    store.remove(NODES, a_node("a", 10))
    store.put(NODES, a_node("a", version))
    assert versions(store) == ({"a": "11"} if version == 11 else {})


@pytest.mark.parametrize("version", [19, 20, 21])
def test_what_a_list_did_not_have_does_not_come_back_with_an_older_version(store: Store, version: int) -> None:
    store.replace(NODES, [], "20")
    store.put(NODES, a_node("a", version))
    assert versions(store) == ({"a": "21"} if version == 21 else {})


def test_a_list_on_its_way_while_we_write_does_not_undo_the_write(store: Store) -> None:
    store.put(NODES, a_node("written", 30))
    store.replace(NODES, [a_node("a", 3)], "20")
    assert versions(store) == {"a": "3", "written": "30"}


def test_a_list_with_a_lower_version_than_the_last_is_of_a_restored_etcd(store: Store) -> None:
    store.replace(NODES, [a_node("a", 90), a_node("b", 95)], "100")
    store.replace(NODES, [a_node("a", 7)], "50")
    assert versions(store) == {"a": "7"}


def test_only_the_first_of_two_equal_lists_wakes(store: Store) -> None:
    store.replace(NODES, [], "20")
    assert woken(store)
    store.replace(NODES, [], "21")
    assert not woken(store)


def test_graves_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "MAX_GRAVES", 2)
    for number, name in enumerate("abc"):
        store.remove(NODES, a_node(name, 10 + number))
    for name in "abc":
        store.put(NODES, a_node(name, 5))
    assert set(versions(store)) == {"a"}


def test_a_pod_that_has_ended_is_not_taken_in_though_it_was_read_by_name(store: Store) -> None:
    store.put(PODS, a_pod("p", 10))
    assert woken(store)
    store.put(PODS, a_pod("p", 11, phase="Succeeded"))
    assert woken(store)
    assert not store.snapshot(NOW).pods
    store.put(PODS, a_pod("other", 12, phase="Failed"))
    assert not store.snapshot(NOW).pods


def gone(store: Store, at: datetime = NOW) -> dict[str, str]:
    return {name: vmim.phase for (_, name), vmim in store.snapshot(at).gone.items()}


@pytest.mark.parametrize(
    ("told", "want"),
    [
        (lambda s: s.remove(VMIMS, a_vmim("m", 11, phase="Succeeded")), {"m": "Succeeded"}),
        (lambda s: s.remove(VMIMS, a_node("m", 9)), {}),
        (lambda s: s.replace(VMIMS, [], "20"), {"m": "Running"}),
        (lambda s: s.put(VMIMS, a_vmim("m", 11, uid="another")), {"m": "Running"}),
        (lambda s: s.forget(VMIMS), {"m": "Running"}),
    ],
    ids=["deleted", "an older deletion", "not in the list", "replaced by another", "its kind vanished"],
)
def test_our_migration_that_vanishes_stays_known_as_it_was_last(
    store: Store, told: Callable[[Store], bool], want: dict[str, str]
) -> None:
    store.put(VMIMS, a_vmim("m", 10))
    told(store)
    assert gone(store) == want


def test_other_peoples_migrations_are_not_remembered(store: Store) -> None:
    store.put(VMIMS, a_vmim("m", 10, plan=""))
    store.remove(VMIMS, a_vmim("m", 11, plan=""))
    assert gone(store) == {}


def test_a_migration_that_is_there_again_is_not_gone(store: Store) -> None:
    store.put(VMIMS, a_vmim("m", 10))
    store.remove(VMIMS, a_vmim("m", 11))
    store.put(VMIMS, a_vmim("m", 12, uid="another"))
    assert gone(store) == {"m": "Running"}
    store.put(VMIMS, a_vmim("m", 13))
    assert gone(store) == {"m": "Running"}, "the other one is gone now"
    assert store.snapshot(NOW).gone[KEY].uid == "another"


def test_migrations_that_are_gone_are_forgotten_after_an_hour() -> None:
    now = NOW
    store = Store(clock=lambda: now)
    for number, name in enumerate("abc"):
        now = NOW + timedelta(minutes=number)
        store.put(VMIMS, a_vmim(name, 10))
        store.remove(VMIMS, a_vmim(name, 11))
    assert set(gone(store, NOW + timedelta(minutes=60))) == set("abc")
    assert set(gone(store, NOW + timedelta(minutes=61))) == set("bc")
    assert set(gone(store, NOW + timedelta(hours=9))) == set()


def test_migrations_that_are_gone_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "MAX_GONE", 2)
    for name in "abc":
        store.put(VMIMS, a_vmim(name, 10))
        store.remove(VMIMS, a_vmim(name, 11))
    assert set(gone(store)) == set("bc")


def test_refusals_are_counted_in_a_row(store: Store) -> None:
    for number in range(3):
        store.refuse("cordon n1", "Forbidden", f"no {number}", NOW + timedelta(seconds=number))
    store.refuse("cordon n2", "Conflict", "busy", NOW)
    assert woken(store)
    refusal = store.snapshot(NOW).refusals["cordon n1"]
    assert (refusal.reason, refusal.message, refusal.tries) == ("Forbidden", "no 2", 3)
    assert refusal.at == NOW + timedelta(seconds=2)
    store.forgive("cordon n1")
    store.forgive("never refused")
    assert set(store.snapshot(NOW).refusals) == {"cordon n2"}
    store.refuse("cordon n1", "Forbidden", "again", NOW)
    assert store.snapshot(NOW).refusals["cordon n1"].tries == 1


def test_refusals_are_forgotten_after_an_hour(store: Store) -> None:
    store.refuse("cordon n1", "Forbidden", "no", NOW)
    assert store.snapshot(NOW + timedelta(hours=1)).refusals
    assert not store.snapshot(NOW + timedelta(hours=1, seconds=1)).refusals


EVERYTHING = frozenset(resource.name for resource in ALL if resource.vital)


def test_what_was_never_listed_is_stale(store: Store) -> None:
    assert store.snapshot(NOW).stale == EVERYTHING
    store.replace(NODES, [], "1")
    assert store.snapshot(NOW).stale == EVERYTHING, "listed and never heard of"
    store.heard(NODES, NOW)
    store.heard(PODS, NOW)
    assert store.snapshot(NOW).stale == EVERYTHING - {"nodes"}, "pods were heard of and never listed"


@pytest.mark.parametrize(("silence", "is_stale"), [(0, False), (90, False), (91, True)])
def test_what_was_silent_for_long_is_stale(store: Store, silence: int, is_stale: bool) -> None:
    store.replace(NODES, [], "1")
    store.heard(NODES, NOW)
    snapshot = store.snapshot(NOW + timedelta(seconds=silence))
    assert ("nodes" in snapshot.stale) is is_stale
    assert snapshot.heard == {"nodes": NOW}


def test_what_is_absent_is_not_stale_but_absent(store: Store) -> None:
    store.put(VMIMS, a_vmim("m", 10))
    woken(store)
    store.absent(VMIMS)
    assert woken(store)
    snapshot = store.snapshot(NOW)
    assert snapshot.absent == {"vmims"}
    assert "vmims" not in snapshot.stale
    assert snapshot.vmims, "what was known stays until it is forgotten"
    store.absent(VMIMS)
    assert not woken(store)
    store.present(VMIMS)
    assert woken(store)
    store.present(VMIMS)
    assert not woken(store)
    assert store.snapshot(NOW).absent == frozenset()


def test_what_was_forgotten_has_to_be_listed_again(store: Store) -> None:
    store.replace(NODES, [a_node("a", 10)], "20")
    store.heard(NODES, NOW)
    store.forget(NODES)
    assert not store.snapshot(NOW).nodes
    assert "nodes" in store.snapshot(NOW).stale
    store.put(NODES, a_node("a", 5))
    assert versions(store) == {"a": "5"}, "a CRD made anew may begin again"


def test_a_sign_of_life_wakes_only_after_a_long_silence(store: Store) -> None:
    for seconds, wakes in [(0, True), (60, False), (150, False), (241, True)]:
        store.heard(NODES, NOW + timedelta(seconds=seconds))
        assert woken(store) is wakes, seconds


def test_a_snapshot_does_not_change_afterwards(store: Store) -> None:
    store.put(NODES, a_node("a", 10))
    snapshot = store.snapshot(NOW)
    store.put(NODES, a_node("b", 11))
    store.refuse("x", "Conflict", "", NOW)
    store.absent(PODS)
    assert set(snapshot.nodes) == {("", "a")}
    assert not snapshot.refusals
    assert not snapshot.absent
    with pytest.raises(TypeError):
        snapshot.nodes["", "c"] = a_node("c", 1)  # type: ignore[index]  # that is what is tested


def test_a_migration_is_known_as_its_type(store: Store) -> None:
    store.put(VMIMS, a_vmim("m", 10))
    assert isinstance(store.snapshot(NOW).vmims[KEY], VMIM)


def test_counts(store: Store) -> None:
    store.put(NODES, a_node("a", 10))
    store.put(VMIMS, a_vmim("m", 10))
    store.remove(VMIMS, a_vmim("m", 11))
    store.refuse("x", "Conflict", "", NOW)
    counted = {name: count for name, count in store.counts().items() if count}
    assert counted == {"nodes": 1, "gone": 1, "refusals": 1}


PLAN: dict[str, Any] = {"spec": {"evacuate": {"nodes": {"names": ["n1"]}}}, "status": {"phase": "Planning"}}
RUN = {"id": "", "startedAt": "2026-01-01T00:00:00Z"}
MAINTENANCE = {"spec": {"nodeName": "n1"}, "status": {"phase": "Preparing"}}
REPORT = {"spec": {"plan": {"name": "p", "uid": "u"}, "run": ""}, "status": {"vms": 1}}


@pytest.mark.parametrize(
    ("resource", "before", "after", "wakes"),
    [
        (PLANS, PLAN, PLAN | {"status": {"phase": "Migrating"}}, False),
        (PLANS, PLAN, PLAN | {"status": {"phase": "Planning", "run": RUN}}, True),
        (PLANS, PLAN, PLAN | {"spec": {**PLAN["spec"], "paused": True}}, True),
        (MAINTENANCES, MAINTENANCE, MAINTENANCE | {"status": {"phase": "Evacuating"}}, False),
        (MAINTENANCES, MAINTENANCE, MAINTENANCE | {"spec": {"nodeName": "n1", "paused": True}}, True),
        (REPORTS, REPORT, REPORT | {"status": {"vms": 2}}, True),
        (REPORTS, REPORT, REPORT, False),
    ],
)
def test_of_our_kinds_a_decision_reads_the_spec_the_run_and_the_reports(
    store: Store, resource: Resource[Any], before: dict[str, Any], after: dict[str, Any], wakes: bool
) -> None:
    store.put(resource, read_as(resource, an_object("o", 10) | before))
    assert woken(store)
    assert store.put(resource, read_as(resource, an_object("o", 11) | after)) is wakes
    assert woken(store) is wakes


@pytest.mark.parametrize("finalizers", [["drover.dev/cleanup"], []])
def test_the_metadata_of_our_kinds_counts_too(store: Store, finalizers: list[str]) -> None:
    body = an_object("o", 10) | PLAN
    store.put(PLANS, read_as(PLANS, body))
    woken(store)
    body = {**body, "metadata": {**body["metadata"], "resourceVersion": "11", "finalizers": finalizers}}
    assert store.put(PLANS, read_as(PLANS, body)) is bool(finalizers)


def test_what_was_never_listed_may_be_there(store: Store) -> None:
    assert store.snapshot(NOW).unlisted == EVERYTHING
    store.replace(NODES, [], "1")
    store.absent(VMIMS)
    assert store.snapshot(NOW).unlisted == EVERYTHING - {"nodes", "vmims"}
    store.forget(NODES)
    assert "nodes" in store.snapshot(NOW).unlisted


def test_what_was_heard_in_the_future_is_stale(store: Store) -> None:
    """The clock was put back: nobody knows for how long it has been silent."""
    store.replace(NODES, [], "1")
    store.heard(NODES, NOW + timedelta(hours=1))
    assert "nodes" in store.snapshot(NOW).stale


def test_what_cannot_be_read_is_not_there_and_not_gone(store: Store) -> None:
    stub = Stub(Identity(name="a", uid="a-uid", resource_version="11"))
    store.put(NODES, a_node("a", 10))
    woken(store)
    assert store.cannot_read(NODES, stub)
    assert woken(store)
    snapshot = store.snapshot(NOW)
    assert not snapshot.nodes
    assert snapshot.illegible == {("nodes", "a", "a-uid")}


@pytest.mark.parametrize(
    "told",
    [
        lambda s: s.put(NODES, a_node("a", 12)),
        lambda s: s.remove(NODES, a_node("a", 12)),
        lambda s: s.replace(NODES, [], "12"),
        lambda s: s.read(NODES, Listing([a_node("a", 12)], "12")),
    ],
    ids=["a version that can be read", "its deletion", "a list without it", "a list with it"],
)
def test_what_could_not_be_read_is_known_again(store: Store, told: Callable[[Store], bool]) -> None:
    store.cannot_read(NODES, Stub(Identity(name="a", uid="a-uid", resource_version="11")))
    woken(store)
    told(store)
    assert woken(store)
    assert store.snapshot(NOW).illegible == frozenset()


def test_a_list_says_what_cannot_be_read(store: Store) -> None:
    stub = Stub(Identity(name="a", uid="a-uid", resource_version="11"))
    store.read(NODES, Listing([a_node("b", 10)], "12", [stub]))
    assert set(versions(store)) == {"b"}
    assert store.snapshot(NOW).illegible == {("nodes", "a", "a-uid")}


def a_heartbeat(version: int, moment: datetime) -> Node:
    body = an_object("a", version)
    body["metadata"]["annotations"] = {HEARTBEAT: f"{moment:%Y-%m-%dT%H:%M:%SZ}"}
    return read_as(NODES, body)


def test_a_heartbeat_wakes_nobody_and_its_age_is_in_the_snapshot(store: Store) -> None:
    store.put(NODES, a_heartbeat(10, NOW))
    woken(store)
    revision = store.revision

    def is_silent(seconds: int) -> bool:
        return store.snapshot(NOW + timedelta(seconds=seconds)).nodes["", "a"].silent

    assert [is_silent(300), is_silent(301)] == [False, True]
    assert not store.put(NODES, a_heartbeat(11, NOW + timedelta(seconds=60)))
    assert not woken(store)
    assert store.revision == revision
    assert [is_silent(301), is_silent(361)] == [False, True]


def test_policies_hold_nothing_up(store: Store) -> None:
    for resource in ALL:
        if resource is not POLICIES:
            store.replace(resource, [], "1")
            store.heard(resource, NOW)
    seen = store.snapshot(NOW)
    assert (seen.stale, seen.unlisted, seen.absent) == (frozenset(), frozenset(), frozenset())
    store.absent(POLICIES)
    assert store.snapshot(NOW).absent == {"policies"}
