"""The chart, as its users apply it, with no replica: nothing here runs a container."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from controlplane.cluster import Cluster
from manifests.render import NAMESPACE, chart, install

Json = dict[str, Any]
ACCOUNT = "drover"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
_OURS_TO_SET = ("--http-port", "--http-host")


@dataclass(frozen=True)
class Installed:
    """The chart in a cluster: its objects, its account's credentials and how its Deployment starts the operator."""

    cluster: Cluster
    objects: list[Json]
    kubeconfig: Path
    """With a token of the chart's ServiceAccount."""

    def the(self, kind: str) -> Json:
        """The only object of this kind."""
        (found,) = (each for each in self.objects if each["kind"] == kind)
        return found

    def arguments(self) -> list[str]:
        """What the Deployment passes to the operator, but for where it serves probes and metrics."""
        (container,) = self.the("Deployment")["spec"]["template"]["spec"]["containers"]
        given = [each.replace("$(POD_NAMESPACE)", NAMESPACE) for each in container["args"]]
        return [each for each in given if not each.startswith(_OURS_TO_SET)]


@contextmanager
def installed(cluster: Cluster) -> Iterator[Installed]:
    """The chart in a namespace that enforces Pod Security `restricted`."""
    objects = [each for each in yaml.safe_load_all(chart("--set", "replicas=0")) if each]
    namespace = next(yaml.safe_load_all(install()))
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": [namespace, *objects]})
    cluster.kubectl("apply", "--server-side", "-f", "-", input=items)
    kinds = [f"crd/{each['metadata']['name']}" for each in objects if each["kind"] == "CustomResourceDefinition"]
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", *kinds)
    # What kubectl remembers of this server is older than the chart's kinds and their category.
    shutil.rmtree(cluster.environment()["KUBECACHEDIR"], ignore_errors=True)
    yield Installed(cluster, objects, cluster.token_kubeconfig(NAMESPACE, ACCOUNT))
    if not cluster.own:
        cluster.kubectl("delete", "--ignore-not-found", "-f", "-", input=items)
