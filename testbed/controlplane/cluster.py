"""Which cluster to use: one of our own, a kind cluster, or one that the user has named. The door of this package."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal

from controlplane import kubeconfig
from controlplane.binaries import CLIENTS, tools
from controlplane.connection import Cluster
from controlplane.errors import ControlPlaneError
from controlplane.instance import Instance, claim
from controlplane.kind import kind_running
from controlplane.launch import Servers
from controlplane.pki import write_private
from controlplane.recipe import TOOLS
from controlplane.servers import Settings
from controlplane.signals import ending_by_exception

__all__ = ["Audit", "Cluster", "from_environment", "prepare", "start"]

Audit = Literal["rules"]
"""`rules`: what audit-policy.yaml beside this module says."""


@contextmanager
def start(
    name: str, audit: Audit | None = None, *, controllers: str = "*", scheduling: Mapping[str, Any] | None = None
) -> Iterator[Cluster]:
    """A control plane of our own on loopback, ready to use; stopped and removed without a trace at the end.

    `controllers` is --controllers of kube-controller-manager, the serviceaccount-controller at least; `scheduling` are
    fields of a KubeSchedulerConfiguration.

    Ends properly on Ctrl-C, SIGTERM and exceptions; what a killed process leaves, the next start removes. The programs
    are built first where need be. Raises ControlPlaneError if they cannot be built or do not start.
    """
    programs = tools()
    settings = Settings(audit is not None, controllers, scheduling or {})
    with (
        ending_by_exception(),
        claim(name) as instance,
        Servers(instance, programs, settings) as running,
    ):
        yield Cluster(
            name=name,
            kubeconfig=running.layout.kubeconfig("admin"),
            endpoint=running.endpoint,
            directory=instance.directory,
            tools=programs,
            own=True,
            audit_log=running.layout.audit_log if audit is not None else None,
            components=tuple(running.components),
        )


def from_environment(name: str, audit: Audit | None = None) -> AbstractContextManager[Cluster]:
    """The cluster that the environment variable CLUSTER names.

    - unset or `controlplane`: `start`;
    - `kubeconfig`: the current context of the file that KUBECONFIG names. Never ~/.kube/config by accident;
    - `kind`: a new kind cluster, deleted at the end.

    Only the first can write an audit log. Raises ControlPlaneError, with what to do, for anything else.
    """
    match _wanted():
        case "controlplane":
            return start(name, audit)
        case "kubeconfig":
            return _named_by_user(name)
        case "kind":
            return _in_kind(name)
        case other:
            raise ControlPlaneError(f"CLUSTER={other}: it may be controlplane (or unset), kubeconfig or kind")


def prepare() -> None:
    """Builds the programs that `from_environment` needs, if they are not there yet."""
    tools(TOOLS if _wanted() == "controlplane" else CLIENTS)


def _wanted() -> str:
    return os.environ.get("CLUSTER") or "controlplane"


@contextmanager
def _named_by_user(name: str) -> Iterator[Cluster]:
    source = os.environ.get("KUBECONFIG")
    if not source:
        raise ControlPlaneError(
            "CLUSTER=kubeconfig: set KUBECONFIG to the file of the cluster to use; its current context is used"
        )
    with ending_by_exception(), claim(name) as instance:
        yield _connected(name, instance, source, own=False)


@contextmanager
def _in_kind(name: str) -> Iterator[Cluster]:
    with ending_by_exception(), claim(name) as instance, kind_running(instance) as source:
        yield _connected(name, instance, str(source), own=True)


def _connected(name: str, instance: Instance, source: str, own: bool) -> Cluster:
    """A connection by a copy of the kubeconfig's current context that needs no other file."""
    programs = tools(CLIENTS)
    flat = _kubectl(programs["kubectl"], source, "config", "view", "--raw", "--minify", "--flatten")
    copy = instance.directory / "admin.kubeconfig"
    write_private(copy, flat.encode())
    _kubectl(programs["kubectl"], str(copy), "get", "--raw=/readyz", "--request-timeout=10s")
    endpoint = kubeconfig.read_endpoint(flat)
    return Cluster(name, copy, endpoint, instance.directory, programs, own)


def _kubectl(program: Path, source: str, *args: str) -> str:
    env = os.environ | {"KUBECONFIG": source}
    result = subprocess.run([str(program), *args], env=env, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ControlPlaneError(f"KUBECONFIG={source}: `kubectl {' '.join(args)}` says: {result.stderr.strip()}")
    return result.stdout
