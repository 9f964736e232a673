"""A cluster to try things on, whoever runs it."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from controlplane import kubeconfig as kubeconfigs
from controlplane.component import Component
from controlplane.errors import CommandFailed


@dataclass(frozen=True)
class Cluster:
    """A Kubernetes API server that answers, and kubectl and helm for it."""

    name: str
    kubeconfig: Path
    """Of an administrator; needs no other file."""
    endpoint: kubeconfigs.Endpoint
    directory: Path
    """Private, removed at the end."""
    tools: Mapping[str, Path]
    own: bool
    """False for a user's cluster: what we make there we also remove, and nothing else."""
    audit_log: Path | None = None
    """One JSON object a line (audit.k8s.io/v1 Event), if it was asked for and the cluster is of this package."""
    components: tuple[Component, ...] = ()

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self.endpoint.server

    @property
    def ca_file(self) -> Path:
        """The authorities that the API server is trusted by (PEM)."""
        path = self.directory / "server-ca.crt"
        if not path.exists():
            path.write_bytes(self.endpoint.ca)
        return path

    def environment(self) -> dict[str, str]:
        """What makes any kubectl or helm, run by whomever, speak to this cluster and keep its caches in our folder.

        Their discovery cache is named by host and port, and our ports are used again by later clusters.
        """
        homes = {
            f"HELM_{kind}_HOME": str(self.directory / "helm" / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")
        }
        return {"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.directory / "kube-cache"), **homes}

    def kubectl(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002 - subprocess.run calls it so
        check: bool = True,
        kubeconfig: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs kubectl, as the administrator if no other kubeconfig is given. Raises CommandFailed if it fails."""
        return self._run("kubectl", args, input, check, kubeconfig)

    def helm(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002 - subprocess.run calls it so
        check: bool = True,
        kubeconfig: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs helm, as the administrator if no other kubeconfig is given. Raises CommandFailed if it fails."""
        return self._run("helm", args, input, check, kubeconfig)

    def token_kubeconfig(self, namespace: str, service_account: str) -> Path:
        """A kubeconfig file with a fresh token of this ServiceAccount (TokenRequest), valid for eight hours."""
        made = self.kubectl("create", "token", service_account, f"--namespace={namespace}", "--duration=8h")
        path = self.directory / f"{namespace}.{service_account}.kubeconfig"
        return kubeconfigs.write(path, self.endpoint, {"token": made.stdout.strip()}, namespace)

    def check(self) -> None:
        """Raises ControlPlaneError if one of our servers has ended."""
        for component in self.components:
            component.check()

    def _run(
        self, tool: str, args: Sequence[str], text: str | None, check: bool, kubeconfig: Path | None
    ) -> subprocess.CompletedProcess[str]:
        command = [str(self.tools[tool]), *args]
        env = os.environ | self.environment() | {"KUBERC": "off"}
        if kubeconfig is not None:
            env["KUBECONFIG"] = str(kubeconfig)
        given = {"stdin": subprocess.DEVNULL} if text is None else {"input": text}
        result = subprocess.run(command, env=env, capture_output=True, text=True, check=False, **given)
        if check and result.returncode != 0:
            raise CommandFailed(result.returncode, command, result.stdout, result.stderr)
        return result
