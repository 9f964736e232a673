"""What blocks a pending migration, and what its VMI and its pod are brought to, as tables."""

from typing import Any

import pytest

from tests.unit.virtsim.objects import a_pod, a_vmi, a_vmim
from virtsim.cluster.client import ApiError
from virtsim.objects import keys
from virtsim.objects.conditions import condition
from virtsim.objects.resources import Object
from virtsim.virt_controller import runtime_user
from virtsim.virt_controller.backups import with_backup
from virtsim.virt_controller.bare_conditions import conditioned
from virtsim.virt_controller.blocking import BLOCKED_BY_BACKUP, BLOCKED_BY_UTILITY_VOLUMES, block, with_block
from virtsim.virt_controller.selinux import NoSelinuxContextError, with_source_level
from virtsim.virt_controller.status import REJECTED_BY_QUOTA, with_quota_condition, with_source_pod
from virtsim.virt_controller.utility_volumes import with_utility_volume
from virtsim.virt_controller.view import View

TIMEOUT = 150
BACKUP = {"backupName": "nightly"}


def a_view(vmim: Object | None = None, *, volumes: int = 0, backup: Any = None, target: Object | None = None) -> View:
    vmi = a_vmi()
    vmi["spec"]["utilityVolumes"] = [{"name": "scratch"}] * volumes
    vmi["status"]["changedBlockTracking"] = {"backupStatus": backup}
    return View(vmim or a_vmim("Pending"), vmi, a_pod(), target, None)


def critical() -> Object:
    vmim = a_vmim("Pending")
    vmim["spec"]["priority"] = "system-critical"
    return vmim


@pytest.mark.parametrize(
    ("view", "kind", "again", "over"),
    [
        (a_view(), None, 0.0, False),
        (a_view(backup={}), None, 0.0, False),
        (a_view(backup={**BACKUP, "completed": True}), None, 0.0, False),
        (a_view(backup=BACKUP), BLOCKED_BY_BACKUP, 5.0, False),
        (a_view(critical(), backup=BACKUP), BLOCKED_BY_BACKUP, 1.0, False),
        (a_view(volumes=1), BLOCKED_BY_UTILITY_VOLUMES, 140.0, False),
        (a_view(volumes=1, backup=BACKUP), BLOCKED_BY_BACKUP, 5.0, False),
    ],
)
def test_blocks(view: View, kind: str | None, again: float, over: bool) -> None:
    found = block(view, TIMEOUT, 10)
    assert (found.kind if found else None) == kind
    assert found is None or (found.again, found.over) == (again, over)


@pytest.mark.parametrize(
    ("age", "annotation", "over"),
    [(149, None, False), (150, None, True), (9, "9", True), (8, "9", False), (149, "no number", False)],
)
def test_patience_with_utility_volumes(age: int, annotation: str | None, over: bool) -> None:
    vmim = a_vmim("Pending")
    vmim["metadata"]["annotations"] = {keys.UTILITY_VOLUMES_TIMEOUT: annotation} if annotation else {}
    found = block(a_view(vmim, volumes=1), TIMEOUT, age)
    assert found is not None
    assert found.event is not None
    assert found.over is over
    assert found.event[1] == ("FailedMigration" if over else "UtilityVolumeMigrationPending")


def test_a_critical_migration_aborts_a_backup_once() -> None:
    view = a_view(critical(), backup=BACKUP)
    found = block(view, TIMEOUT, 0)
    assert found is not None
    assert (found.aborts, found.message) == ("nightly", "Aborting backup nightly for system-critical migration")
    told = with_block(view.vmim, found)
    again = block(a_view(told, backup=BACKUP), TIMEOUT, 0)
    assert again is not None
    assert (again.aborts, again.event) == ("", None)
    assert with_block(told, again) is told, "said once"


def test_conditions_go_with_what_they_tell_of() -> None:
    both = conditioned(conditioned(a_vmim("Pending"), BLOCKED_BY_BACKUP), BLOCKED_BY_UTILITY_VOLUMES)
    assert with_block(both, None)["status"]["conditions"] == []
    waiting = with_block(both, block(a_view(volumes=1), TIMEOUT, 0))
    assert condition(waiting, BLOCKED_BY_BACKUP) is None
    assert condition(waiting, BLOCKED_BY_UTILITY_VOLUMES) is not None


QUOTA = ApiError(403, "Forbidden", "pods is forbidden: exceeded quota: small")
OTHER = ApiError(403, "Forbidden", "something else")


