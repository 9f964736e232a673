"""KubeVirt's objects as decisions read them."""

from datetime import datetime
from typing import Any

import msgspec
import pytest

from drover.facts.kubevirt import ATTEMPT, CRD
from tests.builders import KubeVirtBuilder, VMIBuilder, VMIMBuilder, a_crd, a_kubevirt, a_vmi, a_vmim, at

GI = 1 << 30


@pytest.mark.parametrize(
    ("vmi", "size"),
    [
        (a_vmi("asked").memory("4Gi"), 4 * GI),
        (a_vmi("asked by request").set("spec.domain", {"resources": {"requests": {"memory": "2Gi"}}}), 2 * GI),
        (a_vmi("guest before request").set("spec.domain.resources", {"requests": {"memory": "9Gi"}}), 4 * GI),
        (a_vmi("grown").set("status.memory", {"guestCurrent": "6Gi"}), 6 * GI),
        (a_vmi("to grow").set("status.memory", {"guestCurrent": "1Gi"}), 4 * GI),
        (a_vmi("only current").set("spec.domain", {}).set("status.memory", {"guestCurrent": "1Gi"}), GI),
        (a_vmi("nothing").set("spec.domain", {}), 0),
    ],
    ids=lambda value: value.name if isinstance(value, VMIBuilder) else "",
)
def test_guest_memory(vmi: VMIBuilder, size: int) -> None:
    assert vmi.build().guest_memory() == size


@pytest.mark.parametrize(
    ("cpu", "follows"),
    [(None, True), ({}, True), ({"model": ""}, True), ({"model": "host-model"}, True), ({"model": "EPYC"}, False)],
)
def test_host_model(cpu: dict[str, str] | None, follows: bool) -> None:
    assert a_vmi("web").set("spec.domain.cpu", cpu).build().host_model is follows


@pytest.mark.parametrize(
    ("status", "reason"), [("False", "DisksNotLiveMigratable"), ("True", None), ("Unknown", None), (None, None)]
)
def test_only_a_no_is_not_migratable(status: str | None, reason: str | None) -> None:
    vmi = a_vmi("web").set("status.conditions", [])
    if status is not None:
        vmi.condition("LiveMigratable", status, "DisksNotLiveMigratable")
    condition = vmi.build().not_migratable()
    assert (condition.reason if condition else None) == reason


def test_the_migration_state_of_another_migration_is_not_this_ones() -> None:
    vmim, other = a_vmim("web", "one"), a_vmim("web", "two")
    vmi = a_vmi("web").migrating(vmim, "n1", "n2", completed=True).build()
    state = vmi.state_of(vmim.uid)
    assert state is not None
    assert (state.source_node, state.target_node, state.completed) == ("n1", "n2", True)
    assert vmi.state_of(other.uid) is None
    assert a_vmi("web").set("status.migrationState", {"sourceNode": "n1"}).build().state_of("") is None


@pytest.mark.parametrize(
    ("condition", "status", "blocked"),
    [
        ("migrationRejectedByResourceQuota", "True", "migrationRejectedByResourceQuota"),
        ("migrationBlockedByUtilityVolumes", "True", "migrationBlockedByUtilityVolumes"),
        ("migrationBlockedByBackup", "True", "migrationBlockedByBackup"),
        ("migrationBlockedByBackup", "False", None),
        ("migrationAbortRequested", "True", None),
    ],
)
def test_what_blocks_a_migration(condition: str, status: str, blocked: str | None) -> None:
    assert a_vmim("web").condition(condition, status).build().blocked_by() == blocked


@pytest.mark.parametrize(
    ("vmim", "entered"),
    [
        (a_vmim("web"), None),
        (a_vmim("web").phase("Pending"), None),
        (a_vmim("web").phase("Running", at(5)).phase("Succeeded", at(9)), at(5)),
        (a_vmim("web").phase("Running", at(5)).phase("Running", at(7)), at(5)),
    ],
)
def test_when_a_phase_began(vmim: VMIMBuilder, entered: datetime | None) -> None:
    assert vmim.build().entered("Running") == entered


@pytest.mark.parametrize(("text", "number"), [("3", 3), ("", 0), ("-1", 0), ("x", 0)])
def test_attempts_are_numbers(text: str, number: int) -> None:
    assert a_vmim("web").labelled({ATTEMPT: text}).build().attempt == number


@pytest.mark.parametrize(
    ("kubevirt", "limits"),
    [
        (a_kubevirt(), (5, 2)),
        (a_kubevirt().set("spec.configuration.migrations", {}), (5, 2)),
        (a_kubevirt().limits(cluster=9, outbound=4), (9, 4)),
        (a_kubevirt().limits(cluster=0, outbound=0), (0, 0)),
        (a_kubevirt().set("spec.configuration.migrations.parallelMigrationsPerCluster", 7), (7, 2)),
    ],
)
def test_limits(kubevirt: KubeVirtBuilder, limits: tuple[int, int]) -> None:
    built = kubevirt.build()
    assert (built.cluster_limit, built.outbound_limit) == limits


@pytest.mark.parametrize(
    ("status", "upgrading"),
    [
        ({}, False),
        ({"observedKubeVirtVersion": "v1", "targetKubeVirtVersion": "v1"}, False),
        ({"observedKubeVirtVersion": "v1", "targetKubeVirtVersion": "v2"}, True),
        ({"targetKubeVirtVersion": "v1"}, False),
    ],
)
def test_upgrading(status: dict[str, str], upgrading: bool) -> None:
    assert a_kubevirt().set("status", status).build().upgrading is upgrading


def a_crd_with(**version: Any) -> CRD:
    crd = a_crd()
    changed = msgspec.structs.replace(crd.spec.versions[0], **version)
    return msgspec.structs.replace(crd, spec=msgspec.structs.replace(crd.spec, versions=(changed,)))


@pytest.mark.parametrize(
    ("crd", "can"),
    [
        (a_crd(can_pin=True), True),
        (a_crd(can_pin=False), False),
        (a_crd_with(served=False), False),
        (a_crd_with(name="v1alpha3"), False),
        (a_crd_with(schema=msgspec.Raw(b"null")), False),
        (a_crd_with(schema=msgspec.Raw(b'{"openAPIV3Schema": {"properties": {"status": {}}}}')), False),
    ],
)
def test_whether_migrations_can_be_pinned(crd: CRD, can: bool) -> None:
    assert crd.can_pin is can
