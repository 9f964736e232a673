"""What holds after every write, whatever went wrong before. Each rule sees a write and what is there after it."""

from collections.abc import Callable
from typing import Any

from tests.unit.virtsim.world.server import Write
from tests.unit.virtsim.world.sight import Sight
from virtsim.objects import keys
from virtsim.objects.conditions import is_true
from virtsim.objects.migrations import FINAL, HANDED_OFF, is_final, phase_of, vmi_key
from virtsim.objects.pods import annotations_of, is_terminal, labels_of
from virtsim.objects.resources import PODS, VMIMS, VMIS, Object
from virtsim.virt_controller.phases import STEPS


def one_target_pod(sight: Sight, write: Write) -> None:
    """One for each migration. As in KubeVirt a creation whose answer is lost is made again: its event comes late."""
    uid = labels_of(write.obj).get(keys.MIGRATION_JOB_UID, "")
    if write.before is None and uid:
        assert len(sight.targets_of(uid)) <= 1 + sight.lost_creations(uid)


def two_pods_at_most(sight: Sight, write: Write) -> None:
    """A VM gets a target pod only when it has no other pod than its own."""
    labels = labels_of(write.obj)
    if write.before is None and keys.MIGRATION_JOB_UID in labels:
        alive = [
            pod for pod in sight.server.all(PODS) if labels_of(pod).get(keys.CREATED_BY) == labels[keys.CREATED_BY]
        ]
        alive = [pod for pod in alive if not is_terminal(pod)]
        unheard = sum(
            sight.lost_creations(uid) for uid in {labels_of(p).get(keys.MIGRATION_JOB_UID, "") for p in alive}
        )
        assert len(alive) <= 2 + unheard


def limits_hold(sight: Sight, write: Write) -> None:
    """When a target pod is made: those that virt-controller went by, so lowered ones hold for the next."""
    if write.before is not None or not labels_of(write.obj).get(keys.MIGRATION_JOB_UID):
        return
    assert sight.door.current is not None
    per_cluster, per_node = sight.door.current.known
    active = sight.active()
    unheard = sum(sight.lost_creations(vmim["metadata"]["uid"]) for vmim in active)
    assert len(active) <= per_cluster + unheard
    node = sight.source_of(sight.owner_of(write.obj))
    assert [sight.source_of(vmim) for vmim in active].count(node) <= per_node + unheard


def pod_owns_after_the_flip(sight: Sight, write: Write) -> None:
    """A target pod is told that its VM is in it only when the VM's owner is its node."""
    if write.after is None or write.before is None or is_true(write.before, keys.UNPAUSED):
        return
    if is_true(write.after, keys.UNPAUSED):
        uid = labels_of(write.after)[keys.CREATED_BY]
        vmi = next((vmi for vmi in sight.server.all(VMIS) if vmi["metadata"]["uid"] == uid), None)
        where = None if vmi is None else vmi["status"].get("nodeName")  # a first pod's VM is nowhere yet
        assert where in (None, write.after["spec"].get("nodeName"))


def _owner(vmi: Object) -> tuple[Any, Any]:
    return vmi["status"].get("nodeName"), labels_of(vmi).get(keys.NODE_NAME)


def flips_once(sight: Sight, write: Write) -> None:
    """The owner changes in one write, label and status, once for each migration and only to its target."""
    if write.before is None or write.after is None or write.before["status"]["phase"] != "Running":
        return
    before, after = _owner(write.before), _owner(write.after)
    if before == after:
        return
    assert after[0] == after[1]
    state = write.after["status"]["migrationState"]
    assert after[0] == state["targetNode"]
    assert before[0] == state["sourceNode"]
    assert not state.get("failed")
    assert state["migrationUid"] not in sight.flips
    sight.flips[state["migrationUid"]] = after[0]


