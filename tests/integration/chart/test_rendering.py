"""What the chart renders, which values it refuses, and that install.yaml is what it renders."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from controlplane.binaries import tools
from drover.api.crd import RESOURCES, definition
from manifests import render
from tests.integration.chart.conftest import Json, objects, the


def rendered_with(*options: str) -> list[Json]:
    return objects(render.chart(*options))


def container(among: list[Json]) -> Json:
    (found,) = the("Deployment", among)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_the_chart_passes_helms_own_check() -> None:
    helm = tools(["helm"])["helm"]
    answer = subprocess.run([helm, "lint", "--strict", render.CHART], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout
    assert "[WARNING]" not in answer.stdout


def test_install_yaml_is_the_rendered_chart(capsys: pytest.CaptureFixture[str]) -> None:
    assert render.main(["--check"]) == 0, capsys.readouterr().out


def test_a_difference_in_install_yaml_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changed = tmp_path / "install.yaml"
    monkeypatch.setattr(render, "INSTALL", changed)
    assert render.main(["--check"]) == 1
    assert render.main([]) == 0
    assert render.main(["--check"]) == 0
    changed.write_text(changed.read_text().replace("Recreate", "RollingUpdate"))
    assert render.main(["--check"]) == 1


def test_the_definitions_are_those_of_the_models_and_outlive_the_release(rendered: list[Json]) -> None:
    found = {each["metadata"]["name"]: each for each in rendered if each["kind"] == "CustomResourceDefinition"}
    assert {name: each["spec"] for name, each in found.items()} == {
        wanted["metadata"]["name"]: wanted["spec"] for wanted in map(definition, RESOURCES)
    }
    assert {each["metadata"]["annotations"]["helm.sh/resource-policy"] for each in found.values()} == {"keep"}


def test_nothing_in_the_pod_is_more_than_restricted() -> None:
    pod = the("Deployment", rendered_with())["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(rendered_with())["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_two_operators_never_run_at_once() -> None:
    spec = the("Deployment", rendered_with())["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_the_policy_and_the_role_are_about_the_account_of_the_pod() -> None:
    options = ("--set", "serviceAccount.name=shepherd", "--set", "fullnameOverride=dr")
    among = rendered_with(*options)
    assert the("Deployment", among)["spec"]["template"]["spec"]["serviceAccountName"] == "shepherd"
    assert the("ServiceAccount", among)["metadata"]["name"] == "shepherd"
    assert the("ClusterRoleBinding", among)["subjects"][0]["name"] == "shepherd"
    condition = the("ValidatingAdmissionPolicy", among)["spec"]["matchConditions"][0]["expression"]
    assert re.search(r"'system:serviceaccount:drover-system:shepherd'$", condition)


@pytest.mark.parametrize(
    ("option", "kind"),
    [
        ("crds.install", "CustomResourceDefinition"),
        ("serviceAccount.create", "ServiceAccount"),
        ("admissionPolicy.enabled", "ValidatingAdmissionPolicy"),
        ("admissionPolicy.enabled", "ValidatingAdmissionPolicyBinding"),
        ("metrics.service.enabled", "Service"),
    ],
)
def test_parts_can_be_left_out(option: str, kind: str) -> None:
    assert kind in {each["kind"] for each in rendered_with()}
    assert kind not in {each["kind"] for each in rendered_with("--set", f"{option}=false")}


@pytest.mark.parametrize(
    ("options", "image"),
    [
        ((), "drover-operator:0.1.0"),
        (("image.repository=r.example.com/d", "image.tag=2"), "r.example.com/d:2"),
        (("image.tag=2", f"image.digest=sha256:{'0' * 64}"), f"drover-operator@sha256:{'0' * 64}"),
    ],
)
def test_the_image(options: tuple[str, ...], image: str) -> None:
    assert container(rendered_with(*(f"--set-string={each}" for each in options)))["image"] == image


def test_what_people_add_to_the_pod_is_there() -> None:
    wanted: Json = {
        "nodeSelector": {"role": "infra"},
        "tolerations": [{"key": "infra", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "imagePullSecrets": [{"name": "pull"}],
        "priorityClassName": "system-cluster-critical",
    }
    pod = the("Deployment", rendered_with(*(f"--set-json={name}={json.dumps(each)}" for name, each in wanted.items())))
    spec = pod["spec"]["template"]["spec"]
    assert {name: spec[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("replicas=2", "replicas"),
        ("replica=1", "additional properties 'replica' not allowed"),
        ("image.name=x", "additional properties 'name' not allowed"),
        ("image.repository=", "minLength: got 0, want 1"),
        ("image.digest=latest", "does not match pattern"),
        ("image.pullPolicy=Sometimes", "value must be one of 'Always', 'IfNotPresent', 'Never'"),
        ("log.level=loud", "value must be one of 'debug', 'info', 'warning', 'error'"),
        ("crds.install=perhaps", "got string, want boolean"),
        ("serviceAccount.name=Bad_Name", "does not match pattern"),
        ("resources.limit.cpu=1", "additional properties 'limit' not allowed"),
        ("resources.limits.memory=much", "does not match pattern"),
        ("imagePullSecrets[0].secret=x", "missing property 'name'"),
    ],
)
def test_values_that_mean_nothing_are_refused(option: str, message: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        render.chart("--set", option)
    assert message in refused.value.stderr
