"""Eviction of launcher pods: virt-api refuses it and marks the VM, so that it is moved instead of shut down.

pkg/virt-api/webhooks/validating-webhook/admitters/pod-eviction-admitter.go
"""

from typing import Any

from virtsim.cluster.client import JSON_PATCH, ApiError, Client
from virtsim.objects import keys
from virtsim.objects.conditions import is_true
from virtsim.objects.eviction import strategy_of
from virtsim.objects.pods import annotations_of, is_hotplug, is_launcher, is_terminal
from virtsim.objects.resources import KUBEVIRTS, PODS, VMIS, Object
from virtsim.versions import Feature, Version
from virtsim.virt_api.review import Denial, Request

TOO_MANY_REQUESTS = 429
DESCHEDULER = ("requested-by", "sigs.k8s.io/descheduler")


async def admit(client: Client, version: Version, request: Request) -> Denial | None:
    """Why the pod may not be evicted, or None. Marks the VMI unless it is marked, or the request a dry run."""
    try:
        pod = await client.get(PODS, request.namespace, request.name)
    except ApiError:
        return None
    if is_hotplug(pod):
        return await _held_by_its_vm(client, pod) if version.has(Feature.HOTPLUG_EVICTION) else None
    if not is_launcher(pod) or is_terminal(pod) or keys.DOMAIN not in annotations_of(pod):
        return None
    name = annotations_of(pod)[keys.DOMAIN]
    try:
        vmi = await client.get(VMIS, request.namespace, name)
    except ApiError as error:
        return _denial(f"kubevirt failed getting the vmi: {error.message}")
    strategy = strategy_of(vmi, (await client.list(KUBEVIRTS))["items"])
    if not _is_evacuated(vmi, strategy):
        return None
    return _refused(vmi, pod, strategy) or await _marked(client, version, request, vmi, pod)


def is_dry_run(request: Request) -> bool:
    """By the request's own parameter, or by the delete options in the Eviction."""
    options = request.new.get("deleteOptions") or {}
    return request.dry_run or (options.get("dryRun") or [""])[0] == "All"


async def _held_by_its_vm(client: Client, pod: Object) -> Denial | None:
    """The pod that holds a hotplugged volume stays as long as the launcher that uses it runs."""
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    try:
        owner = await client.get(PODS, namespace, pod["metadata"]["ownerReferences"][0]["name"])
    except ApiError as error:
        return None if error.code == 404 else _denial(f"failed getting owner for hotplug pod: {error.message}")
    if not is_launcher(owner) or is_terminal(owner) or keys.DOMAIN not in annotations_of(owner):
        return None
    vm = annotations_of(owner)[keys.DOMAIN]
    try:
        await client.get(VMIS, namespace, vm)
    except ApiError as error:
        return None if error.code == 404 else _denial(f"kubevirt failed getting the vmi: {error.message}")
    return _denial(f"cannot evict hotplug pod: {name} associated with running vmi: {vm} in namespace {namespace}")


def _is_evacuated(vmi: Object, strategy: str) -> bool:
    """Whether the strategy wants the VM moved, or kept, rather than shut down."""
    return strategy in ("LiveMigrate", "External") or (
        strategy == "LiveMigrateIfPossible" and is_true(vmi, "LiveMigratable")
    )


def _refused(vmi: Object, pod: Object, strategy: str) -> Denial | None:
    """A refusal that marks nothing."""
    metadata, status = vmi["metadata"], vmi.get("status") or {}
    if strategy == "LiveMigrate" and not is_true(vmi, "LiveMigratable"):
        name = metadata["name"]
        return _denial(f"VMI {name} is configured with an eviction strategy but is not live-migratable")
    if status.get("evacuationNodeName"):
        return _denial(f"Evacuation in progress: {_triggered(vmi)}")
    if pod["spec"].get("nodeName", "") != status.get("nodeName", ""):
        return _denial("Eviction request for target Pod")
    return None


async def _marked(client: Client, version: Version, request: Request, vmi: Object, pod: Object) -> Denial:
    metadata = vmi["metadata"]
    node = pod["spec"].get("nodeName", "")
    patch: list[dict[str, Any]] = [{"op": "add", "path": "/status/evacuationNodeName", "value": node}]
    by_descheduler = annotations_of(request.new).get(DESCHEDULER[0]) == DESCHEDULER[1]
    if by_descheduler and version.has(Feature.EVICTION_SOURCE):
        patch.append({"op": "add", **_source_annotation(vmi)})
    dry = {"dryRun": "All"} if is_dry_run(request) else {}
    try:
        await client.patch(VMIS, metadata["namespace"], metadata["name"], patch, JSON_PATCH, **dry)
    except ApiError as error:
        return _denial(f"kubevirt failed marking the vmi for eviction: {error.message}")
    return _denial(_triggered(vmi))


def _source_annotation(vmi: Object) -> dict[str, Any]:
    """Where a JSON patch puts the annotation: beside others, which somebody may be changing, or alone."""
    if not annotations_of(vmi):
        return {"path": "/metadata/annotations", "value": {keys.EVICTION_SOURCE: "descheduler"}}
    return {"path": f"/metadata/annotations/{keys.EVICTION_SOURCE.replace('/', '~1')}", "value": "descheduler"}


def _triggered(vmi: Object) -> str:
    return f'Eviction triggered evacuation of VMI "{vmi["metadata"]["namespace"]}/{vmi["metadata"]["name"]}"'


def _denial(message: str) -> Denial:
    return Denial(message, code=TOO_MANY_REQUESTS)
