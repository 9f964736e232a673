"""Prometheus metrics, from Decisions and Outcomes. docs/metrics.md lists them."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from drover.api.plan import PlanStatus
from drover.running.actions import Action, CancelMigration, Decision, StartMigration

STATES = ("running", "waiting", "blocked", "failed", "done")


class Metrics:
    """One operator's metrics, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        add = self.registry
        self.vms = Gauge("drover_plan_vms", "VMs of a plan by state", ["plan", "state"], registry=add)
        self.phase = Gauge("drover_plan_phase", "1 for the phase a plan is in", ["plan", "phase"], registry=add)
        self.maintenance = Gauge(
            "drover_maintenance_phase", "1 for the phase a maintenance is in", ["node", "phase"], registry=add
        )
        self.started = Counter("drover_migrations_started", "Migrations created", registry=add)
        self.cancelled = Counter("drover_migrations_cancelled", "Migrations deleted before they ended", registry=add)
        self.refused = Counter(
            "drover_writes_refused", "Writes that were refused or not allowed any more", ["action"], registry=add
        )
        self.round = Histogram("drover_round_seconds", "From wake to reported", registry=add)
        self.propose = Histogram("drover_propose_seconds", "Computing the proposals", registry=add)
        self.objects = Gauge("drover_store_objects", "Objects known, by resource", ["resource"], registry=add)
        self.stale = Gauge("drover_stale_resources", "Resources nothing was heard of for too long", registry=add)

    def text(self) -> bytes:
        """The exposition, in the text format."""
        return generate_latest(self.registry)

    def decided(self, decision: Decision) -> None:
        """What the plans and maintenances stand at now; those that are gone disappear."""
        self.vms.clear()
        self.phase.clear()
        for name, status in decision.plans.items():
            self._plan(name, status)
        self.maintenance.clear()
        for name, said in decision.maintenances.items():
            if said.phase is not None:
                self.maintenance.labels(name, said.phase).set(1)

    def _plan(self, name: str, status: PlanStatus) -> None:
        if status.phase is not None:
            self.phase.labels(name, status.phase).set(1)
        if status.summary is not None:
            for state in STATES:
                self.vms.labels(name, state).set(getattr(status.summary, state))

    def performed(self, outcomes: Iterable[tuple[Action, str | None]]) -> None:
        """Count what was done and what was refused."""
        for action, error in outcomes:
            if error is not None:
                self.refused.labels(type(action).__name__).inc()
            elif isinstance(action, StartMigration):
                self.started.inc()
            elif isinstance(action, CancelMigration):
                self.cancelled.inc()

    def known(self, counts: Mapping[str, int], stale: int) -> None:
        """What the Store holds."""
        for resource, count in counts.items():
            self.objects.labels(resource).set(count)
        self.stale.set(stale)
