"""The one round, again and again: wake -> snapshot -> propose -> decide -> perform -> report.

One loop decides for all plans and maintenances together: two would see the same free slot.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from drover.acting.objects import write_status
from drover.acting.outcome import Hands
from drover.acting.perform import perform
from drover.facts.snapshot import Snapshot
from drover.garbage import keep_what_is_there
from drover.metrics import Metrics
from drover.planning.proposal import Proposals
from drover.planning.proposing import propose
from drover.reporting import due, phase_told
from drover.running.actions import Decision
from drover.running.blind import BLIND
from drover.running.decide import decide
from drover.running.goals import goals
from drover.watching import resources
from drover.watching.client import ApiError, Client
from drover.watching.informer import Informer
from drover.watching.listing import list_all
from drover.watching.resources import Resource
from drover.watching.store import Store

log = logging.getLogger(__name__)

COALESCE_SECONDS = 0.05
LONGEST_SLEEP_SECONDS = 60.0
LIST_OURS_SECONDS = 60.0
LIST_OURS_RETRY_SECONDS = 3.0
ROUND_TROUBLE_SECONDS = 2.0
LISTING_SECONDS = 15.0
"""How long the first lists may take before statuses say that we wait for them."""
PROPOSE_AGAIN = timedelta(seconds=30)
"""What only time changes (a target that was refused may be asked again) is noticed after this at the latest."""
REST_SECONDS = 5.0
"""After each proposal the planner rests as long as that took, at most so long."""
OURS: Mapping[str, Resource[Any]] = {"plans": resources.PLANS, "maintenances": resources.MAINTENANCES}
WATCHED: tuple[Resource[Any], ...] = (*resources.CLUSTER, resources.REPORTS)


def utc_now(skew: timedelta = timedelta()) -> datetime:
    """Now by the API server's clock, in whole seconds: KubeVirt's timestamps have no more, and statuses should not
    differ by less."""
    return (datetime.now(UTC) + skew).replace(microsecond=0)


class Loop:
    """Runs rounds until it is cancelled."""

    def __init__(
        self, client: Client, store: Store, metrics: Metrics, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._client = client
        self._store = store
        self._metrics = metrics
        self._clock = clock or (lambda: utc_now(client.skew))
        self._hands = Hands(client, store, self._clock)
        self._proposals: Proposals = {}
        self._proposed_for = -1
        self._proposed_at = datetime.min.replace(tzinfo=UTC)
        self._proposing: asyncio.Task[None] | None = None
        self._written: dict[str, datetime] = {}
        self._began = time.monotonic()
        self.last_round = self._began
        """When a round ended well last (at first: when there was none yet), on the monotonic clock."""
        self._frozen = False
        self.ready = False
        """Whether the last round knew our own objects."""

    def deliver(self, kind: str, change: str, body: dict[str, Any]) -> None:
        """Take what kopf saw of our kinds."""
        resource = OURS[kind]
        try:
            thing = resource.decode(msgspec.json.encode(body))
        except resources.UndecodableError as error:
            log.exception("a %s cannot be read", resource.kind)
            if change == "DELETED":
                self._store.remove(resource, error.stub)
            else:
                self._store.cannot_read(resource, error.stub)
            return
        if change == "DELETED":
            self._store.remove(resource, thing)
        else:
            self._store.put(resource, thing)

    async def run(self) -> None:
        """Watch, list our kinds every minute, and decide."""
        async with asyncio.TaskGroup() as group:
            for resource in WATCHED:
                informer = Informer(self._client, resource, self._store, clock=self._clock)
                group.create_task(informer.run(), name=f"watch {resource.name}")
            group.create_task(self._list_ours(), name="list ours")
            group.create_task(self._rounds(), name="rounds")

    async def _list_ours(self) -> None:
        """kopf's first list has no end mark, and it never tells what was deleted while it was away."""
        while True:
            pause = LIST_OURS_SECONDS
            for resource in OURS.values():
                try:
                    listing = await list_all(self._client, resource)
                except ApiError as error:
                    pause = LIST_OURS_RETRY_SECONDS
                    log.warning("cannot list %s: %s", resource.plural, error)
                    if error.status == 404:
                        self._store.absent(resource)
                    continue
                self._store.present(resource)
                self._store.read(resource, listing)
                self._store.heard(resource, self._clock())
            await asyncio.sleep(pause)

    async def _rounds(self) -> None:
        wake_at: datetime | None = None
        while True:
            await self._sleep(wake_at)
            began = time.monotonic()
            try:
                wake_at = await self._round()
            except Exception:
                # A defect must not silence the operator for ever; the health probe ends it if rounds keep failing.
                log.exception("a round failed")
                wake_at = self._clock() + timedelta(seconds=ROUND_TROUBLE_SECONDS)
                continue
            self.last_round = time.monotonic()
            self._metrics.round.observe(self.last_round - began)

    async def _sleep(self, wake_at: datetime | None) -> None:
        """Until something differs, a timer is due, or a minute has passed; then a moment more, for what comes along."""
        seconds = LONGEST_SLEEP_SECONDS
        if wake_at is not None:
            seconds = min(seconds, max(0.0, (wake_at - datetime.now(UTC) - self._client.skew).total_seconds()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._store.changed.wait(), seconds)
        await asyncio.sleep(COALESCE_SECONDS)
        self._store.changed.clear()

    async def _round(self) -> datetime | None:
        """One round; returns when the next is due if nothing changes."""
        now = self._clock()
        snapshot = self._store.snapshot(now)
        self._metrics.known(self._store.counts(), len(snapshot.stale))
        self.ready = not {"plans", "maintenances", "reports"} & (snapshot.stale | snapshot.absent)
        if not self.ready:
            # Without our own objects nothing can be decided or said: not even that nothing can.
            return None
        if snapshot.unlisted & BLIND and (patience := self._began + LISTING_SECONDS - time.monotonic()) > 0:
            # A moment after the start nobody has to hear of it.
            return now + timedelta(seconds=patience)
        self._settle_memory(snapshot)
        self._propose(snapshot, now)
        decision = decide(snapshot, self._proposals, now)
        self._metrics.decided(decision)
        outcomes = await perform(decision.actions, self._hands)
        self._metrics.performed((outcome.action, outcome.error) for outcome in outcomes)
        later = await self._report(decision, snapshot, now)
        return min((t for t in (decision.wake_at, later) if t is not None), default=None)

    def _settle_memory(self, snapshot: Snapshot) -> None:
        """What was listed stays."""
        if not self._frozen and not snapshot.unlisted:
            keep_what_is_there()
            self._frozen = True

    def _propose(self, snapshot: Snapshot, now: datetime) -> None:
        """Begin to compute proposals in a thread if what they depend on differs from the last time."""
        if self._proposing is not None and not self._proposing.done():
            return
        due = now - self._proposed_at >= PROPOSE_AGAIN
        if not snapshot.plans or snapshot.stale or (self._store.revision == self._proposed_for and not due):
            return
        self._proposed_for, self._proposed_at = self._store.revision, now
        self._proposing = asyncio.create_task(self._proposal(snapshot, now), name="propose")

    async def _proposal(self, snapshot: Snapshot, now: datetime) -> None:
        began = time.monotonic()

        def compute() -> Proposals:
            wanted, standing = goals(snapshot, now)
            return propose(wanted, snapshot, standing.taken, self._proposals)

        try:
            proposals = await asyncio.to_thread(compute)
            self._metrics.propose.observe(time.monotonic() - began)
            self._adopt(proposals)
        except Exception:
            log.exception("the proposals could not be computed")
        await self._rest(min(time.monotonic() - began, REST_SECONDS))
        if self._store.revision != self._proposed_for:
            self._store.changed.set()

    def _adopt(self, proposals: Proposals) -> None:
        for uid, proposal in proposals.items():
            known = self._proposals.get(uid)
            if proposal.defect and (known is None or known.defect != proposal.defect):
                log.error("the targets of the plan with the UID %s could not be computed:\n%s", uid, proposal.defect)
        if proposals != self._proposals:
            self._proposals = proposals
            self._store.changed.set()

    async def _rest(self, seconds: float) -> None:
        """The planner shares a processor with what watches and starts: in a large cluster where something always
        changes it would have it alone, so it takes no more than half of the time."""
        await asyncio.sleep(seconds)

    async def _report(self, decision: Decision, snapshot: Snapshot, now: datetime) -> datetime | None:
        """Write the statuses that are due."""
        statuses = due(decision, snapshot, self._written, now)
        await asyncio.gather(*(self._write(thing, status, now) for thing, status in statuses.now))
        known = {plan.uid for plan in snapshot.plans.values()} | {each.uid for each in snapshot.maintenances.values()}
        self._written = {uid: at for uid, at in self._written.items() if uid in known}
        return statuses.later

    async def _write(self, thing: Any, status: Any, now: datetime) -> None:
        self._written[thing.uid] = now
        try:
            written = await write_status(thing, status, self._hands)
        except ApiError as error:
            if error.status != 404:
                log.warning("the status of %s %s was not written: %s", thing.kind, thing.name, error)
            return
        event = phase_told(thing, status, now)
        if written and event is not None:
            await perform([event], self._hands)
