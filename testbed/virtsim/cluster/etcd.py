"""Writes objects where the API server keeps them, past the API server, through etcd's JSON gateway.

https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/. What is written so was asked of nobody: no admission, no
validation, no managedFields. The API server sees it as what another API server of the cluster has written, tells its
watchers, and fills in defaults whenever it reads it.
"""

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import yaml

from virtsim.cluster.client import REQUEST_TIMEOUT, ApiError
from virtsim.objects.resources import Key, Object, Resource, key_of

PREFIX = "/registry"
"""kube-apiserver's --etcd-prefix."""
EXTENSION = "etcd"
"""The extension of a kubeconfig's cluster that names etcd's URL; testbed/controlplane writes it for administrators."""


def beside(kubeconfig: str | Path) -> str | None:
    """The URL of the etcd of the current context's cluster, if the kubeconfig file tells it."""
    said = yaml.safe_load(Path(kubeconfig).read_text())
    context = _named(said.get("contexts"), said.get("current-context", "")).get("context") or {}
    cluster = _named(said.get("clusters"), context.get("cluster", "")).get("cluster") or {}
    url = (_named(cluster.get("extensions"), EXTENSION).get("extension") or {}).get("url")
    return str(url) if url else None


def _named(entries: list[Object] | None, name: str) -> Object:
    return next((entry for entry in entries or () if entry.get("name") == name), {})


@dataclass(frozen=True, slots=True)
class Entry:
    """A key, encoded, and an object as JSON. The API server reads that as well as what it would have written."""

    key: str
    value: bytes

    @classmethod
    def of(cls, resource: Resource, obj: Object) -> "Entry":
        """A namespaced object of a core resource or of a custom one."""
        key = "/".join((_folder(resource), *key_of(obj)))
        return cls(_text(key.encode()), msgspec.json.encode(obj))


@dataclass(frozen=True)
class Etcd:
    """One member. Raises ApiError for what it refuses, aiohttp.ClientError when it is not reached."""

    session: aiohttp.ClientSession
    url: str

    async def create(self, entries: Sequence["Entry"]) -> bool:
        """Writes all at once, or nothing: then one of them is there already. At most 128, and 1.5 MiB of values."""
        absent = [{"key": entry.key, "target": "CREATE", "createRevision": "0"} for entry in entries]
        puts = [{"requestPut": {"key": entry.key, "value": _text(entry.value)}} for entry in entries]
        answer = await self._ask("/v3/kv/txn", {"compare": absent, "success": puts})
        return bool(answer.get("succeeded"))

    async def keys(self, resource: Resource) -> set[Key]:
        """Namespaces and names of all objects of a namespaced resource."""
        start = f"{_folder(resource)}/".encode()
        past = start[:-1] + bytes([start[-1] + 1])
        answer = await self._ask("/v3/kv/range", {"key": _text(start), "range_end": _text(past), "keys_only": True})
        found = (base64.b64decode(entry["key"])[len(start) :].decode() for entry in answer.get("kvs", ()))
        return {(namespace, name) for namespace, _, name in (key.partition("/") for key in found)}

    async def _ask(self, path: str, body: Any) -> Object:
        data = msgspec.json.encode(body)
        async with self.session.post(f"{self.url}{path}", data=data, timeout=REQUEST_TIMEOUT) as response:
            told = await response.read()
            if response.status != 200:
                raise ApiError(response.status, "", f"etcd: {told[:500].decode(errors='replace')}")
            answer: Object = msgspec.json.decode(told)
            return answer


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Etcd]:
    """An etcd on loopback, without credentials."""
    async with aiohttp.ClientSession() as session:
        yield Etcd(session, url)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _folder(resource: Resource) -> str:
    """Custom resources are kept under their group's name, core resources under the plural alone."""
    return "/".join(part for part in (PREFIX, resource.group, resource.plural) if part)
