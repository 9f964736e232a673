"""virt-api's server: TLS on a free port, registered by itself, unregistered when it stops, whatever it stops for."""

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import trustme
from aiohttp import web

from virtsim.cluster.client import Client
from virtsim.options import Options
from virtsim.virt_api import aggregated, api_services, front_proxy, registration, webhooks
from virtsim.virt_api.front_proxy import FrontProxy

logger = logging.getLogger(__name__)


@asynccontextmanager
async def serving(client: Client, options: Options) -> AsyncIterator[None]:
    """Answers admission reviews and serves the subresources for as long as the context is open.

    `client` asks for virt-api. A cluster without an aggregation layer gets no subresources.
    """
    authority = trustme.CA()
    proxy = await front_proxy.read(client)
    application = web.Application()
    webhooks.add_routes(application, client, options.version)
    if proxy is not None:
        aggregated.add_routes(application, client, options.version, proxy)
    else:
        logger.warning("the cluster has no aggregation layer: no evacuate/cancel, no migrate")
    async with _listening(application, options, _tls(authority, options, proxy)) as port:
        host, certificate = options.webhook_host, authority.cert_pem.bytes()
        async with AsyncExitStack() as registered:
            registered.push_async_callback(registration.unregister, client)
            await registration.register(client, f"https://{host}:{port}", certificate)
            if proxy is not None:
                registered.push_async_callback(api_services.unregister, client)
                await api_services.register(client, host, port, certificate)
            yield


def _tls(authority: trustme.CA, options: Options, proxy: FrontProxy | None) -> ssl.SSLContext:
    """A certificate under both names; whoever shows one of its own must be the API server."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(options.webhook_host, api_services.CERTIFIED).configure_cert(tls)
    if proxy is not None:
        tls.load_verify_locations(cadata=proxy.authority)
        tls.verify_mode = ssl.CERT_OPTIONAL
        # Python 3.13 wants key identifiers that the authorities of many clusters do not have.
        tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return tls


@asynccontextmanager
async def _listening(application: web.Application, options: Options, tls: ssl.SSLContext) -> AsyncIterator[int]:
    """The port on which the application answers."""
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        local = options.webhook_host in ("127.0.0.1", "localhost")
        await web.TCPSite(runner, "127.0.0.1" if local else "0.0.0.0", 0, ssl_context=tls).start()
        yield runner.addresses[0][1]
    finally:
        for connection in runner.server.connections if runner.server is not None else ():
            if connection.transport is not None:
                connection.transport.abort()  # the API server keeps them open, and would for as long as it likes
        await runner.cleanup()
