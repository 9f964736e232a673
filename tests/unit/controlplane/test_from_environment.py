"""Which cluster is used, and that none is used by accident."""

import json
import os
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from controlplane import kubeconfig
from controlplane.cluster import from_environment
from controlplane.errors import CommandFailed, ControlPlaneError

FLAT = {
    "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443", "certificate-authority-data": "Q0E="}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Puts a shell script on a PATH that has nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def make(name: str, script: str) -> Path:
        (folder / name).write_text(f"#!/bin/sh\n{textwrap.dedent(script)}\n")
        (folder / name).chmod(0o755)
        return folder

    return make


@pytest.fixture
def clients(program: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that notes for which kubeconfig it was called with what, and answers as a healthy cluster."""
    program("helm", "exit 0")
    folder = program(
        "kubectl",
        f"""
        echo "$KUBECONFIG: $*" >> {tmp_path}/calls
        case "$1" in
            config) echo '{json.dumps(FLAT)}';;
            create) echo token-of-$3;;
            fail) echo it broke >&2; exit 1;;
        esac
        """,
    )
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(folder))
    return tmp_path / "calls"


@pytest.mark.parametrize(
    ("cluster", "kubeconfig_file", "says"),
    [
        ("minikube", None, "controlplane .or unset., kubeconfig or kind"),
        ("kubeconfig", None, "set KUBECONFIG"),
        ("kubeconfig", "", "set KUBECONFIG"),
        ("kind", None, "no `kind` program"),
    ],
)
@pytest.mark.usefixtures("program")
def test_what_cannot_be_used_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, cluster: str, kubeconfig_file: str | None, says: str
) -> None:
    monkeypatch.setenv("CLUSTER", cluster)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    if kubeconfig_file is not None:
        monkeypatch.setenv("KUBECONFIG", kubeconfig_file)
    with pytest.raises(ControlPlaneError, match=says), from_environment("t"):
        pass


@pytest.mark.parametrize("engine", [None, "exit 1"])
def test_kind_needs_an_engine_that_answers(
    program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch, engine: str | None
) -> None:
    monkeypatch.setenv("CLUSTER", "kind")
    program("kind", "exit 0")
    if engine is not None:
        program("docker", engine)
    with pytest.raises(ControlPlaneError, match=r"docker, podman answers `info`"), from_environment("t"):
        pass


def test_the_users_cluster_is_used_by_a_copy_of_its_kubeconfig(
    clients: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTER", "kubeconfig")
    monkeypatch.setenv("KUBECONFIG", "/the/users/file")
    with from_environment("t", audit="rules") as cluster:
        assert not cluster.own
        assert cluster.audit_log is None
        assert cluster.server == "https://10.0.0.1:6443"
        assert cluster.ca_file.read_text() == "CA"
        assert yaml.safe_load(cluster.kubeconfig.read_text()) == FLAT
        cluster.kubectl("get", "nodes")
        token = yaml.safe_load(cluster.token_kubeconfig("ns", "drover").read_text())
        assert token["users"][0]["user"] == {"token": "token-of-drover"}
        assert token["clusters"][0]["cluster"] == FLAT["clusters"][0]["cluster"]
        assert token["contexts"][0]["context"]["namespace"] == "ns"
        with pytest.raises(CommandFailed, match="kubectl fail` ended with 1: it broke"):
            cluster.kubectl("fail")
        copy = cluster.kubeconfig
    calls = clients.read_text().splitlines()
    assert calls[0] == "/the/users/file: config view --raw --minify --flatten"
    assert {call.split(":")[0] for call in calls[1:]} == {str(copy)}
    assert not copy.exists()


@pytest.mark.usefixtures("clients")
def test_a_kind_cluster_lives_as_long_as_the_block(
    program: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTER", "kind")
    program("kind", f'echo "$1 $2 $3" >> {tmp_path}/kind-calls')
    program("podman", "exit 0")
    with from_environment("t") as cluster:
        assert cluster.own
        name = f"drover-{cluster.directory.name.replace('_', '-')}"
    assert (tmp_path / "kind-calls").read_text().splitlines() == [
        f"create cluster --name={name}",
        f"delete cluster --name={name}",
    ]


@pytest.mark.parametrize(
    ("flat", "says"),
    [
        ("", "no cluster"),
        ("clusters: []", "no cluster"),
        ("clusters: [{name: a, cluster: {}}]", "no cluster"),
        ("clusters: [{cluster: {server: https://x, insecure-skip-tls-verify: true}}]", "does not verify https://x"),
    ],
)
def test_a_kubeconfig_without_a_server_to_trust_is_refused(flat: str, says: str) -> None:
    with pytest.raises(ControlPlaneError, match=says):
        kubeconfig.read_endpoint(flat)


def test_a_server_with_a_public_certificate_is_trusted_by_the_systems_authorities(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")  # unit tests have none
    endpoint = kubeconfig.read_endpoint("clusters: [{cluster: {server: https://x}}]")
    assert os.fsencode("CERTIFICATE") in endpoint.ca
