"""The status of a VirtualMachine, by its VMI (watch/vm/vm.go, updateStatus). Pure."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from virtsim.objects import keys, times
from virtsim.objects.conditions import condition, is_true, with_condition
from virtsim.objects.migrations import is_being_deleted, is_migrating
from virtsim.objects.pods import annotations_of
from virtsim.objects.resources import Object
from virtsim.objects.times import now, stamp
from virtsim.virt_controller.run_strategy import strategy_of
from virtsim.virt_controller.vmi_status import FINAL, SCHEDULED

LONGEST_BACKOFF_SECONDS = 300
SHORTEST_BACKOFF_SECONDS = 10
ITS_OWN = ("Ready", "Failure", "RestartRequired")
"""Conditions of a VM that are no copies of its VMI's."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A VM, its VMI, whether a VMI was just asked for or its end was, what could not be done (reason, message), and
    why only a restart brings what was changed."""

    vm: Object
    vmi: Object | None
    starting: bool = False
    stopping: bool = False
    failure: tuple[str, str] | None = None
    restart: str = ""

    @property
    def phase(self) -> str | None:
        """The VMI's phase; None where there is no VMI."""
        return None if self.vmi is None else (self.vmi.get("status") or {}).get("phase", "")


def status_of(sight: Sight) -> dict[str, Any]:
    """The whole status; what is false or empty is left out, as Go's omitempty does."""
    vm, vmi = sight.vm, sight.vmi
    before = vm.get("status") or {}
    status = {**before, "conditions": _conditions(sight), "startFailure": _start_failure(sight)}
    status |= {"created": vmi is not None, "ready": vmi is not None and is_true(vmi, "Ready")}
    if vmi is not None:
        status["desiredGeneration"] = vm["metadata"].get("generation", 0)
        status["observedGeneration"] = int(annotations_of(vmi).get(keys.VM_GENERATION, 0))
    if before.get("runStrategy") or vmi is not None:
        status["runStrategy"] = strategy_of(vm)
    requests = before.get("stateChangeRequests") or []
    status["stateChangeRequests"] = requests[1:] if requests and _is_done(requests[0], sight) else requests
    status["printableStatus"] = printable(sight, bool(status["startFailure"]))
    return {field: value for field, value in status.items() if value}


def printable(sight: Sight, fails_to_start: bool = False) -> str:
    """What `kubectl get vm` shows: the first of the table that applies."""
    crashing = fails_to_start and strategy_of(sight.vm) in ("Always", "RerunOnFailure", "Once")
    table: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("Terminating", lambda: is_being_deleted(sight.vm)),
        ("Stopping", lambda: _is_stopping(sight)),
        ("Migrating", lambda: sight.vmi is not None and is_migrating(sight.vmi)),
        ("Paused", lambda: sight.phase == "Running" and is_true(sight.vmi or {}, "Paused")),
        ("Running", lambda: sight.phase == "Running"),
        ("ErrorUnschedulable", lambda: sight.vmi is not None and _is_unschedulable(sight.vmi)),
        ("Starting", lambda: sight.starting or sight.phase in ("", "Pending", "Scheduling", "Scheduled")),
        ("CrashLoopBackOff", lambda: crashing and sight.phase in (None, *FINAL)),
        ("Stopped", lambda: sight.phase in (None, *FINAL)),
        ("WaitingForReceiver", lambda: sight.phase == "WaitingForSync"),
    )
    return next((name for name, applies in table if applies()), "Unknown")


def _is_stopping(sight: Sight) -> bool:
    vmi = sight.vmi
    return vmi is not None and sight.phase not in FINAL and (is_being_deleted(vmi) or sight.stopping)


def _is_unschedulable(vmi: Object) -> bool:
    scheduled = condition(vmi, SCHEDULED) or {}
    return scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"


def _is_done(request: Object, sight: Sight) -> bool:
    """A stop whose VMI is gone, a start whose VMI is there."""
    vmi = sight.vmi
    if request["action"] == "Stop":
        return vmi is None or request.get("uid") != vmi["metadata"]["uid"]
    return vmi is not None and not is_being_deleted(vmi) and sight.phase not in FINAL and not sight.stopping


def _conditions(sight: Sight) -> list[Object]:
    vmi = sight.vmi
    known = (sight.vm.get("status") or {}).get("conditions") or []
    copied = (
        [] if vmi is None else [e for e in (vmi.get("status") or {}).get("conditions") or [] if e["type"] != "Ready"]
    )
    wanted = [_ready(vmi), *_own(sight), *copied]
    kinds = [entry["type"] for entry in wanted]
    stays = [entry for entry in known if entry["type"] in kinds or _stays(entry, vmi)]
    for entry in wanted:
        if _says(condition({"status": {"conditions": stays}}, entry["type"])) != _says(entry):
            stays = with_condition(stays, entry)
    return stays


def _stays(entry: Object, vmi: Object | None) -> bool:
    """Copies stay after their VMI is gone, until the next one; a failure goes when it no longer fails."""
    return vmi is None and entry["type"] not in ITS_OWN


def _says(entry: Object | None) -> tuple[Any, ...] | None:
    return None if entry is None else tuple(entry.get(field) for field in ("status", "reason", "message"))


def _ready(vmi: Object | None) -> Object:
    copied = None if vmi is None else condition(vmi, "Ready")
    if copied is not None:
        return copied
    said = ("VMINotExists", "VMI does not exist")
    if vmi is not None:
        said = ("VMIConditionMissing", "VMI is missing the Ready condition")
    at = {"lastProbeTime": now(), "lastTransitionTime": now()}
    return {"type": "Ready", "status": "False", "reason": said[0], "message": said[1], **at}


def _own(sight: Sight) -> list[Object]:
    at = {"lastProbeTime": None, "lastTransitionTime": now()}
    said: list[Object] = []
    if sight.failure is not None:
        said.append(
            {"type": "Failure", "status": "True", "reason": sight.failure[0], "message": sight.failure[1], **at}
        )
    if sight.restart:
        said.append({"type": "RestartRequired", "status": "True", "message": sight.restart, **at})
    return said


def _start_failure(sight: Sight) -> Object | None:
    """Counts the VMIs that failed before they ran, each once; forgotten as soon as one runs."""
    before: Object | None = (sight.vm.get("status") or {}).get("startFailure")
    vmi = sight.vmi
    if strategy_of(sight.vm) not in ("Always", "RerunOnFailure", "Once") or (vmi is not None and _ever_ran(vmi)):
        return None
    if vmi is None or sight.phase not in FINAL or (before or {}).get("lastFailedVMIUID") == vmi["metadata"]["uid"]:
        return before
    count = (before or {}).get("consecutiveFailCount", 0) + 1
    retry = times.wall_clock() + timedelta(seconds=start_backoff(count, vmi["metadata"]["uid"]))
    return {
        "consecutiveFailCount": count,
        "lastFailedVMIUID": vmi["metadata"]["uid"],
        "retryAfterTimestamp": stamp(retry),
    }


def start_backoff(failures: int, seed: str) -> int:
    """10 s x failures squared, and up to a half more (here by a hash, not by chance), at most 300 s."""
    delay = SHORTEST_BACKOFF_SECONDS * failures**2
    jitter = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") % (delay // 2 + 1)
    return min(delay + jitter, LONGEST_BACKOFF_SECONDS)


def _ever_ran(vmi: Object) -> bool:
    stamps = (vmi.get("status") or {}).get("phaseTransitionTimestamps") or ()
    return any(entry["phase"] == "Running" for entry in stamps)
