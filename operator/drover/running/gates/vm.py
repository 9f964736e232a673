"""May the VM be migrated now, whatever is planned? What KubeVirt, its pods, its node and its namespace say."""

from drover.api.reasons import WaitReason
from drover.api.shared import Waiting
from drover.facts.kubevirt import LONGEST_LABEL
from drover.planning.demand import attachment, quota
from drover.running.gates.candidate import Candidate, wait


def lingers(c: Candidate) -> Waiting | None:
    """The guest is elsewhere, and a pod of it is still here: the node is not empty before that has ended."""
    if not c.case.lingers:
        return None
    return wait(WaitReason.PODS_ENDING, "its guest is elsewhere, a pod of it here has not ended", "wait for it to end")


def not_running(c: Candidate) -> Waiting | None:
    vmi = c.vmi
    if vmi.metadata.deletion_timestamp is not None:
        return wait(WaitReason.PODS_ENDING, "the VM is being stopped", "wait for it to end")
    if not vmi.running:
        message = f"the VMI is {vmi.status.phase or 'new'}, and only a Running one can be migrated"
        return wait(WaitReason.NOT_RUNNING, message, "wait until it runs, or stop it")
    return None


def not_migratable(c: Candidate) -> Waiting | None:
    """KubeVirt's own word; and a name that cannot be the label by which it finds the migration of a VM."""
    name = c.vmi.metadata.name
    if len(name) > LONGEST_LABEL:
        message = f"KubeVirt cannot migrate it: its name has {len(name)} characters, and more than {LONGEST_LABEL}"
        fix = "shut the VM down for the maintenance, and give it a shorter name"
        return wait(WaitReason.NOT_MIGRATABLE, f"{message} are no label", fix)
    condition = c.vmi.not_migratable()
    if condition is None:
        return None
    message = f"KubeVirt cannot migrate it: {condition.reason}: {condition.message}"
    return wait(WaitReason.NOT_MIGRATABLE, message, "remove the cause, or shut the VM down for the maintenance")


def source_silent(c: Candidate) -> Waiting | None:
    """The source's virt-handler tells the guest to go (kubevirt pkg/virt-handler/migration-source.go): without it the
    target would be prepared, and hold a slot for ever."""
    node = c.round.snapshot.node(c.vmi.node)
    if node is None or not node.silent:
        return None
    message = f"virt-handler on {node.name} has been silent for 5 minutes, and it is what sends the VM"
    return wait(WaitReason.HANDLER_SILENT, message, f"see why virt-handler does not run on {node.name}")


def pods_ending(c: Candidate) -> Waiting | None:
    """KubeVirt waits while more than one pod of the VMI is alive (migration.go), so a slot would be wasted."""
    source = c.round.index.source_pod(c.vmi)
    others = [pod.metadata.name for pod in c.round.index.pods_of(c.vmi) if pod is not source]
    if not others:
        return None
    return wait(WaitReason.PODS_ENDING, f"an earlier pod of it has not ended: {', '.join(others)}", by=others)


def backup(c: Candidate) -> Waiting | None:
    """KubeVirt would make a target pod and let it wait (migration.go)."""
    backup = c.vmi.backup()
    if backup:
        return wait(WaitReason.BACKUP_IN_PROGRESS, f"a backup of it is being made ({backup})", "it ends by itself")
    if c.vmi.spec.utility_volumes:
        names = ", ".join(volume.name for volume in c.vmi.spec.utility_volumes)
        return wait(WaitReason.BACKUP_IN_PROGRESS, f"utility volumes are attached: {names}", "detach them")
    return None


def over_quota(c: Candidate) -> Waiting | None:
    """KubeVirt would try to create the target pod again and again, and the migration would never end."""
    pod = c.round.index.source_pod(c.vmi)
    if pod is None or c.case.namespace not in c.round.index.quotas:
        return None
    pods = attachment.migration_pods(c.vmi, pod, c.round.snapshot.kubevirt)
    words = quota.exceeded(pods, c.case.namespace, c.round.index)
    if words is None:
        return None
    moving = [vmim.name for (space, _), vmims in c.round.index.in_flight.items() if space == c.case.namespace
              for vmim in vmims]  # fmt: skip
    if moving:
        message = f"{words} while others of its namespace move"
        return wait(WaitReason.AWAITING_MOVE, message, "it goes on when they have arrived", by=moving)
    fix = "raise the quota, or stop something in the namespace: a VM that moves has two pods until it has arrived"
    return wait(WaitReason.QUOTA_EXCEEDED, words, fix)
