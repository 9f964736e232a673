"""evacuate/cancel: takes a mark for eviction back (pkg/virt-api/rest/evacuate_cancel.go).

A migration that is in flight for it goes on.
"""

from virtsim.cluster.client import JSON_PATCH, ApiError
from virtsim.objects.eviction import DRAIN_EFFECT, drain_taint_key
from virtsim.objects.resources import KUBEVIRTS, NODES, VMIS, Object
from virtsim.virt_api.refusals import bad_request, internal
from virtsim.virt_api.subresources import Call, dry_run

OK = 200
PATH = "/status/evacuationNodeName"


async def of_vmi(call: Call) -> int:
    return await _cancel(call, await call.vmi())


async def of_vm(call: Call) -> int:
    return await _cancel(call, await call.vmi_of_vm())


async def _cancel(call: Call, vmi: Object) -> int:
    status = vmi.get("status") or {}
    marked = status.get("evacuationNodeName", "")
    await _refuse_drained(call, marked or status.get("nodeName", ""))
    if not marked:
        return OK
    options = call.options()
    patch = [
        {"op": "test", "path": PATH, "value": options.get("evacuationNodeName", "")},
        {"op": "remove", "path": PATH},
    ]
    try:
        await call.client.patch(VMIS, call.namespace, call.name, patch, JSON_PATCH, **dry_run(options))
    except ApiError as error:
        raise internal(error.message) from error
    return OK


async def _refuse_drained(call: Call, node_name: str) -> None:
    """Who leaves by the taint of its node cannot be told to stay."""
    key = drain_taint_key((await call.client.list(KUBEVIRTS))["items"])
    try:
        node = await call.client.get(NODES, "", node_name)
    except ApiError as error:
        raise internal(error.message) from error
    for taint in (node.get("spec") or {}).get("taints") or ():
        if (taint["key"], taint["effect"]) == (key, DRAIN_EFFECT):
            raise bad_request(f'Node "{node_name}" has NodeDrainTaintKey "{key}:{DRAIN_EFFECT}"')