@pytest.mark.parametrize(
    ("phase", "target", "refusal", "known", "expected"),
    [
        ("Pending", None, QUOTA, False, True),
        ("Pending", None, OTHER, False, False),
        ("Pending", None, None, True, True),
        ("Pending", a_pod(), QUOTA, False, False),
        ("Scheduling", a_pod(), None, True, False),
        ("Scheduled", a_pod(), None, True, True),
    ],
)
def test_the_quota_condition(
    phase: str, target: Object | None, refusal: ApiError | None, known: bool, expected: bool
) -> None:
    vmim = conditioned(a_vmim(phase), REJECTED_BY_QUOTA) if known else a_vmim(phase)
    after = with_quota_condition(vmim, a_view(vmim, target=target), refusal)
    assert (condition(after, REJECTED_BY_QUOTA) is not None) is expected


def test_the_source_pod_is_named_while_pending_only() -> None:
    view = a_view()
    assert with_source_pod(view.vmim, view)["status"]["migrationState"] == {"sourcePod": "virt-launcher-web-b"}
    assert "migrationState" not in with_source_pod(a_vmim("Scheduling"), view)["status"]


PATH = "/metadata/annotations/kubevirt.io~1nonroot"


@pytest.mark.parametrize(
    ("user", "annotations", "root", "expected"),
    [
        (107, {keys.NONROOT: "true"}, False, []),
        (107, {}, False, [("add", PATH)]),
        (107, None, False, [("add", "/metadata/annotations")]),
        (0, {keys.NONROOT: "true"}, False, [("replace", "/status/runtimeUser")]),
        (None, {keys.NONROOT: "true"}, False, [("replace", "/status/runtimeUser")]),
        (107, {keys.NONROOT: "true"}, True, [("replace", "/status/runtimeUser"), ("remove", PATH)]),
        (0, {}, True, []),
    ],
)
def test_the_runtime_user(
    user: int | None, annotations: dict[str, str] | None, root: bool, expected: list[tuple[str, str]]
) -> None:
    vmi = a_vmi()
    vmi["status"] |= {} if user is None else {"runtimeUser": user}
    vmi["metadata"].pop("annotations")
    vmi["metadata"] |= {} if annotations is None else {"annotations": annotations}
    assert [(entry["op"], entry["path"]) for entry in runtime_user.operations(vmi, root=root)] == expected


@pytest.mark.parametrize(
    ("context", "match", "level"),
    [
        ("none", None, None),
        ("system_u:object_r:container_file_t:s0:c12,c345", None, "s0:c12,c345"),
        ("system_u:object_r:container_file_t:s0:c12,c345", False, None),
        ("system_u:object_r:container_file_t", True, None),
        ("", False, None),
    ],
)
def test_the_selinux_level(context: str, match: bool | None, level: str | None) -> None:
    vmi = a_vmi()
    vmi["status"]["selinuxContext"] = context
    configuration = {} if match is None else {"matchSELinuxLevelOnMigration": match}
    options = with_source_level(a_pod(), vmi, configuration)["spec"].get("securityContext", {}).get("seLinuxOptions")
    assert options == ({"level": level} if level else None)


def test_no_selinux_context_is_an_error() -> None:
    with pytest.raises(NoSelinuxContextError, match="SELinux context not set on VMI status"):
        with_source_level(a_pod(), a_vmi(), {})


def test_a_backup_follows_its_annotation() -> None:
    vmi = a_vmi()
    vmi["metadata"]["annotations"][keys.BACKUP] = "nightly"
    begun = with_backup(vmi)
    assert begun["status"]["changedBlockTracking"]["backupStatus"]["backupName"] == "nightly"
    assert with_backup(begun) is begun
    ended = with_backup({**begun, "metadata": {**begun["metadata"], "annotations": {}}})
    assert ended["status"]["changedBlockTracking"]["backupStatus"]["completed"] is True
    assert with_backup(ended) is ended


@pytest.mark.parametrize(("annotation", "before", "after"), [(None, 1, 1), ("", 1, 0), ("scratch", 0, 1), ("", 0, 0)])
def test_a_utility_volume_follows_its_annotation(annotation: str | None, before: int, after: int) -> None:
    vmi = a_view(volumes=before).vmi
    vmi["metadata"]["annotations"] = {} if annotation is None else {keys.UTILITY_VOLUME: annotation}
    assert len(with_utility_volume(vmi)["spec"].get("utilityVolumes") or []) == after
