"""The closed lists of reasons. What a status says is one of these; docs/reasons.md explains each."""

from enum import StrEnum


class PlanPhase(StrEnum):
    """Where a MigrationPlan stands."""

    PLANNING = "Planning"
    REHEARSED = "Rehearsed"
    MIGRATING = "Migrating"
    WAITING = "Waiting"
    HELD = "Held"
    BLOCKED = "Blocked"
    SUCCEEDED = "Succeeded"
    WITHDRAWN = "Withdrawn"


class MaintenancePhase(StrEnum):
    """Where a NodeMaintenance stands."""

    PREPARING = "Preparing"
    EVACUATING = "Evacuating"
    WAITING = "Waiting"
    HELD = "Held"
    BLOCKED = "Blocked"
    IN_MAINTENANCE = "InMaintenance"
    REHEARSED = "Rehearsed"
    ENDING = "Ending"
    WITHDRAWN = "Withdrawn"


class Reason(StrEnum):
    """Why a plan or a maintenance is in its phase."""

    COMPUTING = "Computing"
    DRY_RUN_COMPUTED = "DryRunComputed"
    MOVING = "MovingVirtualMachines"
    PAUSED = "Paused"
    CORDONING = "Cordoning"
    AWAITING_CORDON = "AwaitingCordon"
    KUBEVIRT_UNAVAILABLE = "KubeVirtUnavailable"
    KUBEVIRT_UPGRADING = "KubeVirtUpgrading"
    SNAPSHOT_STALE = "SnapshotStale"
    VIRTUAL_MACHINES_BLOCKED = "VirtualMachinesBlocked"
    VIRTUAL_MACHINES_LEFT = "VirtualMachinesLeft"
    NOTHING_SELECTED = "NothingSelected"
    NODE_NOT_FOUND = "NodeNotFound"
    TOO_MANY_NODES = "TooManyNodes"
    LAST_NODE = "LastNode"
    NAME_TAKEN = "NameTaken"
    ALL_MOVED = "AllMoved"
    NOTHING_TO_MOVE = "NothingToMove"
    NODE_EMPTY = "NodeEmpty"
    UNDOING = "Undoing"
    UNDONE = "Undone"
    REFUSED = "Refused"
    DRIFTED = "Drifted"
    AS_WANTED = "AsWanted"
    NOT_WANTED = "NotWanted"
    IN_PROGRESS = "InProgress"


class FindingReason(StrEnum):
    """What a finding is about."""

    NOTHING_SELECTED = "NothingSelected"
    NODE_NOT_FOUND = "NodeNotFound"
    TARGETS_NOT_FOUND = "TargetsNotFound"
    SOURCE_SCHEDULABLE = "SourceSchedulable"
    TOO_MANY_NODES = "TooManyNodes"
    LIMIT_CLAMPED = "LimitClamped"
    RUN_IS_FIXED = "RunIsFixed"
    NOT_MIGRATABLE = "NotMigratable"
    NOT_RUNNING = "NotRunning"
    HANDLER_SILENT = "HandlerSilent"
    QUOTA_EXCEEDED = "QuotaExceeded"
    DISRUPTION_BUDGET = "DisruptionBudget"
    NO_ELIGIBLE_TARGET = "NoEligibleTarget"
    NO_ROOM = "NoRoom"
    CAPACITY_SHORT = "CapacityShort"
    TARGET_UNCERTAIN = "TargetUncertain"
    MAKES_ROOM = "MakesRoom"
    RETRIES_SPENT = "RetriesSpent"
    VERIFICATION_FAILED = "VerificationFailed"
    KUBEVIRT_UNAVAILABLE = "KubeVirtUnavailable"
    PINNING_UNSUPPORTED = "PinningUnsupported"
    LAST_NODE = "LastNode"
    NAME_TAKEN = "NameTaken"
    REFUSED = "Refused"


class WaitReason(StrEnum):
    """Why a VM, a plan or a maintenance does not move now."""

    PLANNING = "Planning"
    CLUSTER_LIMIT = "ClusterLimit"
    SOURCE_LIMIT = "SourceLimit"
    TARGET_LIMIT = "TargetLimit"
    AWAITING_MOVE = "AwaitingMove"
    NO_ROOM = "NoRoom"
    NO_ELIGIBLE_TARGET = "NoEligibleTarget"
    NOT_MIGRATABLE = "NotMigratable"
    NOT_RUNNING = "NotRunning"
    HANDLER_SILENT = "HandlerSilent"
    QUOTA_EXCEEDED = "QuotaExceeded"
    BACKUP_IN_PROGRESS = "BackupInProgress"
    PODS_ENDING = "PodsEnding"
    TARGET_PENDING = "TargetPending"
    BACKOFF = "Backoff"
    FOREIGN_MIGRATION = "ForeignMigration"
    OTHER_PLAN = "OtherPlan"
    PAUSED = "Paused"
    DRY_RUN = "DryRun"
    REFUSED = "Refused"
    RETRIES_SPENT = "RetriesSpent"
    VERIFICATION_FAILED = "VerificationFailed"
    SNAPSHOT_STALE = "SnapshotStale"
    KUBEVIRT_UNAVAILABLE = "KubeVirtUnavailable"
    KUBEVIRT_UPGRADING = "KubeVirtUpgrading"
    PINNING_UNSUPPORTED = "PinningUnsupported"
    AWAITING_CORDON = "AwaitingCordon"
    PLAN_BLOCKED = "PlanBlocked"
    WITHDRAWN = "Withdrawn"


BLOCKING = frozenset(
    {
        WaitReason.NO_ROOM,
        WaitReason.NO_ELIGIBLE_TARGET,
        WaitReason.NOT_MIGRATABLE,
        WaitReason.NOT_RUNNING,
        WaitReason.HANDLER_SILENT,
        WaitReason.QUOTA_EXCEEDED,
        WaitReason.RETRIES_SPENT,
        WaitReason.VERIFICATION_FAILED,
        WaitReason.PLAN_BLOCKED,
        WaitReason.PINNING_UNSUPPORTED,
    }
)
"""Reasons that last until somebody or something outside Drover changes: the VM counts as blocked, not as waiting."""


class Outcome(StrEnum):
    """How an attempt ended, and with it what a VM's record says."""

    CANCELLING = "Cancelling"
    REJECTING = "Rejecting"
    SUCCEEDED = "Succeeded"
    DONE = "Done"
    FAILED = "Failed"
    REJECTED = "Rejected"
    CANCELLED = "Cancelled"
    CANCELLED_BY_OTHERS = "CancelledByOthers"
    VERIFICATION_FAILED = "VerificationFailed"


class EventReason(StrEnum):
    """Reasons of the Events we write."""

    MIGRATION_STARTED = "MigrationStarted"
    MIGRATION_ENDED = "MigrationEnded"
    MIGRATION_FAILED = "MigrationFailed"
    TARGET_REJECTED = "TargetRejected"
    PHASE_CHANGED = "PhaseChanged"
    CORDONED = "Cordoned"
