"""The command lines of the four servers.

Sources: `kubeadm init phase control-plane all` for what a control plane needs, Kubernetes' own
hack/local-up-cluster.sh and controller-runtime's envtest for what one on loopback does without.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_SERVICE_RANGE = "10.96.0.0/16"
_ETCD_QUOTA = 8 * 2**30
_SCHEDULER_QPS = 500
_AUDIT_POLICY = Path(__file__).parent / "audit-policy.yaml"
_AUDIT_MEGABYTES = 100_000
"""Large enough that the log is never rotated: its readers follow one file."""


@dataclass(frozen=True)
class Settings:
    """What may differ between one control plane and another."""

    audit: bool = False
    controllers: str = "*"
    """The controllers that run, as --controllers of kube-controller-manager has it."""
    scheduling: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1), on top of the connection's; empty for
    the default scheduler."""


@dataclass(frozen=True)
class Layout:
    """The programs, the folder and the ports of one control plane."""

    tools: Mapping[str, Path]
    directory: Path
    etcd: int
    etcd_peer: int
    apiserver: int
    controller_manager: int
    scheduler: int

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://127.0.0.1:{self.apiserver}"

    @property
    def etcd_url(self) -> str:
        """etcd's URL for its clients."""
        return f"http://127.0.0.1:{self.etcd}"

    def pki(self, name: str) -> str:
        """A file of the PKI."""
        return str(self.directory / "pki" / name)

    def kubeconfig(self, name: str) -> Path:
        """The kubeconfig file of a user."""
        return self.directory / f"{name}.kubeconfig"

    @property
    def tokens(self) -> Path:
        """The users and their bearer tokens."""
        return self.directory / "tokens.csv"

    @property
    def scheduling(self) -> Path:
        """The scheduler's configuration, if it is not the default one."""
        return self.directory / "scheduler.yaml"

    @property
    def audit_log(self) -> Path:
        """Where the API server logs what was asked of it, one JSON object a line."""
        return self.directory / "audit.jsonl"


def etcd(at: Layout) -> list[str]:
    """A single member that trusts the page cache: its data live as long as its processes."""
    client, peer = at.etcd_url, f"http://127.0.0.1:{at.etcd_peer}"
    return [
        str(at.tools["etcd"]),
        "--name=default",
        f"--data-dir={at.directory / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        f"--quota-backend-bytes={_ETCD_QUOTA}",
        "--log-level=warn",
    ]


def apiserver(at: Layout, audit: bool) -> list[str]:
    """With the aggregation layer's flags, so that APIServices work, and with an audit log if asked for."""
    command = [
        str(at.tools["kube-apiserver"]),
        f"--etcd-servers={at.etcd_url}",
        "--bind-address=127.0.0.1",
        f"--secure-port={at.apiserver}",
        "--advertise-address=127.0.0.1",
        # Loopback is no valid endpoint, so there is none to reconcile.
        "--endpoint-reconciler-type=none",
        f"--service-cluster-ip-range={_SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        f"--token-auth-file={at.tokens}",
        f"--client-ca-file={at.pki('ca.crt')}",
        f"--tls-cert-file={at.pki('apiserver.crt')}",
        f"--tls-private-key-file={at.pki('apiserver.key')}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={at.pki('service-account.pub')}",
        f"--service-account-signing-key-file={at.pki('service-account.key')}",
        f"--requestheader-client-ca-file={at.pki('front-proxy-ca.crt')}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={at.pki('front-proxy-client.crt')}",
        f"--proxy-client-key-file={at.pki('front-proxy-client.key')}",
    ]
    if audit:
        command += [f"--audit-policy-file={_AUDIT_POLICY}", f"--audit-log-path={at.audit_log}"]
        command += [f"--audit-log-maxsize={_AUDIT_MEGABYTES}"]
    return command


def controller_manager(at: Layout, controllers: str) -> list[str]:
    """These controllers, each with its own ServiceAccount; no node addresses to hand out."""
    return [
        str(at.tools["kube-controller-manager"]),
        f"--kubeconfig={at.kubeconfig('kube-controller-manager')}",
        f"--controllers={controllers}",
        "--bind-address=127.0.0.1",
        f"--secure-port={at.controller_manager}",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={at.pki('service-account.key')}",
        f"--root-ca-file={at.pki('ca.crt')}",
        "--leader-elect=false",
        "--allocate-node-cidrs=false",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def scheduler(at: Layout, scheduling: Mapping[str, Any]) -> list[str]:
    """Not throttled by its client; with a configuration of its own if one is given, which is written down first.

    The flags that say the same as the configuration are ignored beside it (cmd/kube-scheduler/app/options).
    """
    command = [str(at.tools["kube-scheduler"]), "--bind-address=127.0.0.1", f"--secure-port={at.scheduler}"]
    kubeconfig = str(at.kubeconfig("kube-scheduler"))
    if not scheduling:
        limits = [f"--kube-api-qps={_SCHEDULER_QPS}", f"--kube-api-burst={2 * _SCHEDULER_QPS}"]
        return [*command, f"--kubeconfig={kubeconfig}", "--leader-elect=false", *limits]
    whole = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": kubeconfig, "qps": _SCHEDULER_QPS, "burst": 2 * _SCHEDULER_QPS},
        "leaderElection": {"leaderElect": False},
        **scheduling,
    }
    at.scheduling.write_text(yaml.safe_dump(whole))
    return [*command, f"--config={at.scheduling}"]
