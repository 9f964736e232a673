"""The endpoint: one HTTP server for what Prometheus scrapes from virt-controller and from every virt-handler."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from virtsim.cluster.caches import Caches
from virtsim.metrics import guests, migrations, vmis
from virtsim.objects.resources import Key, Object, key_of
from virtsim.virt_handler.transfer.job import Job
from virtsim.virt_handler.transfers import Transfers


@dataclass(frozen=True)
class Scrape(Collector):
    """What is told in one answer, of one moment."""

    caches: Caches
    vmis: list[Object]
    vmims: list[Object]
    pods: Mapping[Key, Object | None]
    """The pod of each VMI: collected here, because the indexes change while another thread writes the text."""
    jobs: Mapping[Key, Job]
    transitions: migrations.Transitions

    def collect(self) -> Iterator[Metric]:
        yield from migrations.families(self.vmims)
        yield self.transitions.family()
        yield from vmis.families(self.caches.kubevirts, self.vmis, self.vmims, self.pods)
        yield from guests.families(self.caches, self.vmis, self.jobs)


@asynccontextmanager
async def metrics(caches: Caches, transfers: Transfers, host: str, port: int) -> AsyncIterator[None]:
    """Serves /metrics for as long as the context is open. Raises OSError if the port is taken."""
    transitions = migrations.Transitions()
    transitions.watch(caches.vmims)

    async def answer(request: web.Request) -> web.Response:
        pods = {key_of(vmi): caches.current_pod(vmi) for vmi in caches.vmis}
        scrape = Scrape(caches, list(caches.vmis), list(caches.vmims), pods, dict(transfers.running()), transitions)
        # Of 10,000 VMs that is some megabytes of text, for which nobody else shall wait.
        text = await asyncio.to_thread(generate_latest, scrape)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    application = web.Application()
    application.router.add_get("/metrics", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()
