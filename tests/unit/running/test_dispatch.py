"""Who starts, and why each of the others does not: one row for every wait reason there is."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from drover.api.reasons import Outcome, WaitReason
from drover.api.report import RejectedTarget
from tests.builders import (
    NOW,
    ClusterBuilder,
    VMIBuilder,
    a_cluster,
    a_crd,
    a_kubevirt,
    a_node,
    a_plan,
    a_quota,
    a_record,
    a_report,
    a_vmi,
    a_vmim,
    an_attempt,
    at,
)
from tests.unit.running.rounds import a_round, proposed

PLAN = a_plan("p").evacuates("n1").running()
OLDER = a_plan("older").evacuates("n1").created(at(-7200)).running()
FAILED = an_attempt(1, ended_at=NOW)


def scene(*parts: object, plan: object = PLAN) -> ClusterBuilder:
    """n1 with the VM web, which the plan p empties, and n2, unless a part is another n2."""
    names = {getattr(part, "name", "") for part in parts}
    nodes = [node for node in (a_node("n1"), a_node("n2")) if node.name not in names]
    vms = [] if "web" in names else [a_vmi("web")]
    return a_cluster(*nodes, *vms, plan, *parts)  # type: ignore[arg-type]  # builders, said loosely


def foreign() -> ClusterBuilder:
    return scene(a_vmim("web").phase("Running"))


def of_another_plan() -> ClusterBuilder:
    return scene(OLDER, a_vmim("web").of(OLDER).to("n2"))


def claimed_by_another_plan() -> ClusterBuilder:
    """The older plan waits for a slot that the younger would have."""
    busy = a_vmim("db").of(OLDER).to("n3")
    older = a_plan("older").evacuates("n1").created(at(-7200)).running().spec(limits={"total": 1})
    return scene(older, a_vmi("db").on("n3"), a_node("n3"), busy)


def paused_elsewhere() -> ClusterBuilder:
    """An older plan that does not work claims nothing."""
    return scene(a_plan("older").evacuates("n1").created(at(-7200)).running().paused())


def with_spent_retries() -> ClusterBuilder:
    plan = a_plan("p").evacuates("n1").running().spec(failurePolicy={"retries": 1})
    mark = a_round(scene(a_vmim("web").of(PLAN).to("n2").phase("Failed"))).records[0].attempts[0].fingerprint
    attempts = [an_attempt(n, fingerprint=mark, ended_at=at(-3600)) for n in (1, 2)]
    return scene(plan=plan).knows(a_report(PLAN, a_record("web", *attempts)))


def with_a_rejected_target() -> ClusterBuilder:
    rejected = RejectedTarget(node="n2", at=at(-60), message="0/2 nodes are available")
    attempt = an_attempt(1, Outcome.REJECTED)
    return scene().knows(a_report(PLAN, a_record("web", attempt, rejected=(rejected,))))


def with_a_failed_verification() -> ClusterBuilder:
    attempt = an_attempt(1, Outcome.VERIFICATION_FAILED, error="not verified within 2m: the VMI is not Ready")
    return scene(a_vmi("web").on("n2").not_ready()).knows(a_report(PLAN, a_record("web", attempt)))


def with_a_pending_target() -> ClusterBuilder:
    web = a_vmi("web")
    vmim = a_vmim(web).of(PLAN).to("n2").phase("Scheduling")
    web.launcher(vmim=vmim).pods[1].unschedulable().created(at(-1))
    return scene(web, vmim)


def with_a_lingering_pod() -> ClusterBuilder:
    """The guest is on n2, its old pod still on n1."""
    web = a_vmi("web").launcher()
    web.pods[1].on("n2")
    return scene(web.set("status.nodeName", "n2"))


def with_two_pods() -> ClusterBuilder:
    web = a_vmi("web").launcher()
    web.pods[1].on("n3")
    return scene(web, a_node("n3"))


def behind_another() -> ClusterBuilder:
    """It requires the other on its host, and only one may start."""
    db = a_vmi("db")
    db.pod.labelled(app="db")
    web = a_vmi("web")
    near = [{"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "db"}}}]
    web.pod.set("spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution", near)
    return scene(db, web, a_kubevirt().limits(9, 9))


def without_quota(*parts: object) -> ClusterBuilder:
    quota = a_quota("q").set("status", {"hard": {"pods": "1"}, "used": {"pods": "1"}})
    return scene(quota, *parts)


def while_a_neighbour_moves() -> ClusterBuilder:
    """What it holds of the quota is free again when it has arrived."""
    return without_quota(a_kubevirt().limits(9, 9), a_vmi("db").on("n2"), a_vmim("db").phase("Running"))


def with_a_backup(**status: object) -> ClusterBuilder:
    vmi = a_vmi("web").set("status.changedBlockTracking.backupStatus", {"backupName": "nightly", **status})
    return scene(vmi)


def before_its_record() -> ClusterBuilder:
    return scene(a_vmim("web").of(PLAN).to("n2").phase("Failed"))


WAITS: list[tuple[str, WaitReason | None, Callable[[], ClusterBuilder]]] = [
    ("nothing stands in the way", None, scene),
    ("a migration of somebody else's", WaitReason.FOREIGN_MIGRATION, foreign),
    ("a migration of another plan", WaitReason.OTHER_PLAN, of_another_plan),
    ("an older plan is about to move it", WaitReason.OTHER_PLAN, claimed_by_another_plan),
    ("an older plan is paused", None, paused_elsewhere),
    ("an earlier run of the plan", WaitReason.FOREIGN_MIGRATION, lambda: scene(a_vmim("web").of(PLAN, run="old"))),
    ("a pod of it stays behind", WaitReason.PODS_ENDING, with_a_lingering_pod),
    ("two pods of it", WaitReason.PODS_ENDING, with_two_pods),
    ("it is being stopped", WaitReason.PODS_ENDING, lambda: scene(a_vmi("web").deleting())),
    ("it does not run yet", WaitReason.NOT_RUNNING, lambda: scene(a_vmi("web").phase("Scheduled"))),
    ("it cannot migrate", WaitReason.NOT_MIGRATABLE, lambda: scene(a_vmi("web").not_migratable())),
    ("virt-handler on its node is silent", WaitReason.HANDLER_SILENT, lambda: scene(a_node("n1").silent())),
    ("virt-handler on its target is", WaitReason.NO_ELIGIBLE_TARGET, lambda: scene(a_node("n2").silent())),
    ("its plan is paused", WaitReason.PAUSED, lambda: scene(plan=a_plan("p").evacuates("n1").running().paused())),
    ("its plan is a dry run", WaitReason.DRY_RUN, lambda: scene(plan=a_plan("p").evacuates("n1").dry())),
    ("its plan is withdrawn", WaitReason.WITHDRAWN, lambda: scene(plan=a_plan("p").evacuates("n1").withdrawn())),
    ("its plan empties too much", WaitReason.PLAN_BLOCKED, lambda: scene(plan=a_plan("p").evacuates("n1", "n2"))),
    ("no pinning", WaitReason.PINNING_UNSUPPORTED, lambda: scene().pinning(a_crd(can_pin=False))),
    ("no KubeVirt", WaitReason.KUBEVIRT_UNAVAILABLE, lambda: scene().absent("kubevirts")),
    ("KubeVirt is between versions", WaitReason.KUBEVIRT_UPGRADING, lambda: scene(a_kubevirt().upgrading())),
    ("silence", WaitReason.SNAPSHOT_STALE, lambda: scene().stale("pods")),
    ("its last attempt is not on record", WaitReason.PLANNING, before_its_record),
    ("the run has not begun", WaitReason.PLANNING, lambda: scene(plan=a_plan("p").evacuates("n1"))),
    ("every retry is spent", WaitReason.RETRIES_SPENT, with_spent_retries),
    ("its verification failed", WaitReason.VERIFICATION_FAILED, with_a_failed_verification),
    (
        "a node that is to be cordoned by somebody",
        WaitReason.AWAITING_CORDON,
        lambda: scene(plan=a_plan("p").evacuates("n1", cordon="Require").running()),
    ),
    (
        "a node that is to be cordoned by us",
        WaitReason.AWAITING_CORDON,
        lambda: scene(plan=a_plan("p").evacuates("n1", cordon="Apply").running()),
    ),
    ("another has to be there first", WaitReason.AWAITING_MOVE, behind_another),
    ("its namespace has no quota for two pods of it", WaitReason.QUOTA_EXCEEDED, without_quota),
    ("nor while others move", WaitReason.AWAITING_MOVE, while_a_neighbour_moves),
    ("a backup is being made", WaitReason.BACKUP_IN_PROGRESS, with_a_backup),
    ("a backup has been made", None, lambda: with_a_backup(completed=True)),
    (
        "a volume is attached for a backup",
        WaitReason.BACKUP_IN_PROGRESS,
        lambda: scene(a_vmi("web").set("spec.utilityVolumes", [{"name": "scratch"}])),
    ),
    ("it failed just now", WaitReason.BACKOFF, lambda: scene().knows(a_report(PLAN, a_record("web", FAILED)))),
    ("no node may take it", WaitReason.NO_ELIGIBLE_TARGET, lambda: scene(a_node("n2").cordoned())),
    ("the scheduler refused the only one", WaitReason.NO_ELIGIBLE_TARGET, with_a_rejected_target),
    ("no node has room for it", WaitReason.NO_ROOM, lambda: scene(a_node("n2").memory("2Gi"))),
    ("the API server said no", WaitReason.REFUSED, lambda: scene().refused("start web-uid")),
    ("the scheduler says no", WaitReason.TARGET_PENDING, with_a_pending_target),
    (
        "KubeVirt does not begin",
        WaitReason.TARGET_PENDING,
        lambda: scene(
            a_vmim("web")
            .of(PLAN)
            .to("n2")
            .phase("Pending")
            .condition("migrationRejectedByResourceQuota", "True")
            .created(at(-1))
        ),
    ),
    (
        "enough are in flight",
        WaitReason.CLUSTER_LIMIT,
        lambda: scene(a_kubevirt().limits(1, 1), a_vmi("db").on("n2"), a_vmim("db").phase("Running")),
    ),
    (
        "enough leave its node",
        WaitReason.SOURCE_LIMIT,
        lambda: scene(a_kubevirt().limits(9, 1), a_vmi("db"), a_vmim("db").phase("Running")),
    ),
    (
        "enough go to its target",
        WaitReason.TARGET_LIMIT,
        lambda: scene(
            a_node("n3").cordoned(),
            a_vmi("db").on("n3"),
            a_vmim("db").to("n2").phase("Running"),
            plan=a_plan("p").evacuates("n1").running().spec(limits={"perTarget": 1}),
        ),
    ),
]


@pytest.mark.parametrize(("reason", "cluster"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS])
def test_a_vm_waits(reason: WaitReason | None, cluster: Callable[[], ClusterBuilder]) -> None:
    """A VM that is not started has a reason, since when, and words for it."""
    result = a_round(cluster())
    assert ("web" in result.starts) == (reason is None)
    if reason is not None:
        waiting = result.vm("web").waiting
        assert waiting is not None
        assert (waiting.reason, waiting.since) == (reason, NOW)
        assert waiting.message


def test_every_reason_is_in_the_table() -> None:
    assert {row[1] for row in WAITS} - {None} == set(WaitReason)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no node has room for it", "none of 1 other nodes fits: 1× lacks 2.2 GiB of memory"),
        ("enough are in flight", "1 migrations are in flight in the cluster, and 1 may be"),
        ("its namespace has no quota for two pods of it", "the quota q lacks 1 of pods for a second pod of it"),
        ("a backup is being made", "a backup of it is being made (nightly)"),
        ("a volume is attached for a backup", "utility volumes are attached: scratch"),
        ("another has to be there first", "its target n2 will do only when shop/db has moved"),
        ("the scheduler says no", "the scheduler: 0/3 nodes are available: 3 Insufficient memory."),
        ("KubeVirt does not begin", "KubeVirt: migrationRejectedByResourceQuota"),
        ("it cannot migrate", "KubeVirt cannot migrate it: DisksNotLiveMigratable: a disk is not shared"),
    ],
)
def test_what_it_is_told(name: str, said: str) -> None:
    cluster = next(row[2] for row in WAITS if row[0] == name)
    waiting = a_round(cluster()).vm("web").waiting
    assert waiting is not None
    assert waiting.message == said


@pytest.mark.parametrize(
    ("name", "until"),
    [
        ("the scheduler refused the only one", at(-60 + 600)),
        ("the API server said no", at(1)),
    ],
)
def test_what_ends_by_itself_says_when(name: str, until: object) -> None:
    """And the round after is no later."""
    result = a_round(next(row[2] for row in WAITS if row[0] == name)())
    waiting = result.vm("web").waiting
    assert waiting is not None
    assert (waiting.until, result.decision.wake_at) == (f"{until:%Y-%m-%dT%H:%M:%SZ}", until)


def test_an_old_proposal_for_another_source_is_not_acted_on() -> None:
    """Its plan empties both nodes, and somebody has moved the VM from one to the other."""
    plan = a_plan("p").evacuates("n1", "n3").running()
    old = proposed(scene(a_node("n3"), plan=plan))
    result = a_round(scene(a_node("n3"), a_vmi("web").on("n3"), plan=plan), proposals=old)
    assert (result.starts, result.waits("web")) == ({}, WaitReason.PLANNING)


def test_a_guest_that_is_gone_waits_for_its_pod_and_for_nothing_else() -> None:
    """Whatever else there is to say of it."""
    web = a_vmi("web").not_migratable().launcher()
    web.pods[1].on("n2")
    plan = a_plan("p").evacuates("n1").running().paused()
    waiting = a_round(scene(web.set("status.nodeName", "n2"), plan=plan)).vm("web").waiting
    assert waiting is not None
    assert waiting.message == "its guest is elsewhere, a pod of it here has not ended"


def test_a_paused_plan_lets_the_younger_one_work() -> None:
    assert a_round(paused_elsewhere()).starts == {"web": "n2"}


def test_a_younger_plan_takes_no_slot_from_the_older() -> None:
    result = a_round(scene(a_kubevirt().limits(1, 1), a_vmi("db"), OLDER))
    assert len(result.starts) == 1
    assert next(vm.waiting for vm in result.plan("older").virtual_machines if vm.name != "db") is not None
    assert {vm.waiting.reason for vm in result.plan("p").virtual_machines if vm.waiting} == {WaitReason.OTHER_PLAN}


def test_the_slots_that_are_given_count_for_the_next_vm() -> None:
    parts = [a_vmi(f"vm{n}") for n in range(5)]
    result = a_round(scene(*parts, a_kubevirt().limits(9, 9), plan=PLAN))
    assert len(result.starts) == 2, "perTarget is 2"
    assert {vm.waiting.reason for vm in result.plan().virtual_machines if vm.waiting} == {
        WaitReason.TARGET_LIMIT,
        WaitReason.PLANNING,
    }


def test_those_that_were_tried_less_often_come_first() -> None:
    record = a_record("aaa", an_attempt(1, ended_at=at(-3600)))
    result = a_round(scene(a_vmi("aaa"), a_kubevirt().limits(1, 1)).knows(a_report(PLAN, record)))
    assert list(result.starts) == ["web"]


def sized(name: str, memory: str, priority: int = 0) -> VMIBuilder:
    vm = a_vmi(name).memory(memory)
    vm.pod.set("spec.priority", priority)
    return vm


@pytest.mark.parametrize(
    ("order", "first"),
    [
        (None, ["large", "even", "urgent", "web", "small"]),
        ("Fastest", ["large", "even", "urgent", "web", "small"]),
        ("SmallestFirst", ["small", "even", "urgent", "web", "large"]),
        ("Priority", ["urgent", "large", "web", "small", "even"]),
    ],
)
def test_who_starts_when_several_could(order: str | None, first: list[str]) -> None:
    """One after the other, each gone when the next starts."""
    plan = a_plan("p").evacuates("n1").running().spec(**({"order": order} if order else {}))
    vms = [sized("small", "1Gi"), sized("large", "16Gi"), sized("urgent", "4Gi", 1000), sized("even", "4Gi", -5)]
    found: list[str] = []
    while vms or len(found) < 5:
        others = () if "web" in found else (a_vmi("web"),)
        result = a_round(scene(*vms, *others, *web_elsewhere(found), a_kubevirt().limits(1, 1), plan=plan))
        found += list(result.starts)
        vms = [vm for vm in vms if vm.name != found[-1]]
    assert found == first


def web_elsewhere(gone: list[str]) -> list[VMIBuilder]:
    return [a_vmi("web").on("n2")] if "web" in gone else []


def test_without_a_timetable_the_name_decides() -> None:
    """It is computed before anybody knows KubeVirt's limits."""
    cluster = scene(a_vmi("aaa"), sized("large", "16Gi"), a_kubevirt().limits(1, 1))
    known = {uid: replace(each, timetable=None) for uid, each in proposed(cluster).items()}
    assert list(a_round(cluster, proposals=known).starts) == ["aaa"]


