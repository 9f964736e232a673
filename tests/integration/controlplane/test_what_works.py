"""What other tests and the demo build on: fixtures, tokens, the audit log, the features of a real API server."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from controlplane.cluster import Cluster, start
from tests.integration.controlplane.traces import wait_until

MIGRATION = """
apiVersion: kubevirt.io/v1
kind: VirtualMachineInstanceMigration
metadata: {name: m, namespace: default}
spec: {vmiName: web}
"""
MIGRATIONS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: virtualmachineinstancemigrations.kubevirt.io}
spec:
  group: kubevirt.io
  scope: Namespaced
  names: {plural: virtualmachineinstancemigrations, singular: vmim, kind: VirtualMachineInstanceMigration}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""


@pytest.fixture(scope="module")
def audited() -> Iterator[Cluster]:
    with start("audited", audit="rules") as cluster:
        yield cluster


def events(cluster: Cluster) -> list[dict[str, object]]:
    assert cluster.audit_log is not None
    return [json.loads(line) for line in cluster.audit_log.read_text().splitlines() if line.endswith("}")]


def asked(cluster: Cluster, user: str) -> set[tuple[str, str, str, int]]:
    """Who did what by the audit log: (verb, resource, stage, code)."""
    found = set()
    for event in events(cluster):
        match event:
            case {"user": {"username": name}, "objectRef": {"resource": resource}} if name == user:
                code = event["responseStatus"]
                assert isinstance(code, dict)
                found.add((str(event["verb"]), str(resource), str(event["stage"]), int(code["code"])))
    return found


def test_reads_writes_watches_and_refusals_of_an_account_are_in_the_audit_log(audited: Cluster) -> None:
    audited.kubectl("create", "serviceaccount", "auditor")
    audited.kubectl("create", "role", "maps", "--verb=get,list,watch,create,delete", "--resource=configmaps")
    audited.kubectl("create", "rolebinding", "maps", "--role=maps", "--serviceaccount=default:auditor")
    token = audited.token_kubeconfig("default", "auditor")
    audited.kubectl("create", "configmap", "a", kubeconfig=token)
    audited.kubectl("get", "configmaps", kubeconfig=token)
    audited.kubectl("get", "configmap", "a", kubeconfig=token)
    audited.kubectl("wait", "configmap/a", "--for=jsonpath={.metadata.name}=a", "--timeout=5s", kubeconfig=token)
    audited.kubectl("delete", "configmap", "a", kubeconfig=token)
    refused = audited.kubectl("get", "nodes", check=False, kubeconfig=token)
    assert "nodes is forbidden" in refused.stderr
    expected = {
        ("create", "configmaps", "ResponseComplete", 201),
        ("list", "configmaps", "ResponseComplete", 200),
        ("get", "configmaps", "ResponseComplete", 200),
        ("watch", "configmaps", "ResponseStarted", 200),
        ("delete", "configmaps", "ResponseComplete", 200),
        ("list", "nodes", "ResponseComplete", 403),
    }
    wait_until(lambda: expected <= asked(audited, "system:serviceaccount:default:auditor"))


def test_writes_of_migrations_are_logged_with_their_bodies(audited: Cluster) -> None:
    audited.kubectl("apply", "--filename=-", input=MIGRATIONS)
    audited.kubectl("wait", "--for=condition=Established", "crd/virtualmachineinstancemigrations.kubevirt.io")
    audited.kubectl("create", "--filename=-", input=MIGRATION)
    patch = '--patch={"status":{"phase":"Succeeded"}}'
    audited.kubectl("patch", "vmim", "m", "--subresource=status", "--type=merge", patch)
    audited.kubectl("delete", "vmim", "m")

    def bodies() -> list[tuple[object, object]]:
        found: list[tuple[object, object]] = []
        for event in events(audited):
            match event:
                case {"verb": "create", "requestObject": {"spec": {"vmiName": vm}}}:
                    found.append(("create", vm))
                case {"verb": "patch", "responseObject": {"status": {"phase": phase}, "metadata": {"name": name}}}:
                    found.append((phase, name))
                case {"verb": "delete", "objectRef": {"resource": "virtualmachineinstancemigrations", "name": name}}:
                    found.append(("delete", name))
        return found

    wait_until(lambda: len(bodies()) == 3)
    assert bodies() == [("create", "web"), ("Succeeded", "m"), ("delete", "m")]


def test_a_pod_may_be_created_in_a_new_namespace_at_once(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("run", "p", "--image=none", f"--namespace={namespace}")
    assert cluster.kubectl("get", "pods", "--output=name", f"--namespace={namespace}").stdout == "pod/p\n"


def test_pod_security_is_enforced_where_a_namespace_asks_for_it(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    refused = cluster.kubectl("run", "p", "--image=none", f"--namespace={namespace}", check=False)
    assert 'violates PodSecurity "restricted' in refused.stderr


def test_the_programs_say_the_version_that_they_are(cluster: Cluster) -> None:
    told = json.loads(cluster.kubectl("version", "--output=json").stdout)
    assert told["clientVersion"]["gitVersion"].startswith("v1.")
    if cluster.components:
        command = [str(cluster.tools["kube-apiserver"]), "--version"]
        built = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert built == f"Kubernetes {told['serverVersion']['gitVersion']}\n"


def test_aggregated_api_servers_find_whom_to_trust(cluster: Cluster) -> None:
    trust = ("get", "configmap", "extension-apiserver-authentication", "--namespace=kube-system", "--output=json")
    data = json.loads(cluster.kubectl(*trust).stdout)["data"]
    assert json.loads(data["requestheader-allowed-names"]) == ["front-proxy-client"]
    assert "BEGIN CERTIFICATE" in data["requestheader-client-ca-file"]


def test_helm_installs_a_chart(cluster: Cluster, namespace: str) -> None:
    chart = cluster.directory / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: c, version: 1.0.0, kubeVersion: '>=1.30.0-0'}")
    (chart / "templates" / "map.yaml").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: from-helm}}")
    cluster.helm("install", "c", str(chart), f"--namespace={namespace}")
    assert cluster.kubectl("get", "configmap", "from-helm", f"--namespace={namespace}").returncode == 0
