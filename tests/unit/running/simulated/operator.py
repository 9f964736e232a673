"""One life of the operator in the simulated world: what it has seen, the rounds it makes, the writes it does."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from drover.api.plan import MigrationPlan, PlanSpec
from drover.api.report import MigrationReport
from drover.api.shared import FINALIZER
from drover.facts.kubevirt import VMIM
from drover.facts.node import before, remembered
from drover.facts.snapshot import Refusal, Snapshot
from drover.facts.wire import Key
from drover.planning.proposal import Proposals
from drover.planning.proposing import propose
from drover.reporting import AT_MOST_EVERY, due
from drover.running.actions import (
    Action,
    CancelMigration,
    Cordon,
    Decision,
    EnsurePlan,
    SaveRecords,
    SetFinalizer,
    StartMigration,
    Uncordon,
)
from drover.running.allowed import still_allowed
from drover.running.decide import decide
from drover.running.goals import goals
from tests.builders import a_plan, a_vmi, a_vmim
from tests.unit.running.simulated.api import RESOURCES, Api


class NotDone(Exception):
    """A write that was refused, or not even tried."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Operator:
    """Everything in here is lost with the process."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.seen: dict[str, dict[Key, Any]] = {resource: {} for resource in RESOURCES}
        self.gone: dict[Key, VMIM] = {}
        self.refusals: dict[str, Refusal] = {}
        self.proposals: Proposals = {}
        self.written: dict[str, Any] = {}
        self.stale: set[str] = set()
        self.wake_at: datetime | None = None
        self.catch_up()

    def catch_up(self, resources: Iterable[str] = RESOURCES, *, relisted: bool = False) -> None:
        """See what happened. A relist tells that a migration is gone, a watch also how it was when it went."""
        for resource in resources:
            known = self.seen[resource]
            self.seen[resource] = dict(self.api.objects[resource])
            if resource == "vmims":
                self._bury(known, relisted)

    def _bury(self, known: dict[Key, VMIM], relisted: bool) -> None:
        for key, vmim in known.items():
            now = self.seen["vmims"].get(key)
            if vmim.plan_uid and (now is None or now.uid != vmim.uid):
                self.gone[key] = vmim if relisted else self.api.tombs[vmim.uid]

    def snapshot(self) -> Snapshot:
        things: dict[str, Any] = {resource: dict(objects) for resource, objects in self.seen.items()}
        return Snapshot(**things, gone=dict(self.gone), refusals=dict(self.refusals), stale=frozenset(self.stale))

    def propose(self) -> None:
        """As the loop does, in a thread: the rounds in between go on with the old ones."""
        if self.stale:
            return
        snapshot = self.snapshot()
        wanted, standing = goals(snapshot, self.api.now)
        self.proposals = propose(wanted, snapshot, standing.taken, self.proposals)

    def decide(self) -> Decision:
        return decide(self.snapshot(), self.proposals, self.api.now)

    def perform(self, actions: Iterable[Action]) -> int:
        """Do these; returns how many were done."""
        return sum(self.attempt(action) for action in actions)

    def attempt(self, action: Action) -> bool:
        try:
            self._write(action)
        except NotDone as refusal:
            last = self.refusals.get(action.key) if refusal.reason != "NotAllowed" else None
            tries = last.tries + 1 if last is not None else 1
            self.refusals[action.key] = Refusal(action.key, refusal.reason, str(refusal), self.api.now, tries)
            return False
        self.refusals.pop(action.key, None)
        return True

    def refuse(self, action: Action, reason: str = "Forbidden") -> None:
        """The API server says no."""
        last = self.refusals.get(action.key)
        tries = last.tries + 1 if last is not None else 1
        self.refusals[action.key] = Refusal(action.key, reason, "not today", self.api.now, tries)

    def report(self, decision: Decision) -> int:
        """Write the statuses that are due; returns how many."""
        statuses = due(decision, self.snapshot(), self.written, self.api.now)
        # A status that says nothing new is refreshed all the same, for ever: that is no reason to look again.
        soon = self.api.now + AT_MOST_EVERY
        self.wake_at = soon if statuses.later is not None and statuses.later <= soon else decision.wake_at
        for thing, status in statuses.now:
            resource = "plans" if isinstance(thing, MigrationPlan) else "maintenances"
            live = self.api.get(resource, ("", thing.name))
            if live is not None and live.uid == thing.uid:
                # What the API server would refuse to store must not be rendered.
                checked = type(status).model_validate(status.wire())
                self._see(resource, self.api.change(resource, live, status=checked))
            self.written[thing.uid] = self.api.now
        return len(statuses.now)

    def _write(self, action: Action) -> None:
        match action:
            case StartMigration():
                self._start(action)
            case CancelMigration():
                self._cancel(action)
            case Cordon() | Uncordon():
                self._cordon(action)
            case EnsurePlan():
                self._ensure(action)
            case SetFinalizer():
                self._finalizer(action)
            case SaveRecords():
                self._save(action)

    def _see(self, resource: str, thing: Any) -> None:
        self.seen[resource][Api.key(resource, thing)] = thing

    def _live(self, resource: str, key: Key) -> Any:
        thing = self.api.get(resource, key)
        if thing is None:
            raise NotDone("NotAllowed", f"{resource} {key} is gone")
        self._see(resource, thing)
        return thing

    def _ask(self, action: Action) -> None:
        refusal = still_allowed(action, self.snapshot())
        if refusal is not None:
            raise NotDone("NotAllowed", refusal)

    def _start(self, action: StartMigration) -> None:
        key = (action.vmi.namespace, action.vmi.name)
        self._live("plans", ("", action.plan.name))
        vmi = self._live("vmis", key)
        self._live("nodes", ("", action.target))
        self._ask(action)
        self.check_start(action)
        known = self.api.get("vmims", (action.vmi.namespace, action.name))
        if known is not None:
            self._see("vmims", known)
            return
        if vmi.final or vmi.not_migratable() or any(other.vmi_key == key for other in self.api.in_flight()):
            raise NotDone("BadRequest", "the webhook refuses it")
        plan = a_plan(action.plan.name).with_uid(action.plan.uid)
        vmim = a_vmim(a_vmi(action.vmi.name, action.vmi.namespace).with_uid(vmi.uid), namespace=key[0])
        vmim.of(plan, action.attempt, action.run).to(action.hostname).created(self.api.now)
        assert vmim.name == action.name
        self._see("vmims", self.api.create("vmims", vmim.with_uid(self.api.uid("vmim"))))

    def check_start(self, action: StartMigration) -> None:
        """Called with each start that is about to be written; the test puts its invariants here."""

    def _cancel(self, action: CancelMigration) -> None:
        key = (action.namespace, action.name)
        vmim = self.api.get("vmims", key)
        if vmim is None:
            return
        self._see("vmims", vmim)
        if (vmi := self.api.get("vmis", vmim.vmi_key)) is not None:
            self._see("vmis", vmi)
        self._ask(action)
        self._see("vmims", self.api.change("vmims", vmim, metadata__deletion_timestamp=self.api.now))

    def _cordon(self, action: Cordon | Uncordon) -> None:
        node = self._live("nodes", ("", action.node))
        self._ask(action)
        if isinstance(action, Uncordon):
            self.check_uncordon(action, node)
            fields = {"spec__unschedulable": action.unschedulable, "metadata__annotations__before": ""}
        else:
            mark, was = remembered(action.before), before(node)
            if was is not None:
                mark = msgspec.structs.replace(mark, unschedulable=was.unschedulable, since=was.since)
            fields = {"spec__unschedulable": True, "metadata__annotations__before": msgspec.json.encode(mark).decode()}
            self.check_cordon(action, node)
        self._see("nodes", self.api.change("nodes", node, **fields))

    def check_cordon(self, action: Cordon, node: Any) -> None:
        """Called with each cordon that is about to be written."""

    def check_uncordon(self, action: Uncordon, node: Any) -> None:
        """Called with each node that is about to be given back."""

    def check_released(self, thing: Any) -> None:
        """Called with each of our objects that is about to be let go."""

    def _ensure(self, action: EnsurePlan) -> None:
        spec = PlanSpec.model_validate(dict(action.spec))
        plan = self.api.get("plans", ("", action.name))
        if plan is None and not action.uid:
            made = a_plan(action.name).with_uid(self.api.uid(action.name)).created(self.api.now).build()
            made = made.model_copy(update={"spec": spec})
            owned = made.metadata.model_copy(update={"owner_references": (action.owner,)})
            self._see("plans", self.api.put("plans", made.model_copy(update={"metadata": owned})))
            return
        if plan is None or all(owner.uid != action.owner.uid for owner in plan.metadata.owner_references):
            raise NotDone("NotAllowed", "the plan is not the maintenance's own")
        generation = plan.metadata.generation + 1
        self._see("plans", self.api.change("plans", plan, spec=spec, metadata__generation=generation))

    def _finalizer(self, action: SetFinalizer) -> None:
        resource = "plans" if action.object.kind == "MigrationPlan" else "maintenances"
        thing = self.api.get(resource, ("", action.object.name))
        if thing is None or thing.uid != action.object.uid:
            return
        finalizers = (FINALIZER,) if action.present else ()
        if not action.present:
            self.check_released(thing)
        changed = self.api.change(resource, thing, metadata__finalizers=finalizers)
        self._see(resource, changed)
        if changed.metadata.deleting and not finalizers:
            self.api.remove(resource, changed)
            self.seen[resource].pop(("", changed.name), None)

    def _save(self, action: SaveRecords) -> None:
        body = {
            "metadata": {"name": action.name, "uid": f"{action.name}-uid"},
            "spec": {"plan": {"name": action.plan.name, "uid": action.plan.uid}, "run": action.run},
            "status": {"vms": len(action.records), "records": [record.wire() for record in action.records]},
        }
        self._see("reports", self.api.put("reports", MigrationReport.model_validate(body)))