def state_is_replaced_by_hand_off(sight: Sight, write: Write) -> None:
    """Only by a migration that is Scheduled, when the one before is over; and a state that is over never changes."""
    if write.before is None or write.after is None:
        return
    before = write.before["status"].get("migrationState") or {}
    after = write.after["status"].get("migrationState") or {}
    if before.get("migrationUid") != after.get("migrationUid"):
        phases = {vmim["metadata"]["uid"]: phase_of(vmim) for vmim in sight.server.all(VMIMS)}
        assert phases.get(before.get("migrationUid"), "Failed") in FINAL
        assert phases[after["migrationUid"]] == "Scheduled"
        assert labels_of(write.after)[keys.MIGRATION_TARGET_NODE] == after["targetNode"]
        assert after["sourceNode"] == write.after["status"]["nodeName"]
    elif before.get("completed"):
        assert before == after


def phases_go_forward(sight: Sight, write: Write) -> None:
    """One phase a write, along the table or to Failed; each with its timestamp; never back from the end."""
    if write.after is None:
        return
    before, after = phase_of(write.before or {}), phase_of(write.after)
    if before == after:
        return
    assert not is_final(write.before or {})
    assert after in (STEPS[before][0], "Failed")
    stamped = [entry["phase"] for entry in write.after["status"]["phaseTransitionTimestamps"]]
    earlier = ((write.before or {}).get("status") or {}).get("phaseTransitionTimestamps") or []
    assert stamped == [*(entry["phase"] for entry in earlier), after]
    assert len(set(stamped)) == len(stamped)


def handed_off_has_a_state(sight: Sight, write: Write) -> None:
    """A migration enters the phases of virt-handler only by the VMI's migrationState."""
    if write.after is None or phase_of(write.after) not in HANDED_OFF or is_final(write.after):
        return
    if phase_of(write.before or {}) != phase_of(write.after):
        vmi = sight.server.find(VMIS, *vmi_key(write.after))
        state = (vmi or {"status": {}})["status"].get("migrationState")
        assert vmi is None or state["migrationUid"] == write.after["metadata"]["uid"]


def finalizer_goes_after_the_end(sight: Sight, write: Write) -> None:
    before, after = (obj and obj["metadata"].get("finalizers") for obj in (write.before, write.after))
    if before and not after:
        assert is_final(write.obj)


def evacuates_once(sight: Sight, write: Write) -> None:
    """One unfinished evacuation for each VM, and none of a VM that does not want it.

    A second one only where the answer to the first was lost and admission, a list before a creation, let it pass.
    """
    if write.before is not None or keys.EVACUATION not in annotations_of(write.obj):
        return
    vmi = sight.server.find(VMIS, *vmi_key(write.obj))
    assert vmi is not None
    assert vmi["spec"]["evictionStrategy"] in ("LiveMigrate", "LiveMigrateIfPossible")
    lost = [request for request in sight.door.lost if request.resource is VMIMS and request.verb == "create"]
    unheard = [request for request in lost if request.about["spec"]["vmiName"] == vmi["metadata"]["name"]]
    siblings = [
        vmim
        for vmim in sight.server.all(VMIMS)
        if vmi_key(vmim) == vmi_key(write.obj) and keys.EVACUATION in annotations_of(vmim) and not is_final(vmim)
    ]
    assert len(siblings) <= 1 + len(unheard)


RULES: dict[str, tuple[Callable[[Sight, Write], None], ...]] = {
    PODS.plural: (one_target_pod, two_pods_at_most, limits_hold, pod_owns_after_the_flip),
    VMIS.plural: (flips_once, state_is_replaced_by_hand_off),
    VMIMS.plural: (phases_go_forward, handed_off_has_a_state, finalizer_goes_after_the_end, evacuates_once),
}


def check(sight: Sight, write: Write) -> None:
    """Raises AssertionError if a write breaks a rule."""
    for rule in RULES.get(write.resource.plural, ()):
        rule(sight, write)
