"""Whether a VirtualMachine's VMI is to be started or stopped (watch/vm/vm.go, syncRunStrategy). Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from virtsim.objects.migrations import is_being_deleted
from virtsim.objects.resources import Object
from virtsim.objects.times import seconds_since
from virtsim.virt_controller.vmi_status import FINAL


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done now. `rerun` asks for another start after the stop; `again` is when a start may be tried."""

    start: bool = False
    stop: bool = False
    rerun: bool = False
    again: float | None = None


NOTHING, START, STOP = Wish(), Wish(start=True), Wish(stop=True)


def strategy_of(vm: Object) -> str:
    """spec.runStrategy, or what the older spec.running means."""
    spec = vm["spec"]
    strategy: str = spec.get("runStrategy") or ("Always" if spec.get("running") else "Halted")
    return strategy


def wish(vm: Object, vmi: Object | None, moment: datetime | None = None) -> Wish:
    """By the run strategy and the first request of the start and stop subresources, which wait in the VM's status."""
    decide = _STRATEGIES.get(strategy_of(vm))
    wanted = decide(vm, vmi) if decide is not None else NOTHING
    if wanted.stop and vmi is not None and is_being_deleted(vmi):
        return NOTHING
    left = backoff_seconds(vm, moment)
    if wanted.start and left > 0 and strategy_of(vm) in ("Always", "RerunOnFailure"):
        return Wish(again=left)
    return wanted


def backoff_seconds(vm: Object, moment: datetime | None = None) -> float:
    """How long a VM whose VMI failed before it ran has to wait for its next start."""
    failure = (vm.get("status") or {}).get("startFailure") or {}
    retry = failure.get("retryAfterTimestamp")
    return -seconds_since(retry, moment) if retry else 0.0


def requests_start(vm: Object) -> bool:
    return _request(vm).get("action") == "Start"


def requests_stop(vm: Object, vmi: Object) -> bool:
    """A stop is meant for one incarnation of the VMI."""
    request = _request(vm)
    return request.get("action") == "Stop" and request.get("uid") == vmi["metadata"]["uid"]


def _request(vm: Object) -> Object:
    waiting: list[Object] = (vm.get("status") or {}).get("stateChangeRequests") or []
    return waiting[0] if waiting else {}


def _phase(vmi: Object) -> str:
    phase: str = (vmi.get("status") or {}).get("phase", "")
    return phase


def _always(vm: Object, vmi: Object | None) -> Wish:
    if vmi is None:
        return START
    return STOP if requests_stop(vm, vmi) or _phase(vmi) in FINAL else NOTHING


def _rerun_on_failure(vm: Object, vmi: Object | None) -> Wish:
    """What succeeded stays off; a VM that comes from another strategy is started."""
    if vmi is not None:
        over = requests_stop(vm, vmi) or _phase(vmi) in FINAL
        return Wish(stop=True, rerun=_phase(vmi) == "Failed") if over else NOTHING
    settled = (vm.get("status") or {}).get("runStrategy") == "RerunOnFailure"
    return NOTHING if settled and not requests_start(vm) else START


def _manual(vm: Object, vmi: Object | None) -> Wish:
    if vmi is None:
        return START if requests_start(vm) else NOTHING
    return STOP if requests_stop(vm, vmi) else NOTHING


_STRATEGIES: dict[str, Callable[[Object, Object | None], Wish]] = {
    "Always": _always,
    "RerunOnFailure": _rerun_on_failure,
    "Manual": _manual,
    "Halted": lambda vm, vmi: NOTHING if vmi is None else STOP,
    "Once": lambda vm, vmi: START if vmi is None else NOTHING,
}