@pytest.mark.parametrize(
    "change",
    [
        lambda: scene(a_vmi("web").on("n3"), a_node("n3")),
        lambda: scene(a_node("n2").cordoned()),
        lambda: a_cluster(a_node("n1"), a_node("n3"), a_vmi("web"), PLAN),
        lambda: scene(a_plan("other").evacuates("n2").created(at(-60)).running()),
        with_a_rejected_target,
    ],
    ids=["the VM is elsewhere", "it is cordoned", "it is gone", "it is being emptied", "the scheduler refused it"],
)
def test_an_old_proposal_is_not_acted_on(change: Callable[[], ClusterBuilder]) -> None:
    """It said n1 -> n2; by now that is no good."""
    old = proposed(scene())
    assert old["p-uid"].assignments["web-uid"].target == "n2"
    assert a_round(change(), proposals=old).starts == {}


@pytest.mark.parametrize(("lingers", "starts"), [(False, {"web": "n2"}), (True, {})])
def test_who_waits_for_another_starts_when_that_has_arrived(lingers: bool, starts: dict[str, str]) -> None:
    """On a proposal that is not newer than the arrival."""
    before = behind_another()
    proposals = proposed(before)
    db, web = (part for part in before.parts if isinstance(part, VMIBuilder))
    if lingers:
        db.launcher().pods[1].on("n2").labelled(app="db")
        db.set("status.nodeName", "n2")
    else:
        db.on("n2")
    assert a_round(before, proposals=proposals).starts == starts
    assert web.name == "web"


def test_a_name_that_is_no_label_cannot_be_migrated() -> None:
    waiting = a_round(scene(a_vmi("w" * 64).with_uid("long"))).vm("w" * 64).waiting
    assert waiting is not None
    assert waiting.reason == WaitReason.NOT_MIGRATABLE
    assert waiting.message == "KubeVirt cannot migrate it: its name has 64 characters, and more than 63 are no label"
    assert "w" * 63 in a_round(scene(a_vmi("w" * 63).with_uid("long"))).starts


def test_a_dry_run_says_that_there_is_no_quota() -> None:
    quota = a_quota("q").set("status", {"hard": {"pods": "1"}, "used": {"pods": "1"}})
    assert a_round(scene(quota, plan=a_plan("p").evacuates("n1").dry())).waits("web") == WaitReason.QUOTA_EXCEEDED
