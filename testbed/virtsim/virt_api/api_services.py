"""How the API server finds the aggregated API: APIServices and a Service (components/apiservices.go).

An APIService that nobody answers for keeps every namespace from being deleted: they go first, and at any price.
"""

import asyncio
import base64

from virtsim.cluster.client import ApiError, Client
from virtsim.objects.conditions import is_true
from virtsim.objects.keys import NAMESPACE, SIMULATED_CRD
from virtsim.objects.resources import API_SERVICES, NAMESPACES, SERVICES, Object
from virtsim.virt_api.aggregated import GROUP, VERSIONS
from virtsim.virt_api.registration import delete_all, replace

SERVICE = "virt-api"
CERTIFIED = f"{SERVICE}.{NAMESPACE}.svc"
"""The name that the API server wants in the certificate."""

AVAILABLE_WITHIN_SECONDS = 30.0


class UnreachableError(Exception):
    """The API server cannot call this process: the subresources would block the deletion of namespaces."""


LABELS = {SIMULATED_CRD: "true"}


def service(host: str) -> Object:
    """A name for an address outside the cluster: there is no pod, and perhaps no kube-proxy."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE, "namespace": NAMESPACE, "labels": LABELS},
        "spec": {"type": "ExternalName", "externalName": host},
    }


def api_services(port: int, authority: bytes) -> list[Object]:
    """One for each version, for a server on that port whose certificate `authority` (PEM) signed."""
    return [
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{version}.{GROUP}", "labels": LABELS},
            "spec": {
                "group": GROUP,
                "version": version,
                "service": {"namespace": NAMESPACE, "name": SERVICE, "port": port},
                "caBundle": base64.b64encode(authority).decode(),
                "groupPriorityMinimum": 1000,
                "versionPriority": 15,
            },
        }
        for version in VERSIONS
    ]


async def register(client: Client, host: str, port: int, authority: bytes) -> None:
    """Puts them in, in the place of what an earlier simulator left; returns when the API server forwards to them."""
    # An address would do, but the Service is about names.
    name = "localhost" if host == "127.0.0.1" else host
    try:
        async with asyncio.timeout(AVAILABLE_WITHIN_SECONDS):
            await _register(client, name, port, authority)
    except TimeoutError:
        where = f"{name}:{port}"
        raise UnreachableError(f"the API server does not reach virt-api at {where}: see --webhook-host") from None


async def _register(client: Client, host: str, port: int, authority: bytes) -> None:
    while not await _put(client, service(host)):  # noqa: ASYNC110 - an earlier namespace of that name is ending
        await asyncio.sleep(0.1)
    wanted = api_services(port, authority)
    for each in wanted:
        await replace(client, API_SERVICES, each)
    for each in wanted:
        await _available(client, each["metadata"]["name"])


async def unregister(client: Client) -> None:
    names = [f"{version}.{GROUP}" for version in VERSIONS]
    await delete_all(client, [*((API_SERVICES, "", name) for name in names), (SERVICES, NAMESPACE, SERVICE)])


async def _available(client: Client, name: str) -> None:
    while not is_true(await client.get(API_SERVICES, "", name), "Available"):  # noqa: ASYNC110 - the API server tries
        await asyncio.sleep(0.05)


async def _put(client: Client, wanted: Object) -> bool:
    """Whether the Service is there now, in KubeVirt's namespace."""
    try:
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    except ApiError as error:
        if error.code != 409:
            raise
    try:
        await replace(client, SERVICES, wanted)
    except ApiError as error:
        if error.code in (403, 404):
            return False
        raise
    return True
