"""Starts the four servers in an instance's folder and waits until a pod could be scheduled."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from controlplane import kubeconfig, servers
from controlplane.component import Component
from controlplane.health import Client, wait_for
from controlplane.instance import Instance
from controlplane.machine import usable_memory
from controlplane.pki import write_pki
from controlplane.users import write_tokens

_TIMEOUT = 60.0
_MEMORY_SHARE = 0.4
"""Of the machine's memory, above which the API server collects its garbage sooner: 1.6 GB of 4 GB. At 10,000 pods it
would take up to 2 GB without, and etcd, the controllers, the simulator and the operator live beside it."""

_GOGC = "300"
"""Below that share they let their heaps grow to four times what lives, instead of twice: collecting took a quarter of
the API server's time while a fleet was loaded."""


class Servers:
    """The servers of one control plane; a context manager that starts them and kills them.

    Entering raises ControlPlaneError, with a log's last lines, if one of them dies or is not ready in a minute.
    """

    def __init__(self, instance: Instance, tools: Mapping[str, Path], settings: servers.Settings) -> None:
        self._instance = instance
        self._settings = settings
        self.layout = servers.Layout(tools, instance.directory, *instance.reserve_ports(5))
        self.endpoint, self._admin = _write_credentials(self.layout)
        self.components: list[Component] = []

    def __enter__(self) -> Self:
        try:
            self._start(time.monotonic() + _TIMEOUT)
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()

    def _start(self, deadline: float) -> None:
        """In the order that is quickest.

        The API server waits for etcd by itself. The controller-manager and the scheduler come after it has made their
        roles: started together with it they are forbidden what they ask for, and back off for seconds.
        """
        at, admin, anybody, settings = self.layout, self._admin, Client(None), self._settings
        self._run(servers.etcd(at))
        self._run(servers.apiserver(at, settings.audit))
        self._wait("the API server", admin, f"{at.server}/readyz", deadline)
        self._run(servers.controller_manager(at, settings.controllers))
        self._run(servers.scheduler(at, settings.scheduling))
        account = f"{at.server}/api/v1/namespaces/default/serviceaccounts/default"
        self._wait("the default ServiceAccount", admin, account, deadline)
        self._wait("the scheduler", anybody, f"https://127.0.0.1:{at.scheduler}/readyz", deadline)

    def _run(self, command: Sequence[str]) -> None:
        log = self.layout.directory / f"{Path(command[0]).name}.log"
        component = Component(command, log, _environment(self.layout))
        self.components.append(component)
        self._instance.note_child(component.name, component.pid)

    def _wait(self, what: str, client: Client, url: str, deadline: float) -> None:
        wait_for(what, lambda: client.succeeds(url), self.components, deadline)

    def _kill(self) -> None:
        for component in reversed(self.components):
            component.kill()


def _write_credentials(layout: servers.Layout) -> tuple[kubeconfig.Endpoint, Client]:
    """The API server as kubeconfig files name it, and the administrator's way to ask it."""
    pki = write_pki(layout.directory / "pki")
    endpoint = kubeconfig.endpoint(layout.server, pki.ca)
    tokens = write_tokens(layout.tokens)
    for name, token in tokens.items():
        told = kubeconfig.beside_etcd(endpoint, layout.etcd_url) if name == "admin" else endpoint
        kubeconfig.write(layout.kubeconfig(name), told, {"token": token})
    return endpoint, Client(pki.directory / "ca.crt", tokens["admin"])


def _environment(layout: servers.Layout) -> dict[str, str]:
    """Little of ours, so that a control plane is the same wherever it is started."""
    memory = int(usable_memory() * _MEMORY_SHARE)
    limits = {"GOMEMLIMIT": f"{memory}B", "GOGC": _GOGC}
    return {"PATH": os.defpath, "HOME": str(layout.directory), **limits}
