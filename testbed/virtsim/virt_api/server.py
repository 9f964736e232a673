"""virt-api's webhook server: TLS on a free port, registered by itself, unregistered when it stops."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trustme
from aiohttp import web

from virtsim.cluster.client import Client
from virtsim.options import Options
from virtsim.virt_api import evictions, migrations, vmis
from virtsim.virt_api.registration import register, unregister
from virtsim.virt_api.review import Denial, Request, allowed, denied, request_of

Answer = Callable[[Request], Awaitable[bytes]]


@asynccontextmanager
async def serving(client: Client, options: Options) -> AsyncIterator[None]:
    """Answers admission reviews for as long as the context is open. `client` reads for the webhooks."""
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(options.webhook_host).configure_cert(tls)
    runner = web.AppRunner(application(client), access_log=None)
    await runner.setup()
    try:
        local = options.webhook_host in ("127.0.0.1", "localhost")
        await web.TCPSite(runner, "127.0.0.1" if local else "0.0.0.0", 0, ssl_context=tls).start()
        port = runner.addresses[0][1]
        await register(client, f"https://{options.webhook_host}:{port}", authority.cert_pem.bytes())
        try:
            yield
        finally:
            await unregister(client)
    finally:
        for connection in runner.server.connections if runner.server is not None else ():
            if connection.transport is not None:
                connection.transport.abort()  # the API server keeps them open, and would for as long as it likes
        await runner.cleanup()


def application(client: Client) -> web.Application:
    """The webhooks by their paths in KubeVirt."""
    application = web.Application()
    for path, answer in _answers(client).items():
        application.router.add_post(path, _handler(answer))
    return application


def _answers(client: Client) -> dict[str, Answer]:
    async def create(request: Request) -> bytes:
        return _verdict(request, await migrations.admit_create(client, request))

    async def update(request: Request) -> bytes:
        return _verdict(request, migrations.admit_update(request))

    async def mutate(request: Request) -> bytes:
        return allowed(request, migrations.mutation(request))

    async def update_vmi(request: Request) -> bytes:
        return _verdict(request, vmis.admit_update(request))

    async def mutate_vmi(request: Request) -> bytes:
        return allowed(request, vmis.mutation(request))

    async def evict(request: Request) -> bytes:
        return _verdict(request, await evictions.admit(client, request))

    return {
        "/pod-eviction-validate": evict,
        "/migration-validate-create": create,
        "/migration-validate-update": update,
        "/migration-mutate-create": mutate,
        "/virtualmachineinstances-validate-update": update_vmi,
        "/virtualmachineinstances-mutate": mutate_vmi,
    }


def _verdict(request: Request, denial: Denial | None) -> bytes:
    return allowed(request) if denial is None else denied(request, denial)


def _handler(answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(asked: web.Request) -> web.Response:
        body = await answer(request_of(await asked.read()))
        return web.Response(body=body, content_type="application/json")

    return handle
