"""Which VMs a workload update migrates, evicts, or leaves alone."""

from typing import Any

import pytest

from tests.unit.virtsim.objects import a_vmi, a_vmim
from virtsim.objects import keys
from virtsim.objects.resources import Object
from virtsim.virt_controller.workload_updates import (
    ABORTION,
    Strategy,
    candidates,
    duration,
    is_deployed,
    migration_of,
    strategy_of,
)

OLD, NEW = "launcher:v1.8.0", "launcher:v1.9.0"
BOTH = Strategy(migrates=True, evicts=True, batch_size=10, batch_seconds=60.0)
MIGRATABLE = {"type": "LiveMigratable", "status": "True"}
MOVING = {"startTimestamp": "2026-01-01T00:00:00Z"}


def a_machine(image: str = NEW, *conditions: Object, migratable: bool = True, **status: Any) -> Object:
    vmi = a_vmi()
    given = [*conditions, *([MIGRATABLE] if migratable else [])]
    vmi["status"] |= {"launcherContainerImageVersion": image, "conditions": given, **status}
    return vmi


def saying(kind: str, status: str = "True") -> Object:
    return {"type": kind, "status": status}


def ours(phase: str = "Running") -> Object:
    vmim = a_vmim(phase)
    vmim["metadata"]["annotations"] = {keys.WORKLOAD_UPDATE: ""}
    return vmim


@pytest.mark.parametrize(
    ("vmi", "vmims", "expected"),
    [
        (a_machine(), [], ""),
        (a_machine(OLD), [], "migrate"),
        (a_machine(""), [], ""),
        (a_machine(OLD, migratable=False), [], "evict"),
        (a_machine(OLD, migratable=False, migratedVolumes=[{}]), [], "migrate"),
        (a_machine(OLD, phase="Scheduled"), [], ""),
        (a_machine(OLD), [a_vmim("Pending")], "counted"),
        (a_machine(OLD), [a_vmim("Failed")], "migrate"),
        (a_machine(OLD, migrationState=MOVING), [], "counted"),
        (a_machine(NEW, saying("HotVCPUChange", "False")), [], "migrate"),
        (a_machine(NEW, saying("HotMemoryChange", "False")), [], ""),
        (a_machine(NEW, saying("HotMemoryChange")), [], "migrate"),
        (a_machine(NEW, saying("MigrationRequired", "False")), [], ""),
        (a_machine(NEW, saying("MigrationRequired")), [], "migrate"),
        (a_machine(NEW, saying("VolumesChange")), [], "migrate"),
        (a_machine(NEW, saying("VolumesChange", "False")), [], ""),
        (a_machine(NEW), [ours()], "abort"),
        (a_machine(NEW), [ours("Succeeded")], ""),
        (a_machine(NEW), [a_vmim("Running")], ""),
        (a_machine(NEW, migrationState={"targetNodeDomainReadyTimestamp": "now"}), [ours()], ""),
        (a_machine(NEW, saying("HotMemoryChange")), [ours()], "counted"),
        (a_machine(OLD), [ours()], "counted"),
    ],
)
def test_candidates(vmi: Object, vmims: list[Object], expected: str) -> None:
    found = candidates([vmi], vmims, NEW, BOTH)
    named = {"migrate": found.migrate, "evict": found.evict, "abort": found.abort}
    assert [name for name, vmis in named.items() if vmis] == ([expected] if expected in named else [])
    assert found.outdated == (1 if expected in ("migrate", "evict", "counted") else 0)


def test_a_change_that_is_to_be_aborted() -> None:
    vmi = a_machine(NEW, saying("HotMemoryChange"))
    vmi["metadata"]["annotations"][ABORTION] = ""
    assert candidates([vmi], [ours()], NEW, BOTH).abort == [vmi]
    assert not candidates([vmi], [], NEW, BOTH)


@pytest.mark.parametrize(
    ("migrates", "evicts", "expected"), [(True, False, (1, 0)), (False, True, (0, 2)), (False, False, (0, 0))]
)
def test_only_the_methods_that_are_given(migrates: bool, evicts: bool, expected: tuple[int, int]) -> None:
    vmis = [a_machine(OLD), a_machine(OLD, migratable=False)]
    found = candidates(vmis, [], NEW, Strategy(migrates, evicts, 10, 60.0))
    assert (len(found.migrate), len(found.evict), found.outdated) == (*expected, 2)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, Strategy(False, False, 10, 60.0)),
        ({"workloadUpdateMethods": ["LiveMigrate"]}, Strategy(True, False, 10, 60.0)),
        (
            {"workloadUpdateMethods": ["Evict"], "batchEvictionSize": 0, "batchEvictionInterval": "1m30s"},
            Strategy(False, True, 0, 90.0),
        ),
    ],
)
def test_the_strategy(given: Any, expected: Strategy) -> None:
    assert strategy_of({"spec": {"workloadUpdateStrategy": given}}) == expected


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("1h0m1.5s", 3601.5), ("250ms", 0.25), ("", None), ("1", None)]
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, False),
        ({"phase": "Deploying"}, False),
        ({"phase": "Deployed"}, True),
        ({"phase": "Deployed", "observedDeploymentID": "a", "targetDeploymentID": "a"}, True),
        ({"phase": "Deployed", "observedDeploymentID": "a", "targetDeploymentID": "b"}, False),
    ],
)
def test_not_while_kubevirt_itself_is_updated(status: dict[str, str], expected: bool) -> None:
    assert is_deployed({"status": status}) is expected


def test_priorities_and_labels() -> None:
    upgrade = migration_of(a_machine(OLD))
    assert upgrade["spec"] == {"vmiName": "web", "priority": "system-critical"}
    assert (upgrade["metadata"]["generateName"], upgrade["metadata"]["annotations"]) == (
        "kubevirt-workload-update-",
        {"kubevirt.io/workloadUpdateMigration": ""},
    )
    volumes = migration_of(a_machine(NEW, saying("VolumesChange")))
    assert volumes["spec"]["priority"] == "user-triggered"
    assert volumes["metadata"]["labels"] == {"kubevirt.io/volume-update-migration": "web"}
    long = a_machine(NEW, saying("VolumesChange"))
    long["metadata"]["name"] = "x" * 64
    assert migration_of(long)["metadata"]["labels"] == {"kubevirt.io/volume-update-migration": "vmi-uid"}
