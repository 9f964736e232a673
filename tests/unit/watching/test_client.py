"""What the client sends, what it makes of the answers, and what it does when there are none."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from drover.watching.client import ApiError, Client, Write
from drover.watching.credentials import NoClusterError
from tests.unit.watching.server import a_kubeconfig, refuses, says, serving

pytestmark = pytest.mark.anyio

NODE = "/api/v1/nodes/n1"
VMIM = "/apis/kubevirt.io/v1/namespaces/tenant/virtualmachineinstancemigrations/m"
PLAN_STATUS = "/apis/drover.dev/v1alpha1/migrationplans/p/status"
Call = Callable[[Client], Awaitable[bytes]]


class Recorder:
    """Remembers the requests; answers all of them with the same response."""

    def __init__(self) -> None:
        self.requests: list[tuple[web.Request, bytes]] = []
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] = self.yes

    async def yes(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "Answer"})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request, await request.read()))
        return await self.answer(request)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@asynccontextmanager
async def client_of(recorder: Recorder, directory: Path, *, user: Any = None, **options: Any) -> AsyncIterator[Client]:
    async with serving(recorder.handle) as url:
        client = Client(**options)
        await client.open(a_kubeconfig(directory, url, **(user or {})))
        try:
            yield client
        finally:
            await client.close()


@pytest.mark.parametrize(
    ("call", "method", "query", "content_type", "body"),
    [
        (lambda c: c.get(NODE, {"fieldSelector": "a!=b,c=d"}), "GET", {"fieldSelector": "a!=b,c=d"}, None, None),
        (
            lambda c: c.create("/api/v1/nodes", {"metadata": {"name": "n1"}}),
            "POST",
            {"fieldManager": "drover"},
            "application/json",
            {"metadata": {"name": "n1"}},
        ),
        (
            lambda c: c.apply(PLAN_STATUS, {"status": {}}, field_manager="drover-status"),
            "PATCH",
            {"fieldManager": "drover-status", "force": "true"},
            "application/apply-patch+yaml",
            {"status": {}},
        ),
        (
            lambda c: c.json_patch(NODE, [{"op": "test", "path": "/a", "value": 1}], "drover"),
            "PATCH",
            {"fieldManager": "drover"},
            "application/json-patch+json",
            [{"op": "test", "path": "/a", "value": 1}],
        ),
        (
            lambda c: c.merge_patch(NODE, {"spec": {"unschedulable": None}}, "drover"),
            "PATCH",
            {"fieldManager": "drover"},
            "application/merge-patch+json",
            {"spec": {"unschedulable": None}},
        ),
        (
            lambda c: c.delete(VMIM, uid="u", resource_version="7"),
            "DELETE",
            {},
            "application/json",
            {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "u", "resourceVersion": "7"}},
        ),
        (
            lambda c: c.delete(VMIM),
            "DELETE",
            {},
            "application/json",
            {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {}},
        ),
    ],
)
async def test_sends(
    recorder: Recorder,
    tmp_path: Path,
    call: Call,
    method: str,
    query: dict[str, str],
    content_type: str | None,
    body: object,
) -> None:
    async with client_of(recorder, tmp_path, user={"token": "secret"}) as client:
        assert await call(client) == b'{"kind": "Answer"}'
    ((request, sent),) = recorder.requests
    assert request.method == method
    assert dict(request.query) == query
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.headers["User-Agent"].startswith("drover/0.")
    if content_type is not None:
        assert request.headers["Content-Type"] == content_type
        assert json.loads(sent) == body


async def test_a_refusal_says_what_the_server_says(recorder: Recorder, tmp_path: Path) -> None:
    answer = {
        "kind": "Status",
        "reason": "Invalid",
        "message": "it is wrong",
        "details": {
            "causes": [{"reason": "FieldValueInvalid", "field": "spec.a", "message": "must be 1"}, {"message": "odd"}],
            "retryAfterSeconds": 3,
        },
    }

    async def invalid(_: web.Request) -> web.StreamResponse:
        return web.json_response(answer, status=422)

    recorder.answer = invalid
    async with client_of(recorder, tmp_path) as client:
        with pytest.raises(ApiError) as caught:
            await client.get(NODE)
    error = caught.value
    assert (error.status, error.reason, error.message) == (422, "Invalid", "it is wrong")
    assert error.causes == ("spec.a: must be 1", "odd")
    assert error.retry_after == 3.0
    assert str(error) == "422 Invalid: it is wrong"


async def test_a_refusal_by_something_else_than_an_api_server(recorder: Recorder, tmp_path: Path) -> None:
    async def proxy(_: web.Request) -> web.StreamResponse:
        return web.Response(status=502, text="<html>Bad luck</html>", headers={"Retry-After": "9"})

    recorder.answer = proxy
    async with client_of(recorder, tmp_path) as client:
        with pytest.raises(ApiError) as caught:
            await client.get(NODE)
    assert (caught.value.status, caught.value.message) == (502, "<html>Bad luck</html>")
    assert caught.value.retry_after == 9.0


@pytest.mark.parametrize("status", [400, 403, 409, 429, 500, 503])
async def test_nothing_is_tried_twice(recorder: Recorder, tmp_path: Path, status: int) -> None:
    recorder.answer = refuses(status, "No", headers={"Retry-After": "1"})
    async with client_of(recorder, tmp_path) as client:
        with pytest.raises(ApiError):
            await client.merge_patch(NODE, {}, "drover")
    assert len(recorder.requests) == 1


async def test_a_write_that_was_sent_and_not_answered_may_have_been_done(recorder: Recorder, tmp_path: Path) -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    recorder.answer = never
    async with client_of(recorder, tmp_path) as client:
        with pytest.raises(ApiError) as caught:
            await client.create("/api/v1/nodes", {"metadata": {"name": "n1"}}, timeout=0.05)
    assert (caught.value.status, caught.value.reason, caught.value.sent) == (0, "Timeout", True)


async def test_a_connection_that_breaks_while_waiting_is_no_answer_either(recorder: Recorder, tmp_path: Path) -> None:
    async def hangs_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    recorder.answer = hangs_up
    async with client_of(recorder, tmp_path) as client:
        with pytest.raises(ApiError) as caught:
            await client.create("/api/v1/nodes", {"metadata": {"name": "n1"}})
    assert (caught.value.status, caught.value.reason, caught.value.sent) == (0, "NoAnswer", True)


async def test_a_write_that_could_not_be_sent_was_not_done(tmp_path: Path) -> None:
    client = Client()
    await client.open(a_kubeconfig(tmp_path, f"http://127.0.0.1:{unused_port()}"))
    with pytest.raises(ApiError) as caught:
        await client.create("/api/v1/nodes", {"metadata": {"name": "n1"}})
    await client.close()
    assert (caught.value.status, caught.value.reason, caught.value.sent) == (0, "NoAnswer", False)


WRITES: list[tuple[Call, str, str, str]] = [
    (lambda c: c.create("/api/v1/nodes", {"metadata": {"name": "n1"}}), "POST", "nodes", "n1"),
    (
        lambda c: c.create("/api/v1/namespaces/tenant/events", {"metadata": {"name": "e"}}),
        "POST",
        "events",
        "e",
    ),
    (lambda c: c.create("/api/v1/namespaces", {"metadata": {"name": "x"}}), "POST", "namespaces", "x"),
    (lambda c: c.merge_patch("/api/v1/namespaces/x", {}, "drover"), "PATCH", "namespaces", "x"),
    (lambda c: c.json_patch(NODE, [], "drover"), "PATCH", "nodes", "n1"),
    (lambda c: c.apply(PLAN_STATUS, {}, field_manager="drover"), "PATCH", "migrationplans/status", "p"),
    (lambda c: c.delete(VMIM), "DELETE", "virtualmachineinstancemigrations", "m"),
]


@pytest.mark.parametrize(("call", "verb", "kind", "name"), WRITES)
async def test_every_write_is_announced_before_it_is_sent_and_after_its_answer(
    recorder: Recorder, tmp_path: Path, call: Call, verb: str, kind: str, name: str
) -> None:
    announced: list[tuple[Write, int]] = []

    async def hook(write: Write) -> None:
        announced.append((write, len(recorder.requests)))

    async with client_of(recorder, tmp_path, on_write=hook) as client:
        await call(client)
    ((before, sent_before), (after, sent_after)) = announced
    assert (before.verb, before.kind, before.name, before.phase) == (verb, kind, name, "before")
    assert (after.verb, after.kind, after.name, after.phase) == (verb, kind, name, "after")
    assert (sent_before, sent_after) == (0, 1)


async def test_a_refused_write_is_announced_as_well_and_a_read_is_not(recorder: Recorder, tmp_path: Path) -> None:
    phases: list[str] = []

    async def hook(write: Write) -> None:
        phases.append(write.phase)

    async with client_of(recorder, tmp_path, on_write=hook) as client:
        await client.get(NODE)
        assert phases == []
        recorder.answer = refuses(409, "Conflict")
        with pytest.raises(ApiError):
            await client.delete(VMIM)
    assert phases == ["before", "after"]


async def test_a_hook_that_fails_stops_the_write(recorder: Recorder, tmp_path: Path) -> None:
    async def hook(_: Write) -> None:
        raise RuntimeError("killed here")

    async with client_of(recorder, tmp_path, on_write=hook) as client:
        with pytest.raises(RuntimeError, match="killed here"):
            await client.delete(VMIM)
    assert recorder.requests == []


async def test_no_more_calls_at_once_than_allowed(recorder: Recorder, tmp_path: Path) -> None:
    together = peak = 0
    full = asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        nonlocal together, peak
        together += 1
        peak = max(peak, together)
        if together == 3:
            full.set()
        await asyncio.wait_for(full.wait(), 15)
        for _step in range(20):
            await asyncio.sleep(0)
        together -= 1
        return web.json_response({})

    recorder.answer = slow
    async with client_of(recorder, tmp_path, concurrency=3) as client:
        await asyncio.gather(*(client.get(NODE) for _ in range(12)))
    assert peak == 3
    assert len(recorder.requests) == 12


def change_token(directory: Path, old: str, new: str) -> None:
    path = directory / "kubeconfig"
    path.write_text(path.read_text().replace(f'"{old}"', f'"{new}"'))


def remove_kubeconfig(directory: Path) -> None:
    (directory / "kubeconfig").unlink()


async def test_refused_credentials_are_read_again_once(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("drover.watching.transport.time.monotonic", lambda: now)

    async def only_the_new(request: web.Request) -> web.StreamResponse:
        if request.headers["Authorization"] != "Bearer new":
            return await refuses(401, "Unauthorized")(request)
        return web.json_response({})

    recorder.answer = only_the_new
    async with client_of(recorder, tmp_path, user={"token": "old"}) as client:
        with pytest.raises(ApiError) as caught:
            await client.get(NODE)
        assert caught.value.status == 401
        assert len(recorder.requests) == 1, "they had been read just now"
        now = 60.0
        change_token(tmp_path, "old", "new")
        assert await client.merge_patch(NODE, {}, "drover") == b"{}"
    assert [request.headers["Authorization"] for request, _ in recorder.requests[1:]] == ["Bearer old", "Bearer new"]


async def test_credentials_that_cannot_be_read_again_leave_it_at_the_refusal(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("drover.watching.transport.time.monotonic", lambda: now)
    recorder.answer = refuses(401, "Unauthorized")
    async with client_of(recorder, tmp_path) as client:
        remove_kubeconfig(tmp_path)
        now = 60.0
        with pytest.raises(ApiError) as caught:
            await client.get(NODE)
    assert caught.value.status == 401


async def collect(client: Client, idle_timeout: float = 10.0) -> list[bytes]:
    return [line async for line in client.stream("/api/v1/nodes", {"watch": "true"}, idle_timeout)]


@pytest.mark.parametrize(
    "chunks",
    [[b"one\ntwo\n"], [b"on", b"e\ntw", b"o\n"], [b"one\n\n", b"two\nhalf a li"]],
    ids=["whole", "in pieces", "cut off"],
)
async def test_a_stream_yields_whole_lines(recorder: Recorder, tmp_path: Path, chunks: list[bytes]) -> None:
    async def watch(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(0)
        return response

    recorder.answer = watch
    async with client_of(recorder, tmp_path) as client:
        assert await collect(client) == [b"one", b"two"]


async def test_a_line_may_be_as_long_as_an_object_in_etcd(recorder: Recorder, tmp_path: Path) -> None:
    recorder.answer = says("x" * 1_500_000, "short")
    async with client_of(recorder, tmp_path) as client:
        assert [len(line) for line in await collect(client)] == [1_500_000, 5]


async def test_a_stream_that_falls_silent_times_out(recorder: Recorder, tmp_path: Path) -> None:
    async def silence(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one\n")
        await asyncio.Event().wait()
        return response

    recorder.answer = silence
    lines: list[bytes] = []
    async with client_of(recorder, tmp_path) as client:
        with pytest.raises(TimeoutError):
            lines.extend([line async for line in client.stream("/api/v1/nodes", {}, 0.05)])


async def test_a_stream_that_is_refused(recorder: Recorder, tmp_path: Path) -> None:
    recorder.answer = refuses(410, "Expired")
    async with client_of(recorder, tmp_path) as client:
        with pytest.raises(ApiError) as caught:
            await collect(client)
    assert caught.value.status == 410


async def test_a_stream_that_breaks_is_no_answer(recorder: Recorder, tmp_path: Path) -> None:
    async def breaks(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"one\n")
        assert request.transport is not None
        request.transport.abort()
        return response

    recorder.answer = breaks
    async with client_of(recorder, tmp_path) as client:
        with pytest.raises(ApiError) as caught:
            await collect(client)
    assert caught.value.status == 0


def test_no_typed_model_is_loaded() -> None:
    """They are pydantic classes of 45 MB together; kubernetes 37 loads each when it is first touched."""
    program = "import sys, drover.watching.informer; print([m for m in sys.modules if '.models.' in m or '.api.' in m])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert [name for name in json.loads(done.stdout.replace("'", '"')) if name.startswith("kubernetes")] == []


async def test_a_certificate_that_is_none_is_an_error_in_words(tmp_path: Path) -> None:
    path = a_kubeconfig(tmp_path, "https://127.0.0.1:1", **{"client-certificate": str(tmp_path / "nowhere.crt")})
    with pytest.raises(NoClusterError, match="nowhere"):
        await Client().open(path)


def at_time(offset: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=offset), usegmt=True)


@pytest.mark.parametrize(("date", "skew"), [(0, 0), (1, 0), (121, 121), (-3600, -3600)])
async def test_it_knows_how_far_the_servers_clock_is_ahead(
    recorder: Recorder, tmp_path: Path, date: float, skew: float
) -> None:
    async def dated(_: web.Request) -> web.StreamResponse:
        return web.json_response({}, headers={"Date": at_time(date)})

    recorder.answer = dated
    async with client_of(recorder, tmp_path) as client:
        await client.get(NODE)
        assert abs(client.skew.total_seconds() - skew) < 3
        assert (client.skew == timedelta()) is (skew == 0)


async def test_a_server_without_a_clock_changes_nothing(recorder: Recorder, tmp_path: Path) -> None:
    async def undated(_: web.Request) -> web.StreamResponse:
        return web.json_response({}, headers={"Date": "yesterday"})

    recorder.answer = undated
    async with client_of(recorder, tmp_path) as client:
        await client.get(NODE)
        assert client.skew == timedelta()
