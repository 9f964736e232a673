"""VirtualMachines: when their VMI is started and stopped, what their status says, what reaches the VMI at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.virtsim.objects import a_vmi
from virtsim.objects import keys
from virtsim.objects.conditions import condition
from virtsim.objects.resources import Object
from virtsim.objects.times import stamp
from virtsim.virt_controller import live_updates
from virtsim.virt_controller.instances import instance_of
from virtsim.virt_controller.run_strategy import NOTHING, START, STOP, Wish, strategy_of, wish
from virtsim.virt_controller.vm_status import Sight, printable, start_backoff, status_of

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
A_START = {"action": "Start"}
A_STOP = {"action": "Stop", "uid": "vmi-uid"}
ANOTHER_STOP = {"action": "Stop", "uid": "of another incarnation"}
RUNNING = {"conditions": [{"type": "Ready", "status": "True"}]}


def a_vm(strategy: str | None = "Always", *requests: Object, **status: Any) -> Object:
    waiting = {"stateChangeRequests": list(requests)} if requests else {}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"namespace": "shop", "name": "web", "uid": "vm-uid", "generation": 3},
        "spec": {
            **({"runStrategy": strategy} if strategy else {}),
            "template": {
                "metadata": {"labels": {"app": "web"}, "annotations": {"mine": "yes"}},
                "spec": {"domain": {"memory": {"guest": "1Gi"}}, "nodeSelector": {"zone": "z1"}},
            },
        },
        "status": {**status, **waiting},
    }


def in_phase(phase: str, **status: Any) -> Object:
    vmi = a_vmi()
    vmi["status"] = {**vmi["status"], "phase": phase, **status}
    return vmi


def going(vmi: Object) -> Object:
    return {**vmi, "metadata": {**vmi["metadata"], "deletionTimestamp": stamp(NOW)}}


RERUN = Wish(stop=True, rerun=True)


@pytest.mark.parametrize(
    ("vm", "vmi", "expected"),
    [
        (a_vm("Always"), None, START),
        (a_vm("Always"), in_phase("Running"), NOTHING),
        (a_vm("Always"), in_phase("Failed"), STOP),
        (a_vm("Always"), in_phase("Succeeded"), STOP),
        (a_vm("Always"), going(in_phase("Failed")), NOTHING),
        (a_vm("Always", A_STOP), in_phase("Running"), STOP),
        (a_vm("Always", ANOTHER_STOP), in_phase("Running"), NOTHING),
        (a_vm("RerunOnFailure"), None, START),
        (a_vm("RerunOnFailure", runStrategy="RerunOnFailure"), None, NOTHING),
        (a_vm("RerunOnFailure", A_START, runStrategy="RerunOnFailure"), None, START),
        (a_vm("RerunOnFailure"), in_phase("Failed"), RERUN),
        (a_vm("RerunOnFailure"), in_phase("Succeeded"), STOP),
        (a_vm("RerunOnFailure"), in_phase("Running"), NOTHING),
        (a_vm("Manual"), None, NOTHING),
        (a_vm("Manual", A_START), None, START),
        (a_vm("Manual"), in_phase("Failed"), NOTHING),
        (a_vm("Manual", A_STOP), in_phase("Running"), STOP),
        (a_vm("Halted"), None, NOTHING),
        (a_vm("Halted"), in_phase("Running"), STOP),
        (a_vm("Once"), None, START),
        (a_vm("Once"), in_phase("Succeeded"), NOTHING),
        (a_vm("WaitAsReceiver"), None, NOTHING),
        (a_vm(None), None, NOTHING),
    ],
)
def test_run_strategies(vm: Object, vmi: Object | None, expected: Wish) -> None:
    assert wish(vm, vmi, NOW) == expected


def test_the_older_way_to_say_it() -> None:
    assert strategy_of({"spec": {"running": True}}) == "Always"
    assert strategy_of({"spec": {"running": False}}) == "Halted"


def test_a_failed_start_is_waited_for() -> None:
    failure = {"retryAfterTimestamp": stamp(NOW + timedelta(seconds=7))}
    assert wish(a_vm("Always", startFailure=failure), None, NOW) == Wish(again=7.0)
    assert wish(a_vm("Always", startFailure=failure), None, NOW + timedelta(seconds=8)) == START


MIGRATING = {"migrationState": {"startTimestamp": stamp(NOW)}}
ARRIVED = {"migrationState": {"startTimestamp": stamp(NOW), "endTimestamp": stamp(NOW)}}
PAUSED = {"conditions": [{"type": "Paused", "status": "True"}]}
UNSCHEDULABLE = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}


@pytest.mark.parametrize(
    ("sight", "expected"),
    [
        (Sight(a_vm(), None), "Stopped"),
        (Sight(a_vm(), in_phase("Pending"), starting=True), "Starting"),
        (Sight(a_vm(), in_phase("Scheduling")), "Starting"),
        (Sight(a_vm(), in_phase("Scheduling", **UNSCHEDULABLE)), "ErrorUnschedulable"),
        (Sight(a_vm(), in_phase("Running")), "Running"),
        (Sight(a_vm(), in_phase("Running", **MIGRATING)), "Migrating"),
        (Sight(a_vm(), in_phase("Running", **ARRIVED)), "Running"),
        (Sight(a_vm(), in_phase("Running", **PAUSED)), "Paused"),
        (Sight(a_vm(), in_phase("Running", **PAUSED, **MIGRATING)), "Migrating"),
        (Sight(a_vm(), going(in_phase("Running"))), "Stopping"),
        (Sight(a_vm(), in_phase("Running"), stopping=True), "Stopping"),
        (Sight(a_vm(), in_phase("Succeeded")), "Stopped"),
        (Sight(going(a_vm()), in_phase("Running")), "Terminating"),
        (Sight(a_vm(), in_phase("Unknown")), "Unknown"),
    ],
)
def test_printable_status(sight: Sight, expected: str) -> None:
    assert printable(sight) == expected


def test_who_never_ran_crashes() -> None:
    status = status_of(Sight(a_vm(), in_phase("Failed"), stopping=True))
    assert status["printableStatus"] == "CrashLoopBackOff"
    assert status["startFailure"]["consecutiveFailCount"] == 1
    again = status_of(Sight(a_vm(**status), in_phase("Failed")))
    assert again["startFailure"] == status["startFailure"], "each VMI counts once"
    ran = in_phase("Failed", phaseTransitionTimestamps=[{"phase": "Running"}])
    assert "startFailure" not in status_of(Sight(a_vm(**status), ran))


@pytest.mark.parametrize(("failures", "least", "most"), [(1, 10, 15), (2, 40, 60), (5, 250, 300), (9, 300, 300)])
def test_start_backoff(failures: int, least: int, most: int) -> None:
    assert all(least <= start_backoff(failures, f"seed {number}") <= most for number in range(50))


def test_the_status_follows_the_vmi() -> None:
    vmi = in_phase("Running", conditions=[*RUNNING["conditions"], {"type": "LiveMigratable", "status": "True"}])
    vmi["metadata"]["annotations"][keys.VM_GENERATION] = "2"
    status = status_of(Sight(a_vm(), vmi))
    assert (status["created"], status["ready"], status["runStrategy"]) == (True, True, "Always")
    assert (status["observedGeneration"], status["desiredGeneration"]) == (2, 3)
    assert {entry["type"]: entry["status"] for entry in status["conditions"]} == {
        "Ready": "True",
        "LiveMigratable": "True",
    }
    assert status_of(Sight(a_vm(**status), vmi)) == status, "nothing to write twice"
    gone = status_of(Sight(a_vm(**status), None))
    assert "created" not in gone
    ready = condition({"status": gone}, "Ready")
    assert ready is not None
    assert ready["reason"] == "VMINotExists"


def test_a_failure_comes_and_goes() -> None:
    failed = status_of(Sight(a_vm(), None, failure=("FailedCreate", "no")))
    assert condition({"status": failed}, "Failure") is not None
    assert condition({"status": status_of(Sight(a_vm(**failed), None))}, "Failure") is None


@pytest.mark.parametrize(
    ("request_", "vmi", "left"),
    [
        (A_START, in_phase("Running"), 0),
        (A_START, None, 1),
        (A_START, in_phase("Failed"), 1),
        (A_STOP, in_phase("Running"), 1),
        (A_STOP, None, 0),
        (ANOTHER_STOP, in_phase("Running"), 0),
    ],
)
def test_requests_are_forgotten_when_done(request_: Object, vmi: Object | None, left: int) -> None:
    assert len(status_of(Sight(a_vm("Manual", request_), vmi)).get("stateChangeRequests", [])) == left


def test_the_vmi_of_a_vm() -> None:
    vm = a_vm()
    vm["metadata"]["annotations"] = {keys.START_ON: "node-a"}
    vmi = instance_of(vm)
    metadata = vmi["metadata"]
    assert (metadata["name"], metadata["labels"]) == ("web", {"app": "web"})
    assert metadata["annotations"].items() >= {"mine": "yes", keys.VM_GENERATION: "3", keys.START_ON: "node-a"}.items()
    assert metadata["ownerReferences"][0]["uid"] == "vm-uid"
    assert set(metadata["finalizers"]) == {keys.VM_FINALIZER, keys.VMI_FINALIZER}
    assert vmi["spec"]["domain"]["cpu"] == {"model": "host-model"}
    vm["status"] = {"runStrategy": "Always"}
    assert keys.START_ON not in instance_of(vm)["metadata"]["annotations"], "only the first time"


@pytest.mark.parametrize(
    ("field", "known", "wanted", "operations"),
    [
        ("nodeSelector", None, {"zone": "z1"}, ["add"]),
        ("nodeSelector", {"zone": "z2"}, {"zone": "z1"}, ["test", "replace"]),
        ("nodeSelector", {"zone": "z2"}, None, ["remove"]),
        ("nodeSelector", {"zone": "z1"}, {"zone": "z1"}, []),
        ("nodeSelector", None, {}, []),
        ("affinity", None, {"nodeAffinity": {}}, ["add"]),
        ("tolerations", [{"key": "a"}], [{"key": "b"}], ["test", "replace"]),
    ],
)
def test_live_updates(field: str, known: Any, wanted: Any, operations: list[str]) -> None:
    vm, vmi = a_vm(), a_vmi()
    vm["spec"]["template"]["spec"] = {"domain": {}, **({} if wanted is None else {field: wanted})}
    vmi["spec"] |= {} if known is None else {field: known}
    done = [entry["op"] for each in live_updates.pending(vm, vmi) for entry in live_updates.operations(each, vm, vmi)]
    assert done == operations


def test_a_migrating_vmi_is_not_touched() -> None:
    (update,) = live_updates.pending(a_vm(), in_phase("Running", **MIGRATING))
    refusal = live_updates.refused(update, in_phase("Running", **MIGRATING))
    assert refusal is not None
    assert refusal[0] == "AffinityChangeError"
    assert live_updates.refused(update, in_phase("Running", **ARRIVED)) is None
