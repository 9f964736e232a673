"""`python -m virtsim --kubeconfig FILE --fleet FLEET.yaml`: simulates KubeVirt until it is told to stop."""

import argparse
import asyncio
import gc
import logging
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import aiohttp
import msgspec
from kubernetes.aio.config import ConfigException

from virtsim import versions
from virtsim.cluster.client import ApiError
from virtsim.crds.install import ForeignKubeVirtError
from virtsim.fleet.spec import Fleet, FleetError, names, read
from virtsim.objects import quantity
from virtsim.options import Options
from virtsim.simulator import running
from virtsim.virt_api.api_services import UnreachableError

FAILED = 1
REFUSED = 2


def main() -> int:
    """Exit code 0 after SIGTERM or Ctrl-C, 1 without API server or port, 2 when cluster or fleet file is refused."""
    arguments = parser().parse_args()
    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.INFO, format="%(levelname).1s %(message)s"
    )
    # Caches of many small dicts that live long: a collection every 700 objects would only walk them.
    gc.set_threshold(50_000, 20, 20)
    try:
        asyncio.run(simulate(arguments.kubeconfig, fleet(arguments), options(arguments)))
    except (ForeignKubeVirtError, FleetError) as error:
        print(f"virtsim: {error}", file=sys.stderr)
        return REFUSED
    except (ApiError, UnreachableError, aiohttp.ClientError, ConfigException, OSError) as error:
        print(f"virtsim: {arguments.kubeconfig}: {error}", file=sys.stderr)
        return FAILED
    return 0


def parser() -> argparse.ArgumentParser:
    """What may be said on the command line."""
    words = argparse.ArgumentParser(prog="virtsim", description="Simulates KubeVirt beside a real API server.")
    words.add_argument("--kubeconfig", type=Path, required=True, help="the cluster; its current context is used")
    words.add_argument("--fleet", type=Path, required=True, help="YAML of nodes and VMs, see README.md")
    words.add_argument("--speed-up", type=float, default=1.0, metavar="N", help="transfers run N times faster")
    words.add_argument("--link-speed", default="1250M", metavar="BYTES", help="per second and node (1250M)")
    words.add_argument("--metrics-port", type=int, default=0, metavar="PORT", help="serve /metrics there (0: do not)")
    words.add_argument("--webhook-host", default="127.0.0.1", help="where the API server reaches this process")
    words.add_argument(
        "--kubevirt-version",
        default=str(versions.NEWEST),
        choices=[str(known) for known in versions.KNOWN],
        help="the minor version of KubeVirt that is simulated",
    )
    words.add_argument("--fast-path", action="store_true", help="write VMs down as running, see README.md")
    words.add_argument("--verbose", action="store_true")
    return words


def fleet(arguments: argparse.Namespace) -> Fleet:
    """The fleet of the command line. Raises FleetError."""
    said = read(arguments.fleet)
    return msgspec.structs.replace(said, fast_path=said.fast_path or arguments.fast_path)


def options(arguments: argparse.Namespace) -> Options:
    """The options of the command line. Raises FleetError for a link speed that is no quantity."""
    try:
        link_speed = float(quantity.parse(arguments.link_speed))
    except ValueError as error:
        raise FleetError(f"--link-speed: {error}") from error
    return Options(
        speed_up=arguments.speed_up,
        link_speed=link_speed,
        webhook_host=arguments.webhook_host,
        version=versions.parse(arguments.kubevirt_version),
        metrics_port=arguments.metrics_port,
    )


async def simulate(kubeconfig: Path, fleet: Fleet, chosen: Options) -> None:
    """Runs until SIGTERM or SIGINT. Prints one line when all VMs are Running, which is what a parent waits for."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    began = time.monotonic()
    simulation = asyncio.ensure_future(_hold(kubeconfig, fleet, chosen, began))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({simulation, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    simulation.cancel()
    with suppress(asyncio.CancelledError):
        await simulation


async def _hold(kubeconfig: Path, fleet: Fleet, chosen: Options, began: float) -> None:
    """Until it is cancelled, which it may be while the VMs still start: whatever is registered is taken out then."""
    async with running(kubeconfig, fleet, chosen) as simulator:
        nodes = sum(len(names(group)) for group in fleet.nodes)
        vms = sum(len(names(group)) for group in fleet.virtual_machines)
        print(f"virtsim: ready, {nodes} nodes, {vms} VMs, {time.monotonic() - began:.1f} s", flush=True)
        await simulator.crashed()


if __name__ == "__main__":
    sys.exit(main())
