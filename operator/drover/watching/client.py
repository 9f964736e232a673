"""A thin client of the API server: raw bytes in and out, every call with a time-out, every write in one place.

No typed model is loaded: decoding one costs 350 microseconds an object, and the models cost 45 MB.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

import aiohttp
import msgspec

from drover.watching.transport import CONNECT_SECONDS, Request, Transport, lines

FIELD_MANAGER = "drover"


class ApiError(Exception):
    """The API server refused, or did not answer: then `status` is 0.

    `causes` are the fields it complains about, `retry_after` seconds it asks to wait. `sent` is false when the request
    cannot have reached it; a write with status 0 that was sent may have been done: read it by name before deciding.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        causes: tuple[str, ...] = (),
        retry_after: float | None = None,
        sent: bool = True,
    ) -> None:
        super().__init__(f"{status} {reason}: {message}" if status else f"{reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes
        self.retry_after = retry_after
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Write:
    """One write, before it is sent or after its answer (a refusal or a time-out too) was there.

    `kind` is the plural of the resource, with the subresource behind it ("migrationplans/status").
    """

    verb: str
    path: str
    kind: str
    name: str
    phase: Literal["before", "after"]


OnWrite = Callable[[Write], Awaitable[None]]


class Client:
    """Calls to one API server: at most `concurrency` of them under way (watches not counted), none retried.

    `on_write` is called around every write.

    Raises:
        ApiError: from every call.
    """

    def __init__(self, *, concurrency: int = 20, on_write: OnWrite | None = None) -> None:
        self._transport = Transport()
        self._slots = asyncio.Semaphore(concurrency)
        self._on_write = on_write

    @property
    def skew(self) -> timedelta:
        """How far the API server's clock is ahead of ours."""
        return self._transport.skew

    async def open(self, kubeconfig: str | None = None) -> None:
        """Read the credentials: `kubeconfig`, else the pod's service account, else what KUBECONFIG names.

        Raises:
            NoClusterError: there are none.
        """
        await self._transport.open(kubeconfig)

    async def close(self) -> None:
        await self._transport.close()

    async def get(self, path: str, params: Mapping[str, str] | None = None, timeout: float = 10.0) -> bytes:
        """One object, or one page of a list."""
        return await self._call(Request("GET", path, params or {}), timeout)

    async def create(
        self, path: str, body: dict[str, Any], params: Mapping[str, str] | None = None, timeout: float = 10.0
    ) -> bytes:
        """Create an object in the collection `path`; the answer is the object."""
        name = str(body.get("metadata", {}).get("name", ""))
        request = Request("POST", path, {"fieldManager": FIELD_MANAGER, **(params or {})}, body)
        return await self._write(request, timeout, created=name)

    async def apply(
        self, path: str, body: dict[str, Any], *, field_manager: str, force: bool = True, timeout: float = 10.0
    ) -> bytes:
        """Server-side apply; the answer is the object. Without `force`, another manager's field is status 409."""
        params = {"fieldManager": field_manager, "force": "true" if force else "false"}
        return await self._write(Request("PATCH", path, params, body, "application/apply-patch+yaml"), timeout)

    async def json_patch(
        self, path: str, operations: list[dict[str, Any]], field_manager: str, timeout: float = 10.0
    ) -> bytes:
        """All operations or none; a `test` that fails is status 422. The answer is the object."""
        params = {"fieldManager": field_manager}
        return await self._write(Request("PATCH", path, params, operations, "application/json-patch+json"), timeout)

    async def merge_patch(self, path: str, body: dict[str, Any], field_manager: str, timeout: float = 10.0) -> bytes:
        """The answer is the object. With `metadata.resourceVersion` in the body, another version is status 409."""
        params = {"fieldManager": field_manager}
        return await self._write(Request("PATCH", path, params, body, "application/merge-patch+json"), timeout)

    async def delete(
        self, path: str, *, uid: str | None = None, resource_version: str | None = None, timeout: float = 10.0
    ) -> bytes:
        """Delete what has this UID and version, else status 409. The answer is the object, or a Status."""
        wanted = {"uid": uid, "resourceVersion": resource_version}
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {name: value for name, value in wanted.items() if value is not None},
        }
        return await self._write(Request("DELETE", path, {}, body), timeout)

    async def stream(
        self, path: str, params: Mapping[str, str], idle_timeout: float, opened: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[bytes, None]:
        """The lines of a watch, until the server ends it. Calls `opened` once the server has agreed to it.

        Raises:
            TimeoutError: nothing came for `idle_timeout` seconds.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=idle_timeout)
        try:
            response = await self._transport.send(Request("GET", path, params), timeout)
            try:
                if response.status != 200:
                    raise _refusal(response, await response.read())
                opened()
                async for line in lines(response.content):
                    yield line
            finally:
                response.close()
        except TimeoutError:
            raise
        except (aiohttp.ClientError, OSError) as error:
            raise _silence(error) from error

    async def _write(self, request: Request, timeout: float, created: str = "") -> bytes:
        """The one place through which every write passes."""
        kind, name = _subject(request.path, created)
        after = Write(request.method, request.path, kind, name, "after")
        await self._announce(replace(after, phase="before"))
        try:
            answer = await self._call(request, timeout)
        except ApiError:
            await self._announce(after)
            raise
        await self._announce(after)
        return answer

    async def _announce(self, write: Write) -> None:
        if self._on_write is not None:
            await self._on_write(write)

    async def _call(self, request: Request, timeout: float) -> bytes:
        limit = aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_SECONDS)
        async with self._slots:
            try:
                async with await self._transport.send(request, limit) as response:
                    answer = await response.read()
            except (aiohttp.ClientError, OSError) as error:
                raise _silence(error) from error
        if response.status >= 300:
            raise _refusal(response, answer)
        return answer


class Cause(msgspec.Struct, frozen=True):
    field: str = ""
    message: str = ""


class Details(msgspec.Struct, frozen=True, rename="camel"):
    causes: tuple[Cause, ...] | None = None
    retry_after_seconds: float | None = None


class Status(msgspec.Struct, frozen=True, rename="camel"):
    """metav1.Status: how the API server refuses, in a response or in an ERROR event."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: Details | None = None


def refused(status: Status) -> ApiError:
    """A Status as an exception."""
    details = status.details or Details()
    causes = tuple(f"{c.field}: {c.message}" if c.field else c.message for c in details.causes or ())
    return ApiError(status.code, status.reason, status.message, causes=causes, retry_after=details.retry_after_seconds)


def _refusal(response: aiohttp.ClientResponse, body: bytes) -> ApiError:
    try:
        status = msgspec.json.decode(body, type=Status)
    except msgspec.MsgspecError:
        status = Status(reason=response.reason or "", message=body[:500].decode("utf-8", "replace"))
    error = refused(msgspec.structs.replace(status, code=response.status))
    header = response.headers.get("Retry-After", "")
    if header.isdecimal():
        error.retry_after = float(header)
    return error


def _silence(error: Exception) -> ApiError:
    never_sent = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    reason = "Timeout" if isinstance(error, TimeoutError) else "NoAnswer"
    return ApiError(0, reason, str(error) or type(error).__name__, sent=not never_sent)


def _subject(path: str, created: str) -> tuple[str, str]:
    """The kind (plural, with the subresource) and the name of what a write to this path is about."""
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if parts[0] == "namespaces" and len(parts) > 2:
        parts = parts[2:]
    plural, *rest = parts
    name, *sub = rest or [created]
    return "/".join([plural, *sub]), name
