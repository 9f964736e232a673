"""kopf: tells the loop what happens to MigrationPlans and NodeMaintenances, and does nothing else.

It runs in a thread and an asyncio loop of its own: on a shared one it takes SIGTERM, needs seconds to stop, and cancels
tasks that are not its own. It is given `on.event` handlers only, so that it writes no annotation and no finalizer.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import kopf
import msgspec

from drover.api.shared import GROUP, VERSION
from drover.watching.client import ApiError, Client
from drover.watching.credentials import load_configuration
from drover.watching.resources import MAINTENANCES, OURS, PLANS, Resource

log = logging.getLogger(__name__)

Deliver = Callable[[str, str, dict[str, Any]], None]
"""Takes "plans" or "maintenances"; ADDED, MODIFIED or DELETED; and the object as JSON."""

KINDS: tuple[Resource[Any], ...] = (PLANS, MAINTENANCES)
FIRST_BACKOFF = 1.0
LAST_BACKOFF = 30.0
ABSENT_SECONDS = 5.0
GRACE_SECONDS = 1.0


class Handlers:
    """kopf's thread; `deliver` is called on the loop that `start` was called on.

    It is not enough to know our kinds by: kopf's first list has no end mark, and what was deleted while it was away it
    never tells. List them as well.
    """

    def __init__(self, deliver: Deliver, *, kubeconfig: str | None = None, debug: bool = False) -> None:
        self._deliver = deliver
        self._kubeconfig = kubeconfig
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)
        self._started = threading.Event()
        self._home: asyncio.AbstractEventLoop
        self._loop: asyncio.AbstractEventLoop
        self._supervisor: asyncio.Task[None]
        self._stop: asyncio.Event
        _quieten(debug)

    def start(self) -> None:
        """Returns at once; kopf begins when our kinds are served."""
        self._home = asyncio.get_running_loop()
        self._thread.start()
        self._started.wait()

    async def stop(self) -> None:
        """Returns when the thread has ended, which takes less than two seconds."""
        with suppress(RuntimeError):  # its loop has ended already
            self._loop.call_soon_threadsafe(self._end)
        await asyncio.to_thread(self._thread.join)

    def _end(self) -> None:
        """Nicely, so that it closes its connections; if it takes too long, by cancelling it."""
        self._stop.set()
        self._loop.call_later(GRACE_SECONDS, self._supervisor.cancel)

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._supervise())

    async def _supervise(self) -> None:
        """Run kopf again and again: it ends for good at any trouble it does not expect (a 404, a 500 in a watch)."""
        task = asyncio.current_task()
        assert task is not None  # a coroutine always runs in one
        self._loop, self._supervisor, self._stop = asyncio.get_running_loop(), task, asyncio.Event()
        self._started.set()
        backoff = FIRST_BACKOFF
        while not self._stop.is_set():
            began = self._loop.time()
            pause = await self._once(backoff)
            lasted = self._loop.time() - began
            backoff = FIRST_BACKOFF if lasted > LAST_BACKOFF else min(2 * backoff, LAST_BACKOFF)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause)

    async def _once(self, backoff: float) -> float:
        """Run kopf until it ends; returns the seconds to wait before the next time."""
        try:
            missing = await self._missing()
            if missing:
                # kopf would watch what is there, and never notice the rest when it comes.
                log.warning("waiting for the API server to serve %s", ", ".join(missing))
                return ABSENT_SECONDS
            await kopf.operator(
                registry=self._registry(),
                settings=_settings(),
                standalone=True,
                clusterwide=True,
                stop_flag=self._stop,
            )
        except asyncio.CancelledError:
            if self._supervisor.cancelling():
                raise
            log.warning("kopf was cancelled from within; again in %s s", backoff)
        except Exception as error:
            log.warning("kopf ended; again in %s s: %r", backoff, error)
        return backoff

    async def _missing(self) -> list[str]:
        """Those of our kinds that the API server does not serve yet."""
        client = Client()
        await client.open(self._kubeconfig)
        try:
            served = _plurals(await client.get(OURS))
        except ApiError as error:
            if error.status != 404:
                raise
            served = frozenset()
        finally:
            await client.close()
        return [resource.plural for resource in KINDS if resource.plural not in served]

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        # A failed login ends kopf, and the next run tries again: by itself it would wait a minute.
        kopf.on.login(registry=registry, errors=kopf.ErrorsMode.PERMANENT)(self._login)
        for resource in KINDS:
            kopf.on.event(GROUP, VERSION, resource.plural, registry=registry, id=resource.name, param=resource.name)(
                self._cross
            )
        return registry

    async def _login(self, **_: Any) -> kopf.ConnectionInfo:
        """The credentials of `watching.client`; kopf asks again when they are refused."""
        configuration = await load_configuration(self._kubeconfig)
        header = await configuration.get_api_key_with_prefix("BearerToken") or ""
        scheme, *token = header.split(" ", 1)
        return kopf.ConnectionInfo(
            server=configuration.host,
            ca_path=configuration.ssl_ca_cert,
            insecure=not configuration.verify_ssl,
            scheme=scheme or None,
            token=token[0] if token else None,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
            proxy_url=configuration.proxy,
        )

    async def _cross(self, event: kopf.RawEvent, param: Any = None, **_: Any) -> None:
        change = event["type"] or "ADDED"
        body: dict[str, Any] = {**event["object"]}
        with suppress(RuntimeError):  # the other loop has ended before we did
            self._home.call_soon_threadsafe(self._deliver, param, change, body)


class Served(msgspec.Struct, frozen=True):
    name: str


class APIResourceList(msgspec.Struct, frozen=True):
    """metav1.APIResourceList: the answer to discovery of one group and version."""

    resources: list[Served] = []


def _plurals(discovery: bytes) -> frozenset[str]:
    return frozenset(served.name for served in msgspec.json.decode(discovery, type=APIResourceList).resources)


def _settings() -> kopf.OperatorSettings:
    """Nothing but watching. The finalizer stays kopf's own: it would remove ours from objects if it took it for its."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    # Else it lists and watches all CustomResourceDefinitions, which our account may not.
    settings.scanning.disabled = True
    # Else it kills the process ten minutes after it ended, though it has been started again since.
    settings.process.ultimate_exiting_timeout = None
    settings.watching.server_timeout = 270
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = (1, 1, 2, 3, 5)
    settings.queueing.idle_timeout = 1
    return settings


def _quieten(debug: bool) -> None:
    logging.getLogger("kopf").setLevel(logging.DEBUG if debug else logging.WARNING)
    # It warns that it leaves the signals alone, which is what we want.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.DEBUG if debug else logging.ERROR)
