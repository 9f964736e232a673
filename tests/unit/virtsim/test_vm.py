"""VirtualMachines: when their VMI is started and stopped, what their status says, what reaches the VMI at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.virtsim.objects import a_pod, a_vmi
from virtsim.objects import keys
from virtsim.objects.conditions import condition
from virtsim.objects.resources import Object
from virtsim.objects.times import stamp
from virtsim.virt_controller.hotplug import hand_over_labels, with_hotplugs
from virtsim.virt_controller.instances import instance_of
from virtsim.virt_controller.live_updates import outcomes
from virtsim.virt_controller.run_strategy import NOTHING, START, STOP, Wish, strategy_of, wish
from virtsim.virt_controller.vm_status import Sight, printable, start_backoff, status_of
from virtsim.virt_handler.hotplug import finalized

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
    assert vmi["spec"] == vm["spec"]["template"]["spec"], "virt-api fills it in"
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
    assert [entry["op"] for each in outcomes(vm, vmi) for entry in each.operations] == operations


def test_a_migrating_vmi_is_not_touched() -> None:
    vm = a_vm()
    vm["spec"]["template"]["spec"]["domain"] = {}
    (refused,) = outcomes(vm, in_phase("Running", **MIGRATING))
    assert refused.refusal is not None
    assert refused.refusal[0] == "AffinityChangeError"
    (done,) = outcomes(vm, in_phase("Running", **ARRIVED))
    assert (done.refusal, len(done.operations)) == (None, 1)


def a_pluggable(*conditions: Object, sockets: int = 2, guest: str = "2Gi") -> Object:
    """A running VMI of 2 sockets of at most 8, and 2Gi of at most 8Gi."""
    vmi = a_vmi(cpu={"sockets": sockets, "maxSockets": 8}, memory={"guest": guest, "maxGuest": "8Gi"})
    vmi["status"] |= {
        "conditions": [{"type": "LiveMigratable", "status": "True"}, *conditions],
        "currentCPUTopology": {"cores": 1, "sockets": 2, "threads": 1},
        "memory": {"guestAtBoot": "2Gi", "guestCurrent": "2Gi", "guestRequested": "2Gi"},
    }
    return vmi


PLUGGING_CPUS = {"type": "HotVCPUChange", "status": "True"}
PLUGGING_MEMORY = {"type": "HotMemoryChange", "status": "True"}
FAILED_PLUGGING = {"type": "HotMemoryChange", "status": "False"}


@pytest.mark.parametrize(
    ("sockets", "guest", "vmi", "expected"),
    [
        (2, "2Gi", a_pluggable(), ""),
        (4, "2Gi", a_pluggable(), "patched"),
        (9, "2Gi", a_pluggable(), "CPU sockets updated in template spec to a value higher than what's available"),
        (1, "2Gi", a_pluggable(), "Reduction of CPU socket count requires a restart"),
        (4, "2Gi", a_pluggable(PLUGGING_CPUS), "HotPlugCPUError"),
        (2, "4Gi", a_pluggable(), "patched"),
        (2, "4Gi", a_pluggable(PLUGGING_MEMORY), "HotPlugMemoryError"),
        (2, "4Gi", a_pluggable(FAILED_PLUGGING), "memory updated in template spec. Memory-hotplug failed"),
        (2, "1Gi", a_pluggable(), "memory updated in template spec to a value lower than what the VM started with"),
        (2, "9Gi", a_pluggable(), "memory hotplug not supported, Guest memory is greater than the configured maxGuest"),
        (2, "2049Mi", a_pluggable(), "memory hotplug not supported, Guest memory must be 2Mi aligned"),
    ],
)
def test_cpus_and_memory_are_plugged_in(sockets: int, guest: str, vmi: Object, expected: str) -> None:
    vm = a_vm()
    vm["spec"]["template"]["spec"] = {"domain": {"cpu": {"sockets": sockets}, "memory": {"guest": guest}}}
    said = [
        each.restart or ("patched" if each.operations else each.refusal[0] if each.refusal else "")
        for each in outcomes(vm, vmi)
    ]
    assert len(said) == (1 if expected else 0)
    assert not said or said[0].startswith(expected)


def test_a_vmi_that_is_behind_its_spec_says_so_until_it_has_moved() -> None:
    behind = a_pluggable(sockets=4, guest="4Gi")
    told = with_hotplugs(behind, behind["status"]["conditions"])
    assert [entry["type"] for entry in told] == ["LiveMigratable", "HotVCPUChange", "HotMemoryChange"]
    behind["status"]["conditions"] = told
    assert with_hotplugs(behind, told) == told
    after = finalized(behind)
    assert [entry["type"] for entry in after["status"]["conditions"]] == ["LiveMigratable"]
    assert after["status"]["currentCPUTopology"]["sockets"] == 4
    assert after["status"]["memory"]["guestRequested"] == "4Gi"
    assert with_hotplugs(after, []) == []


def test_the_target_is_told_of_what_is_plugged_in() -> None:
    pod = a_pod()
    resources = {"limits": {"cpu": "4"}, "requests": {"memory": "300Mi", "hugepages-2Mi": "2Gi"}}
    pod["spec"]["containers"][0]["resources"] = resources
    assert hand_over_labels(a_pluggable(), pod) == {}
    both = a_pluggable(PLUGGING_CPUS, PLUGGING_MEMORY)
    assert hand_over_labels(both, pod) == {keys.POD_MEMORY_REQUESTS: "2348Mi"}
    both["spec"]["domain"]["cpu"]["dedicatedCpuPlacement"] = True
    labels = hand_over_labels(both, pod)
    assert labels == {keys.POD_CPU_LIMITS: "4", keys.POD_MEMORY_REQUESTS: "2348Mi"}
    both["metadata"]["labels"] = {**labels, "app": "web"}
    assert finalized(both)["metadata"]["labels"] == {"app": "web"}


def test_only_a_restart_is_told_by_a_condition() -> None:
    told = status_of(Sight(a_vm(), in_phase("Running"), restart="why"))
    required = condition({"status": told}, "RestartRequired")
    assert required is not None
    assert required["message"] == "why"
    assert condition({"status": status_of(Sight(a_vm(**told), in_phase("Running")))}, "RestartRequired") is None
