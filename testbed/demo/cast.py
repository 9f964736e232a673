"""Who plays: the simulated KubeVirt with its fleet, and Drover as its chart installs it. All of it goes again."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from controlplane.cluster import Cluster
from controlplane.errors import ControlPlaneError
from demo import fleet
from demo.fleet import NAMESPACE
from demo.program import Program

SYSTEM = "drover-system"
ACCOUNT = "drover"
KUBEVIRT = "kubevirt"
_CHART = Path(__file__).parents[2] / "charts" / "drover"
_FLEET_WITHIN = 120.0
_OPERATOR_WITHIN = 30.0
_REMOVED_WITHIN = "60s"
_SIMULATED_NODES = "virtsim.drover.dev/node"
_SIMULATED_KINDS = "virtsim.drover.dev/crd"
_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


def refuse_occupied(cluster: Cluster) -> None:
    """Raises ControlPlaneError if a user's cluster has what the demo brings: it would mix with it, and remove it."""
    if cluster.own:
        return
    kinds = ("nodemaintenances.drover.dev", "virtualmachineinstances.kubevirt.io")
    names = [f"namespace/{name}" for name in (NAMESPACE, SYSTEM, KUBEVIRT)]
    names += [f"customresourcedefinition/{name}" for name in kinds] + [f"node/{name}" for name in node_names()]
    found = cluster.kubectl("get", *names, "--ignore-not-found", "--output=name").stdout.split()
    if found:
        raise ControlPlaneError(
            f"this cluster has {', '.join(found)} already, and the demo brings its own: use an empty cluster"
        )


def node_names() -> list[str]:
    """The fleet's nodes, named as virtsim does."""
    return [f"{group['name']}-{n:02d}" for group in fleet.document()["nodes"] for n in range(1, group["count"] + 1)]


@contextmanager
def simulator(cluster: Cluster, webhook_host: str) -> Iterator[Program]:
    """The simulated KubeVirt, started; `ready` waits for its fleet."""
    arguments = [f"--kubeconfig={cluster.kubeconfig}", f"--fleet={fleet.FLEET}", f"--speed-up={fleet.SPEED_UP}"]
    program = Program("virtsim", "virtsim", [*arguments, f"--webhook-host={webhook_host}"], cluster.directory)
    try:
        yield program
    finally:
        if not cluster.own:
            # While it lives: it takes the finalizers off and ends the pods.
            _remove(cluster, "namespaces", NAMESPACE)
            _remove(cluster, "nodes", f"--selector={_SIMULATED_NODES}")
        program.stop()
        if not cluster.own:
            # Not before: without the Service of its subresources, no namespace of the cluster can be deleted.
            _remove(cluster, "namespaces", KUBEVIRT)
            _remove(cluster, "customresourcedefinitions,clusterroles", f"--selector={_SIMULATED_KINDS}")


def fleet_ready(program: Program) -> str:
    """Returns when all VMs run, with how the simulator puts it. Raises ControlPlaneError."""
    return program.wait_until_it_says("virtsim: ready, ", _FLEET_WITHIN)


@contextmanager
def chart(cluster: Cluster) -> Iterator[Path]:
    """The chart without a replica (nothing here runs a container); yields a kubeconfig of its ServiceAccount."""
    rendered = cluster.helm("template", "drover", str(_CHART), f"--namespace={SYSTEM}", "--set=replicas=0").stdout
    metadata = {"name": SYSTEM, "labels": _RESTRICTED}
    objects = [{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, *yaml.safe_load_all(rendered)]
    items = _as_list([each for each in objects if each])
    try:
        cluster.kubectl("apply", "--server-side", "--filename=-", input=items)
        yield cluster.token_kubeconfig(SYSTEM, ACCOUNT)
    finally:
        if not cluster.own:
            _remove(cluster, "--filename=-", text=items)
            _remove(cluster, "events", "--namespace=default", "--field-selector=reportingComponent=drover")


def _as_list(items: list[Any]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


@contextmanager
def operator(cluster: Cluster, kubeconfig: Path) -> Iterator[Program]:
    """Drover's own process with the rights of its ServiceAccount and no others."""
    arguments = [f"--kubeconfig={kubeconfig}", "--http-host=127.0.0.1", "--http-port=0"]
    program = Program("drover", "drover.main", arguments, cluster.directory)
    try:
        program.wait_until_it_says("probes and metrics at", _OPERATOR_WITHIN)
        yield program
    finally:
        if not cluster.own:
            # While it lives: it cancels, uncordons and takes its finalizers off.
            _remove(cluster, "nodemaintenances,migrationplans", "--all")
        program.stop()


def _remove(cluster: Cluster, *what: str, text: str | None = None) -> None:
    """Deletes what is still there. What cannot be deleted is said, and the next step is still tried."""
    command = ("delete", *what, "--ignore-not-found", f"--timeout={_REMOVED_WITHIN}")
    done = cluster.kubectl(*command, input=text, check=False)
    if done.returncode != 0:
        print(f"demo: left in the cluster: `kubectl {' '.join(command)}` says: {done.stderr.strip()}", file=sys.stderr)
