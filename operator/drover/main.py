"""Start, stop, signals, probes."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from drover.garbage import collect_seldom

if TYPE_CHECKING:
    from drover.loop import Loop
    from drover.metrics import Metrics
    from drover.watching.client import Client

log = logging.getLogger(__name__)

UNHEALTHY_AFTER_SECONDS = 180.0
"""Rounds come at least once a minute; three missed ones mean that the loop hangs."""


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("drover-operator", description="Plans and runs live migrations of KubeVirt VMs.")
    parser.add_argument("--kubeconfig", help="a kubeconfig file; default: the pod's service account, else $KUBECONFIG")
    parser.add_argument(
        "--http-host", default="", help="where probes and metrics are served; default: on all addresses, IPv4 and IPv6"
    )
    parser.add_argument("--http-port", type=int, default=8080, help="0 takes a free one, which is logged")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    parser.add_argument("--log-format", default="text", choices=["text", "json"])
    return parser.parse_args(argv)


class JSONFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def log_to_stderr(level: str, form: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JSONFormatter() if form == "json" else plain)
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def probes(loop: "Loop", metrics: "Metrics") -> web.Application:
    """/healthz: rounds are made. /readyz: a round has seen our objects. /metrics."""

    async def healthz(_: web.Request) -> web.Response:
        hangs = time.monotonic() - loop.last_round > UNHEALTHY_AFTER_SECONDS
        return web.Response(status=503 if hangs else 200, text="no round for three minutes" if hangs else "ok")

    async def readyz(_: web.Request) -> web.Response:
        text = "ok" if loop.ready else "our own kinds are not known (are the CRDs installed?)"
        return web.Response(status=200 if loop.ready else 503, text=text)

    async def exposition(_: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", exposition)])
    return app


async def serve(options: argparse.Namespace, client: "Client | None" = None) -> None:
    """Run until SIGTERM or SIGINT. `client`, not opened yet, is for those who want to know of its writes."""
    from drover.handlers import Handlers
    from drover.loop import Loop, utc_now
    from drover.metrics import Metrics
    from drover.watching.client import Client
    from drover.watching.store import Store

    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    api, metrics = client or Client(), Metrics()
    # The same clock as the loop's, which asks how long ago things were.
    store = Store(clock=lambda: utc_now(api.skew))
    await api.open(options.kubeconfig)
    loop = Loop(api, store, metrics)
    handlers = Handlers(loop.deliver, kubeconfig=options.kubeconfig, debug=options.log_level == "debug")
    runner = web.AppRunner(probes(loop, metrics), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, options.http_host or None, options.http_port)
    await site.start()
    log.info("probes and metrics at %s", runner.addresses)
    handlers.start()
    working = asyncio.create_task(loop.run(), name="loop")
    waiting = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await handlers.stop()
    await runner.cleanup()
    await api.close()
    if not stop.is_set():
        working.result()


def main(argv: list[str] | None = None) -> None:
    """The console script.

    numpy is loaded after this has set how many threads its BLAS may keep: the planner needs none of them, and each
    costs memory.
    """
    options = arguments(argv)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    log_to_stderr(options.log_level, options.log_format)
    collect_seldom()
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
