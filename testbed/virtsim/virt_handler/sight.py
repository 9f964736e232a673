"""What the virt-handlers of a migration see when they decide on their next write. Pure."""

from dataclasses import dataclass
from typing import Any

from virtsim.objects import keys
from virtsim.objects.resources import Object
from virtsim.objects.switches import is_on
from virtsim.virt_handler.transfer.job import Job

State = dict[str, Any]

READY = "targetNodeDomainReadyTimestamp"


@dataclass(frozen=True, slots=True)
class Sight:
    """What a step is decided on.

    target_ready: of the target pod. job: the source's, None before it starts and after its end is written. since_end:
    virtual seconds since the job was over. cut_off: a node of the two is lost.
    """

    vmi: Object
    state: State
    target_ready: bool
    job: Job | None = None
    since_end: float = 0.0
    cut_off: bool = False

    def has(self, *fields: str) -> bool:
        """Whether the migrationState has all of these."""
        return all(self.state.get(field) for field in fields)

    def lacks(self, *fields: str) -> bool:
        """Whether it has none of these."""
        return not any(self.state.get(field) for field in fields)

    @property
    def started(self) -> bool:
        """The source's job has begun, and nobody has written its end."""
        return self.has("startTimestamp") and self.lacks("endTimestamp") and self.job is not None

    @property
    def mode(self) -> str:
        return self.job.mode if self.job is not None else ""

    @property
    def moved(self) -> bool:
        """The job is over, and well."""
        return self.started and self.job is not None and self.job.succeeded

    @property
    def failure(self) -> str | None:
        return self.job.failure if self.started and self.job is not None else None

    @property
    def arriving(self) -> bool:
        """QEMU came up on the target: only a job that failed in its preparation did not get there."""
        return self.started and self.job is not None and (self.job.failure is None or self.job.sent > 0)

    @property
    def guest_lost(self) -> bool:
        """In post-copy each side has a part of the guest: what breaks the connection, or a side, kills it."""
        broken = self.cut_off or not self.target_ready or self.failure is not None
        going = self.started and self.mode == "PostCopy" and not self.moved and broken
        return going or (self.has("failed") and self.state.get("mode") == "PostCopy")

    @property
    def observes(self) -> bool:
        """Whether the target's virt-handler can see what goes on in the target pod."""
        return self.started and self.target_ready and not is_on(self.vmi, keys.DOMAIN_NEVER_SEEN)
