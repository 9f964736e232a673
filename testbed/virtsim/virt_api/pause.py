"""pause and unpause of a VMI: virt-api asks the virt-handler of its node, which reports the condition
(pkg/virt-api/rest/lifecycle.go, pkg/virt-handler/vm.go).
"""

from collections.abc import Callable

from virtsim.cluster.client import ApiError
from virtsim.identities import HANDLER
from virtsim.objects.conditions import condition, with_condition, without_condition
from virtsim.objects.phases import with_status
from virtsim.objects.resources import VMIS, Object
from virtsim.objects.times import now
from virtsim.virt_api.refusals import conflict, internal
from virtsim.virt_api.subresources import VMI, Call, dry_run

OK = 200
PAUSED = "Paused"
ATTEMPTS = 10

Change = Callable[[list[Object] | None], list[Object]]


async def pause(call: Call) -> int:
    vmi = await _running(call, "VM is not running")
    if condition(vmi, PAUSED) is not None:
        raise conflict(VMI, call.name, "VMI is already paused")
    said = {"status": "True", "reason": "PausedByUser", "message": "VMI was paused by user"}
    entry = {"type": PAUSED, **said, "lastProbeTime": now(), "lastTransitionTime": now()}
    return await _reported(call, lambda conditions: with_condition(conditions, entry))


async def unpause(call: Call) -> int:
    vmi = await _running(call, "VMI is not running")
    if condition(vmi, PAUSED) is None:
        raise conflict(VMI, call.name, "VMI is not paused")
    return await _reported(call, lambda conditions: without_condition(conditions, PAUSED))


async def _running(call: Call, otherwise: str) -> Object:
    vmi = await call.vmi()
    if (vmi.get("status") or {}).get("phase") != "Running":
        raise conflict(VMI, call.name, otherwise)
    return vmi


async def _reported(call: Call, change: Change) -> int:
    """virt-handler's PUT, once more when somebody else's came between."""
    if dry_run(call.options()):
        return OK
    client = call.client.acting_as(HANDLER)
    for attempt in range(ATTEMPTS):
        vmi = await call.vmi()
        try:
            await client.update(VMIS, with_status(vmi, conditions=change(vmi["status"].get("conditions"))))
        except ApiError as error:
            if error.code != 409 or attempt == ATTEMPTS - 1:
                raise internal(error.message) from error
        else:
            break
    return OK
