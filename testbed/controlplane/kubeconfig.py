"""Reads and writes kubeconfig files that need no other file."""

import base64
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from controlplane.errors import ControlPlaneError
from controlplane.pki import write_private

_CA_DATA = "certificate-authority-data"


@dataclass(frozen=True)
class Endpoint:
    """The `cluster` stanza of a kubeconfig file, with everything that is needed to reach the API server."""

    stanza: dict[str, Any]

    @property
    def server(self) -> str:
        """The API server's URL."""
        return str(self.stanza["server"])

    @property
    def ca(self) -> bytes:
        """The authorities to trust (PEM); the system's where the kubeconfig names none."""
        if _CA_DATA in self.stanza:
            return base64.b64decode(self.stanza[_CA_DATA])
        system = ssl.get_default_verify_paths().cafile
        return Path(system).read_bytes() if system else b""


def endpoint(server: str, ca: bytes) -> Endpoint:
    """The API server at this URL, trusted by this authority (PEM)."""
    return Endpoint({"server": server, _CA_DATA: base64.b64encode(ca).decode()})


def read_endpoint(flat: str) -> Endpoint:
    """The only cluster of what `kubectl config view --minify --flatten --raw` printed.

    Raises ControlPlaneError if there is none, or if its certificate is not to be verified.
    """
    clusters = (yaml.safe_load(flat) or {}).get("clusters") or []
    if len(clusters) != 1 or "server" not in clusters[0].get("cluster", {}):
        raise ControlPlaneError("the current context of KUBECONFIG names no cluster with a server")
    stanza = clusters[0]["cluster"]
    if stanza.get("insecure-skip-tls-verify"):
        raise ControlPlaneError(f"KUBECONFIG does not verify {stanza['server']}: give it a certificate authority")
    return Endpoint(stanza)


def beside_etcd(at: Endpoint, url: str) -> Endpoint:
    """The same, and where its objects are kept, for those who may write there: a kubeconfig has room for extensions."""
    return Endpoint({**at.stanza, "extensions": [{"name": "etcd", "extension": {"url": url}}]})


def write(path: Path, at: Endpoint, user: dict[str, str], namespace: str = "default") -> Path:
    """Writes a kubeconfig file with one context, for its owner only, and returns its path."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "drover", "cluster": at.stanza}],
        "users": [{"name": "drover", "user": user}],
        "contexts": [{"name": "drover", "context": {"cluster": "drover", "user": "drover", "namespace": namespace}}],
        "current-context": "drover",
    }
    write_private(path, yaml.safe_dump(content).encode())
    return path
