"""Statuses as the operator writes them: nothing of theirs is refused or dropped, and the columns show them."""

import json
import re
import subprocess
from typing import Any

import pytest

from controlplane.cluster import Cluster
from drover.api.crd import definition
from drover.api.maintenance import MAINTENANCES
from drover.api.plan import PLANS
from drover.api.report import REPORTS
from drover.api.resource import Resource
from drover.api.shared import Model
from tests.integration.api.objects import Json, evacuation, maintenance, report
from tests.integration.api.statuses import MAINTENANCE_STATUS, PLAN_STATUS, REPORT_STATUS

pytestmark = pytest.mark.usefixtures("defined")

AGE = r"\d+s"
KINDS = pytest.mark.parametrize(
    ("resource", "wanted", "status", "row"),
    [
        pytest.param(
            PLANS,
            evacuation(),
            PLAN_STATUS,
            {
                "GOAL": "Evacuate",
                "PHASE": "Migrating",
                "REASON": "MovingVirtualMachines",
                "VMS": "31/143",
                "RUN": "3",
                "BLOCKED": "2",
                "FAILED": "7",
                "PROGRESS": "21",
                "ETA": "1h50m",
                "AGE": AGE,
            },
            id="MigrationPlan",
        ),
        pytest.param(
            MAINTENANCES,
            maintenance(),
            MAINTENANCE_STATUS,
            {
                "PHASE": "Evacuating",
                "REASON": "MovingVirtualMachines",
                "VMS": "31/143",
                "BLOCKED": "2",
                "CORDONED": "True",
                "ETA": "1h50m",
                "AGE": AGE,
            },
            id="NodeMaintenance",
        ),
        pytest.param(
            REPORTS,
            report(),
            REPORT_STATUS,
            {"PLAN": "move", "RUN": "1", "VMS": "100", "FAILED": "7", "AGE": AGE},
            id="MigrationReport",
        ),
    ],
)


def with_status(cluster: Cluster, name: str, wanted: Json, status: Model) -> Json:
    """The object as stored, with a status that was applied by one field manager, strictly, as the operator does it."""
    spec = wanted["spec"] | ({"nodeName": name} if "nodeName" in wanted["spec"] else {})
    named = wanted | {"metadata": {"name": name}, "spec": spec}
    cluster.kubectl("create", "-f", "-", input=json.dumps(named))
    applied = apply_status(cluster, named, status)
    assert applied.returncode == 0, applied.stderr
    shown = cluster.kubectl("get", wanted["kind"], name, "-o", "json", "--show-managed-fields").stdout
    stored: Json = json.loads(shown)
    return stored


def apply_status(cluster: Cluster, named: Json, status: Model) -> subprocess.CompletedProcess[str]:
    whole = {key: named[key] for key in ("apiVersion", "kind", "metadata")} | {"status": status.wire()}
    flags = ("--server-side", "--subresource=status", "--field-manager=drover", "--validate=strict")
    return cluster.kubectl("apply", *flags, "-f", "-", input=json.dumps(whole), check=False)


def unset(schema: Json, value: Any, path: str) -> list[str]:
    """The fields that a schema has and a value has not."""
    if "items" in schema:
        return unset(schema["items"], value[0], f"{path}[]")
    below = schema.get("properties", {})
    return [f"{path}.{name}" for name in below if name not in value] + [
        missing for name in below if name in value for missing in unset(below[name], value[name], f"{path}.{name}")
    ]


@KINDS
def test_a_full_status_is_stored_as_it_was_written(
    cluster: Cluster, name: str, resource: Resource, wanted: Json, status: Model, row: Json
) -> None:
    schema = definition(resource)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert unset(schema, status.wire(), "status") == [], "this test is about all fields"
    stored = with_status(cluster, name, wanted, status)
    assert stored["status"] == status.wire()
    assert type(status).model_validate(stored["status"]) == status


@KINDS
def test_the_length_of_a_status_does_not_show_in_its_managed_fields(
    cluster: Cluster, name: str, resource: Resource, wanted: Json, status: Model, row: Json
) -> None:
    stored = with_status(cluster, name, wanted, status)
    ours = next(each for each in stored["metadata"]["managedFields"] if each["manager"] == "drover")
    assert len(json.dumps(ours["fieldsV1"])) < 2500


@KINDS
def test_every_column_is_filled(
    cluster: Cluster, name: str, resource: Resource, wanted: Json, status: Model, row: Json
) -> None:
    with_status(cluster, name, wanted, status)
    heading, line = cluster.kubectl("get", resource.short, name).stdout.splitlines()
    assert heading.split() == ["NAME", *row]
    shown = dict(zip(heading.split(), line.split(), strict=True))
    assert shown["NAME"] == name
    assert {column: shown[column] for column in row if not re.fullmatch(row[column], shown[column])} == {}


def test_a_status_is_bounded(cluster: Cluster, name: str) -> None:
    too_long = PLAN_STATUS.model_copy(update={"virtual_machines": PLAN_STATUS.virtual_machines * 2})
    named = evacuation() | {"metadata": {"name": name}}
    cluster.kubectl("create", "-f", "-", input=json.dumps(named))
    answer = apply_status(cluster, named, too_long)
    assert "status.virtualMachines: Too many: 200: must have at most 100 items" in answer.stderr
