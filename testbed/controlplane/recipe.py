"""What is built, in which version, with which flags.

Each family has go.mod and go.sum files of its own beside this module, because Go's minimal version selection would
otherwise lift one family's dependencies for the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass

KUBERNETES = "v1.36.4"


@dataclass(frozen=True)
class Tool:
    """One program: the folder with its go.mod, its package there, and its version."""

    family: str
    package: str
    version: str


TOOLS: Mapping[str, Tool] = {
    "etcd": Tool("etcd", "go.etcd.io/etcd/server/v3", "v3.6.16"),
    "kube-apiserver": Tool("kube", "k8s.io/kubernetes/cmd/kube-apiserver", KUBERNETES),
    "kube-controller-manager": Tool("kube", "k8s.io/kubernetes/cmd/kube-controller-manager", KUBERNETES),
    "kube-scheduler": Tool("kube", "k8s.io/kubernetes/cmd/kube-scheduler", KUBERNETES),
    "kubectl": Tool("kube", "k8s.io/kubernetes/cmd/kubectl", KUBERNETES),
    "helm": Tool("helm", "helm.sh/helm/v4/cmd/helm", "v4.2.4"),
}


def link_flags(family: str) -> str:
    """The linker's flags. Kubernetes' programs are stamped, else they say v0.0.0-master and nothing can parse that."""
    flags = ["-s", "-w"]
    if family != "kube":
        return " ".join(flags)
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    stamps = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    stamps |= {"gitCommit": "unknown", "buildDate": "2026-01-01T00:00:00Z"}
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        flags += [f"-X {package}.{name}={value}" for name, value in stamps.items()]
    return " ".join(flags)
