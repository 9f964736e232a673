"""The chart on a real API server: its pod passes Pod Security, and its account is held to its own keys on Nodes."""

import json
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.cluster import Cluster
from manifests.render import NAMESPACE, ROOT
from tests.integration.chart.conftest import ACCOUNT, Installed, Json, the

EXAMPLES = sorted((ROOT / "manifests" / "examples").glob("*.yaml"))
DENIED = "ValidatingAdmissionPolicy 'drover-nodes' with binding 'drover-nodes' denied request"
IN_FORCE_TIMEOUT = 30.0
TAINT = {"key": "example.com/keep", "effect": "NoSchedule"}


def test_every_object_is_known_and_nothing_is_warned_of(installed: Installed) -> None:
    assert installed.warnings == ""


def test_the_pod_is_allowed_where_restricted_is_enforced(installed: Installed) -> None:
    """Nothing here runs a container, so the pod of the Deployment is only put before the admission."""
    template = the("Deployment", installed.rendered)["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "operator", "namespace": NAMESPACE}}
    whole = json.dumps(pod | {"spec": template["spec"]})
    create = ("create", "--dry-run=server", "--validate=strict", "-f", "-")
    installed.cluster.kubectl(*create, input=whole)
    loose = json.dumps(pod | {"spec": template["spec"] | {"securityContext": {}}})
    refused = installed.cluster.kubectl(*create, input=loose, check=False)
    assert 'violates PodSecurity "restricted:latest"' in refused.stderr, "else the namespace enforces nothing"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_admitted(installed: Installed, example: Path) -> None:
    created = installed.cluster.kubectl("create", "--dry-run=server", "--validate=strict", "-f", str(example))
    assert "created (server dry run)" in created.stdout


def test_there_is_an_example_of_each_kind_people_write() -> None:
    text = "".join(example.read_text() for example in EXAMPLES)
    assert {"kind: MigrationPlan", "kind: NodeMaintenance"} <= set(text.splitlines())
    assert text.count("argocd.argoproj.io/sync-options: Prune=confirm,Delete=confirm") == len(EXAMPLES)


@pytest.fixture(scope="module")
def node(installed: Installed) -> Iterator[str]:
    """A node that is not cordoned, and the policy about it in force."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    labels = {"zone": "a", "drover.dev/ours": "1"}
    metadata: Json = {"name": name, "labels": labels, "annotations": {"owner": "jo"}}
    wanted = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [TAINT]}}
    installed.cluster.kubectl("create", "-f", "-", input=json.dumps(wanted))
    try:
        wait_until_in_force(installed.cluster, name)
        yield name
    finally:
        installed.cluster.kubectl("delete", "node", name, "--wait=false")


def as_drover(cluster: Cluster, *args: str) -> subprocess.CompletedProcess[str]:
    return cluster.kubectl(f"--as={ACCOUNT}", *args, check=False)


def patch(cluster: Cluster, node: str, change: Json, *flags: str) -> subprocess.CompletedProcess[str]:
    return as_drover(cluster, "patch", "node", node, "--type=merge", f"--patch={json.dumps(change)}", *flags)


def wait_until_in_force(cluster: Cluster, node: str) -> None:
    """A new policy takes about a second."""
    deadline = time.monotonic() + IN_FORCE_TIMEOUT
    while DENIED not in patch(cluster, node, {"metadata": {"labels": {"probe": "1"}}}, "--dry-run=server").stderr:
        assert time.monotonic() < deadline, "the admission policy is not in force"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"spec": {"taints": [TAINT, {"key": "a", "effect": "NoSchedule"}]}}, "spec", id="a taint"),
        pytest.param({"spec": {"unschedulable": True, "podCIDR": "10.0.0.0/24"}}, "spec", id="more than a cordon"),
        pytest.param({"spec": {"taints": None}}, "spec", id="a field removed"),
        pytest.param({"metadata": {"labels": {"zone": "b"}}}, "no labels", id="a label changed"),
        pytest.param({"metadata": {"labels": {"zone": None}}}, "no labels", id="a label removed"),
        pytest.param({"metadata": {"labels": {"kubevirt.io/schedulable": "false"}}}, "no labels", id="a label added"),
        pytest.param(
            {"metadata": {"labels": {"drover.devious/a": "b"}}}, "no labels", id="a label that looks like ours"
        ),
        pytest.param({"metadata": {"labels": None}}, "no labels", id="all labels removed"),
        pytest.param({"metadata": {"annotations": {"owner": "al"}}}, "no annotations", id="an annotation changed"),
        pytest.param({"metadata": {"annotations": {"owner": None}}}, "no annotations", id="an annotation removed"),
        pytest.param({"metadata": {"annotations": {"new": "1"}}}, "no annotations", id="an annotation added"),
        pytest.param({"metadata": {"finalizers": ["drover.dev/cleanup"]}}, "metadata", id="a finalizer"),
        pytest.param(
            {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b"}]}},
            "metadata",
            id="an owner",
        ),
    ],
)
def test_what_is_not_ours_on_a_node_is_refused(installed: Installed, node: str, change: Json, message: str) -> None:
    answer = patch(installed.cluster, node, change)
    assert DENIED in answer.stderr
    assert message in answer.stderr.split(DENIED)[1]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            {"spec": {"unschedulable": True}, "metadata": {"annotations": {"drover.dev/before": "{}"}}}, id="cordon"
        ),
        pytest.param({"spec": {"unschedulable": False}}, id="uncordon"),
        pytest.param(
            {"spec": {"unschedulable": None}, "metadata": {"annotations": {"drover.dev/before": None}}}, id="restore"
        ),
        pytest.param({"metadata": {"labels": {"drover.dev/ours": None, "drover.dev/new": "1"}}}, id="our labels"),
    ],
)
def test_what_is_ours_on_a_node_is_allowed(installed: Installed, node: str, change: Json) -> None:
    answer = patch(installed.cluster, node, change)
    assert answer.returncode == 0, answer.stderr


def test_other_people_may_change_nodes_as_before(installed: Installed, node: str) -> None:
    change = json.dumps({"metadata": {"labels": {"zone": "c"}}})
    installed.cluster.kubectl("patch", "node", node, "--type=merge", f"--patch={change}", "--dry-run=server")


@pytest.fixture
def too_many_rights(installed: Installed) -> Iterator[None]:
    """Somebody has bound cluster-admin to the account."""
    bind = (f"--serviceaccount={NAMESPACE}:drover", "--clusterrole=cluster-admin")
    installed.cluster.kubectl("create", "clusterrolebinding", "drover-too-many-rights", *bind)
    yield
    installed.cluster.kubectl("delete", "clusterrolebinding", "drover-too-many-rights")


@pytest.mark.usefixtures("too_many_rights")
def test_the_policy_holds_whatever_roles_the_account_has(installed: Installed, node: str) -> None:
    for attempt in (
        ("delete", "node", node),
        ("get", "--raw", f"/api/v1/nodes/{node}/proxy/pods"),
        ("patch", "node", node, "--subresource=status", "--type=merge", '--patch={"status":{"phase":"Pending"}}'),
    ):
        assert DENIED in as_drover(installed.cluster, *attempt).stderr, attempt


def test_the_policy_makes_sense_to_the_api_server(installed: Installed, node: str) -> None:
    path = "-o=jsonpath={.status.typeChecking.expressionWarnings}"
    assert installed.cluster.kubectl("get", "validatingadmissionpolicy", "drover-nodes", path).stdout == ""
