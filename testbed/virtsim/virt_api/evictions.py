"""Eviction of launcher pods: virt-api refuses it and marks the VM, so that it is moved instead of shut down.

pkg/virt-api/webhooks/validating-webhook/admitters/pod-eviction-admitter.go
"""

from typing import Any

from virtsim.cluster.client import JSON_PATCH, ApiError, Client
from virtsim.objects import keys
from virtsim.objects.conditions import is_true
from virtsim.objects.eviction import strategy_of
from virtsim.objects.pods import annotations_of, is_launcher, is_terminal
from virtsim.objects.resources import KUBEVIRTS, PODS, VMIS, Object
from virtsim.virt_api.review import Denial, Request

TOO_MANY_REQUESTS = 429
DESCHEDULER = ("requested-by", "sigs.k8s.io/descheduler")


async def admit(client: Client, request: Request) -> Denial | None:
    """Why the pod may not be evicted, or None. Marks the VMI unless it is marked, or the request a dry run."""
    pod = await _pod(client, request)
    if pod is None or not is_launcher(pod) or is_terminal(pod) or keys.DOMAIN not in annotations_of(pod):
        return None
    name = annotations_of(pod)[keys.DOMAIN]
    try:
        vmi = await client.get(VMIS, request.namespace, name)
    except ApiError as error:
        return _denial(f"kubevirt failed getting the vmi: {error.message}")
    strategy = strategy_of(vmi, (await client.list(KUBEVIRTS))["items"])
    if not _is_evacuated(vmi, strategy):
        return None
    return _refused(vmi, pod, strategy) or await _marked(client, request, vmi, pod)


async def _pod(client: Client, request: Request) -> Object | None:
    try:
        return await client.get(PODS, request.namespace, request.name)
    except ApiError as error:
        if error.code != 404:
            raise
        return None


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
    if pod["spec"].get("nodeName") != status.get("nodeName"):
        return _denial("Eviction request for target Pod")
    return None


async def _marked(client: Client, request: Request, vmi: Object, pod: Object) -> Denial:
    metadata = vmi["metadata"]
    patch: list[dict[str, Any]] = [
        {"op": "add", "path": "/status/evacuationNodeName", "value": pod["spec"]["nodeName"]}
    ]
    if annotations_of(request.new).get(DESCHEDULER[0]) == DESCHEDULER[1]:
        marked = {**annotations_of(vmi), keys.EVICTION_SOURCE: "descheduler"}
        patch.append({"op": "add", "path": "/metadata/annotations", "value": marked})
    if not request.dry_run:
        await client.patch(VMIS, metadata["namespace"], metadata["name"], patch, JSON_PATCH)
    return _denial(_triggered(vmi))


def _triggered(vmi: Object) -> str:
    return f'Eviction triggered evacuation of VMI "{vmi["metadata"]["namespace"]}/{vmi["metadata"]["name"]}"'


def _denial(message: str) -> Denial:
    return Denial(message, code=TOO_MANY_REQUESTS)
