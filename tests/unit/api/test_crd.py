"""The definitions of our kinds: in step with the models, bounded and described throughout."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from drover.api import crd, reference
from drover.api.maintenance import MAINTENANCES, MaintenanceSpec, MaintenanceVMs
from drover.api.plan import PLANS, Evacuate, PlanSpec
from drover.api.resource import Resource
from drover.api.schema import Schema
from drover.api.shared import Condition, FailurePolicy, Limits, Verify

ROOT = Path(__file__).parents[3]
FOLDERS = [ROOT / "crds", ROOT / "charts" / "drover" / "files" / "crds"]


def schema_of(resource: Resource) -> Schema:
    schema: Schema = crd.definition(resource)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def walk(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema within a schema, with where it stands."""
    yield path, schema
    for name, each in schema.get("properties", {}).items():
        yield from walk(each, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from walk(schema[key], f"{path}[]")


KINDS = pytest.mark.parametrize("resource", crd.RESOURCES, ids=lambda resource: resource.kind)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_the_committed_definitions_are_those_of_the_models(folder: Path) -> None:
    assert crd.drift(folder) == ""


def test_the_committed_reference_is_that_of_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main(["--check", str(ROOT / "docs" / "api.md")]) == 0, capsys.readouterr().out


def test_a_reference_that_differs_is_found(tmp_path: Path) -> None:
    page = tmp_path / "api.md"
    assert reference.main(["--check", str(page)]) == 1
    assert reference.main([str(page)]) == 0
    assert reference.main(["--check", str(page)]) == 0
    page.write_text(page.read_text().replace("`20s`", "`30s`"))
    assert reference.main(["--check", str(page)]) == 1


def test_every_difference_is_found_and_written_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert crd.main(["--check", str(tmp_path)]) == 1
    assert "+  name: migrationplans.drover.dev" in capsys.readouterr().out
    stale = tmp_path / "herds.drover.dev.yaml"
    stale.write_text("kind: Herd\n")
    assert crd.main([str(tmp_path)]) == 0
    assert not stale.exists()
    assert crd.main(["--check", str(tmp_path)]) == 0
    stale.write_text("kind: Herd\n")
    assert crd.main(["--check", str(tmp_path)]) == 1
    assert "-kind: Herd" in capsys.readouterr().out


def bounded(schema: Schema) -> bool:
    match schema["type"]:
        case "string":
            return bool(schema.keys() & {"maxLength", "enum"}) or schema.get("format") == "date-time"
        case "array":
            return "maxItems" in schema
        case "object":
            return bool(schema.keys() & {"properties", "maxProperties"})
        case other:
            return other in {"integer", "boolean"}


@KINDS
def test_everything_in_spec_and_status_is_bounded(resource: Resource) -> None:
    parts = schema_of(resource)["properties"]
    everything = [each for part in ("spec", "status") for each in walk(parts[part], part)]
    assert len(everything) > 20
    assert [path for path, schema in everything if not bounded(schema)] == []


@KINDS
def test_conditions_are_a_map_by_type_and_all_other_lists_are_atomic(resource: Resource) -> None:
    for path, schema in walk(schema_of(resource)):
        if schema["type"] == "array":
            expected = "map" if path.endswith(".conditions") else "atomic"
            assert schema["x-kubernetes-list-type"] == expected, path


def test_every_rule_says_what_to_do() -> None:
    verbs = ("add ", "remove ", "use ", "list ", "make ", "delete ", "create ", "leave ")
    rules = [
        rule
        for resource in crd.RESOURCES
        for _, schema in walk(schema_of(resource))
        for rule in schema.get("x-kubernetes-validations", [])
    ]
    assert len(rules) > 20
    assert [rule["message"] for rule in rules if not any(verb in rule["message"] for verb in verbs)] == []


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (PlanSpec, "spec"),
        (Evacuate, "spec.evacuate"),
        (Limits, "spec.limits"),
        (FailurePolicy, "spec.failurePolicy"),
        (Verify, "spec.verify"),
        (MaintenanceSpec, "spec"),
        (MaintenanceVMs, "spec.virtualMachines"),
    ],
)
def test_the_defaults_of_the_schema_are_those_of_the_model(model: type[BaseModel], path: str) -> None:
    resource = MAINTENANCES if model in {MaintenanceSpec, MaintenanceVMs} else PLANS
    schema: Any = schema_of(resource)
    for step in path.split("."):
        schema = schema["properties"][step]
    in_schema = {name: each["default"] for name, each in schema["properties"].items() if "default" in each}
    assert in_schema == {
        field.alias: field.default
        for field in model.model_fields.values()
        if not field.is_required() and field.default is not None
    }


def test_a_status_is_read_however_much_a_newer_operator_put_there() -> None:
    newer = {"type": "Ready", "status": "True", "reason": "AllMoved", "colour": "green", "message": ""}
    assert Condition.model_validate(newer).wire() == {key: newer[key] for key in newer if key != "colour"}


def test_the_operator_loads_no_yaml_for_its_definitions() -> None:
    loaded = "import sys, drover.api.crd, drover.api.reference; sys.exit('yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0
