"""A small asynchronous client that speaks JSON objects, on kubernetes.aio's configuration and aiohttp's transport.

Every request names who it is made for: the simulator impersonates KubeVirt's own service accounts, so that webhooks,
audit logs and managedFields tell virt-controller from virt-handler and both from the users.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import load_kube_config

from virtsim.objects.resources import Object, Resource

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=30)
WATCH_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=90)
CONNECTIONS = 32
ACCEPTED = {"Accept": "application/json", "Accept-Encoding": "identity"}
"""Not compressed, which is aiohttp's default: it would cost the API server more than the loopback."""


class ApiError(Exception):
    """The API server's refusal of one request: HTTP code, reason (may be empty), message, and what it blames."""

    def __init__(self, code: int, reason: str, message: str, causes: Sequence[Object] = ()) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.causes = list(causes)


@dataclass(frozen=True, slots=True)
class Identity:
    """On whose behalf a request is made; an empty `user` is the kubeconfig's own."""

    manager: str
    user: str = ""

    def headers(self) -> dict[str, str]:
        if not self.user:
            return {}
        return {"Impersonate-User": self.user, "Impersonate-Group": "system:masters"}


@dataclass(frozen=True)
class Client:
    """Requests to one API server. Raises ApiError on refusals, aiohttp.ClientError when the server is not reached."""

    session: aiohttp.ClientSession
    configuration: Configuration
    identity: Identity = field(default=Identity("virtsim"))

    def acting_as(self, identity: Identity) -> "Client":
        """The same connection, on behalf of somebody else."""
        return Client(self.session, self.configuration, identity)

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        return await self.request("GET", resource.path(namespace, name))

    async def list(self, resource: Resource, namespace: str = "", **query: str) -> Object:
        """One page of a list, as the server answers it (`items`, `metadata.continue`)."""
        return await self.request("GET", resource.path(namespace), query)

    async def create(self, resource: Resource, obj: Object, subresource: str = "", **query: str) -> Object:
        metadata = obj["metadata"]
        name = metadata["name"] if subresource else ""
        path = resource.path(metadata.get("namespace", ""), name, subresource)
        return await self.request("POST", path, self._written(query), obj)

    async def update(self, resource: Resource, obj: Object, subresource: str = "") -> Object:
        """PUT of the whole object; its resourceVersion makes it conditional."""
        metadata = obj["metadata"]
        path = resource.path(metadata.get("namespace", ""), metadata["name"], subresource)
        return await self.request("PUT", path, self._written({}), obj)

    async def patch(
        self, resource: Resource, namespace: str, name: str, body: Any, kind: str, subresource: str = "", **query: str
    ) -> Object:
        path = resource.path(namespace, name, subresource)
        return await self.request("PATCH", path, self._written(query), body, content_type=kind)

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str = "", grace_seconds: int | None = None
    ) -> None:
        """Asks for deletion; with `uid` only of that incarnation. A missing object is not an error."""
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            await self.request("DELETE", resource.path(namespace, name), {}, options)
        except ApiError as error:
            if error.code != 404:
                raise

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Object:
        """One request; the answer decoded and without managedFields."""
        data = None if body is None else msgspec.json.encode(body)
        headers = await self._headers(content_type)
        async with self.session.request(
            method, self._url(path, query), data=data, headers=headers, timeout=REQUEST_TIMEOUT
        ) as response:
            told = await response.read()
            if response.status >= 400:
                raise _refusal(response.status, told)
            answer: Object = msgspec.json.decode(told or b"{}")
            answer.get("metadata", {}).pop("managedFields", None)
            return answer

    @asynccontextmanager
    async def stream(self, path: str, query: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """An open watch. Raises ApiError if it is refused, aiohttp's time-out after 90 s of silence."""
        headers = await self._headers("application/json")
        async with self.session.get(self._url(path, query), headers=headers, timeout=WATCH_TIMEOUT) as response:
            if response.status >= 400:
                raise ApiError(response.status, "", (await response.text())[:500])
            try:
                yield response
            finally:
                if response.connection is not None and response.connection.transport is not None:
                    response.connection.transport.abort()

    async def disconnect(self) -> None:
        """Drops all connections at once, without the TLS goodbye that a loop which ends now has no time for.

        Whoever still waits for an answer gets an aiohttp.ClientError.
        """
        if self.session.connector is not None:
            await self.session.connector.close(abort_ssl=True)
        await asyncio.sleep(0)

    def _url(self, path: str, query: Mapping[str, str] | None) -> str:
        return f"{self.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")

    def _written(self, query: Mapping[str, str]) -> dict[str, str]:
        """Nobody would read warnings of unknown fields, for which the server reads each object twice."""
        return {"fieldManager": self.identity.manager, "fieldValidation": "Ignore", **query}

    async def _headers(self, content_type: str) -> dict[str, str]:
        token = await self.configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        headers = {"Content-Type": content_type, **ACCEPTED, **self.identity.headers()}
        return {**headers, "Authorization": token} if token else headers


def _refusal(status: int, body: bytes) -> ApiError:
    """An aggregator or a proxy on the way may refuse in plain text."""
    try:
        said: Object = msgspec.json.decode(body or b"{}")
    except msgspec.DecodeError:
        return ApiError(status, "", body[:500].decode(errors="replace").strip())
    causes = (said.get("details") or {}).get("causes") or ()
    return ApiError(status, said.get("reason", ""), said.get("message", ""), causes)


@asynccontextmanager
async def connect(kubeconfig: str) -> AsyncIterator[Client]:
    """A client for the current context of the given kubeconfig file (never of the user's default one)."""
    configuration = Configuration()
    await load_kube_config(config_file=kubeconfig, client_configuration=configuration)
    tls = RESTClientObject(configuration).ssl_context
    connector = aiohttp.TCPConnector(ssl=tls, limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:
        client = Client(session, configuration)
        try:
            yield client
        finally:
            await client.disconnect()
