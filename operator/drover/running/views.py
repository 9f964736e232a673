"""One plan with everything a round knows about it: its run, its nodes, its VMs and what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from drover.api.plan import MigrationPlan, Run
from drover.api.report import Record
from drover.facts.index import Index
from drover.facts.kubevirt import RUN, VMI, VMIM
from drover.facts.snapshot import Snapshot
from drover.planning.candidates import Nodes, Selection, on_nodes, resolve_nodes, select
from drover.running import ledger
from drover.running.actions import ObjectRef
from drover.running.ledger import Ledger
from drover.running.names import label_value, migration_name
from drover.running.nodes import ended, plans_in_order, reference, run_id


@dataclass(frozen=True, slots=True)
class Case:
    """One VM of a plan: the VMI as it is now (None when it is gone), whether its guest still has to leave (`to_move`)
    or only a pod of it (`lingers`), our last migration of it in this run, and its record."""

    uid: str
    namespace: str
    name: str
    vmi: VMI | None
    to_move: bool
    lingers: bool
    vmim: VMIM | None
    record: Record | None

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def in_flight(self) -> bool:
        return self.vmim is not None and not self.vmim.final

    @property
    def attempts(self) -> int:
        """The highest attempt made so far."""
        recorded = [a.number for a in self.record.attempts] if self.record else []
        return max([0, *recorded, *([self.vmim.attempt] if self.vmim else [])])


@dataclass(frozen=True, slots=True)
class View:
    plan: MigrationPlan
    run_id: str
    run: Run | None
    """The run in progress or finished; None before it starts."""
    sources: Nodes
    """What `evacuate.nodes` means now, or what it meant when the run started."""
    targets: frozenset[str]
    """Of a plain move: the nodes where its VMs should be."""
    selection: Selection
    cases: tuple[Case, ...]
    ledger: Ledger
    own: tuple[VMIM, ...]
    """Our migrations for this plan, of any run: in flight, final and gone."""
    owner_ended: bool
    """Whether the maintenance that owns the plan is being ended: the plan is then, too."""
    lingering: tuple[str, ...]
    """Launcher pods on the sources that belong to no case, as namespace/name. The node is not empty before they end."""

    @property
    def ref(self) -> ObjectRef:
        return reference(self.plan)

    @property
    def source_set(self) -> frozenset[str]:
        return frozenset(self.sources.names)

    @property
    def evacuates(self) -> bool:
        return self.plan.spec.evacuate is not None

    @property
    def dry(self) -> bool:
        return self.plan.spec.mode == "DryRun"

    @property
    def withdrawn(self) -> bool:
        return self.plan.metadata.deleting or self.plan.spec.intent == "Withdrawn" or self.owner_ended

    @property
    def finished(self) -> bool:
        return self.run is not None and self.run.finished_at is not None

    @property
    def flying(self) -> tuple[VMIM, ...]:
        return tuple(vmim for vmim in self.own if not vmim.final)


def views(snapshot: Snapshot, index: Index) -> list[View]:
    """All plans, the oldest first."""
    return [view(plan, snapshot, index) for plan in plans_in_order(snapshot)]


def view(plan: MigrationPlan, snapshot: Snapshot, index: Index) -> View:
    """What a round knows about a plan."""
    run = plan.status.run if plan.status.run is not None and plan.status.run.id == run_id(plan) else None
    sources = _sources(plan, run, snapshot)
    selection = select(plan.spec.virtual_machines, snapshot)
    book = ledger.read(reference(plan), run_id(plan), snapshot)
    gone = {vmim.uid for vmim in snapshot.gone.values()} - {vmim.uid for vmim in snapshot.vmims.values()}
    own = tuple(v for v in index.by_plan.get(plan.uid, ()) if v.uid not in gone or not _closed(v, book))
    targets = _targets(plan, snapshot)
    cases = _cases(plan, run, sources, targets, selection, book, own, index, snapshot)
    return View(
        plan=plan,
        run_id=run_id(plan),
        run=run,
        sources=sources,
        targets=targets,
        selection=selection,
        cases=cases,
        ledger=book,
        own=own,
        owner_ended=_owner_ended(plan, snapshot),
        lingering=_lingering(plan, sources, cases, index),
    )


def _owner_ended(plan: MigrationPlan, snapshot: Snapshot) -> bool:
    owners = {owner.uid for owner in plan.metadata.owner_references if owner.kind == "NodeMaintenance"}
    return any(m.uid in owners and ended(m) for m in snapshot.maintenances.values())


def _closed(vmim: VMIM, book: Ledger) -> bool:
    """Whether the end of a migration that is gone is on record, so that nothing is left to learn from it."""
    return any(
        attempt.uid == vmim.uid and attempt.outcome not in ledger.OPEN
        for record in book.records.values()
        for attempt in record.attempts
    )


def _sources(plan: MigrationPlan, run: Run | None, snapshot: Snapshot) -> Nodes:
    """Resolved once, when the run starts: relabelling widens nothing afterwards."""
    if plan.spec.evacuate is None:
        return Nodes()
    if run is not None:
        return Nodes(run.resolved_nodes)
    return resolve_nodes(plan.spec.evacuate.nodes, snapshot)


def _targets(plan: MigrationPlan, snapshot: Snapshot) -> frozenset[str]:
    targets = plan.spec.targets
    if targets is None:
        return frozenset()
    chosen = (
        resolve_nodes(targets.nodes, snapshot).names if targets.nodes else [n.name for n in snapshot.nodes.values()]
    )
    excluded = resolve_nodes(targets.exclude, snapshot).names if targets.exclude else ()
    return frozenset(chosen) - frozenset(excluded)


def _cases(
    plan: MigrationPlan,
    run: Run | None,
    sources: Nodes,
    targets: frozenset[str],
    selection: Selection,
    book: Ledger,
    own: Sequence[VMIM],
    index: Index,
    snapshot: Snapshot,
) -> tuple[Case, ...]:
    """The VMs on the sources, or selected for a plain move, and all that this run has moved or tried to."""
    finished = run is not None and run.finished_at is not None
    evacuates = plan.spec.evacuate is not None
    names = frozenset(sources.names)
    here = on_nodes(selection.vmis, names, index) if evacuates else list(selection.vmis)
    left = plan.spec.non_migratable == "Leave"
    found = {vmi.uid for vmi in here if not finished or (left and vmi.not_migratable() is not None)}
    migrated = _migrated(plan, own, snapshot)
    everyone = {**dict.fromkeys(book.records), **dict.fromkeys(found), **dict.fromkeys(migrated)}
    result = []
    for uid in everyone:
        vmi = index.vmis_by_uid.get(uid)
        leaves = vmi is not None and uid in found and (vmi.node in names if evacuates else vmi.node not in targets)
        lingers = uid in found and evacuates and not leaves
        result.append(_case(uid, vmi, leaves, lingers, migrated.get(uid), book.record(uid)))
    return tuple(sorted((case for case in result if case is not None), key=lambda case: case.key))


def _case(
    uid: str, vmi: VMI | None, to_move: bool, lingers: bool, vmim: VMIM | None, record: Record | None
) -> Case | None:
    if vmi is not None:
        return Case(uid, vmi.metadata.namespace, vmi.metadata.name, vmi, to_move, lingers, vmim, record)
    if record is not None:
        return Case(uid, record.namespace, record.name, None, False, False, vmim, record)
    return None


def _migrated(plan: MigrationPlan, own: Sequence[VMIM], snapshot: Snapshot) -> dict[str, VMIM]:
    """Our last migration of each VM in this run, by VMI UID. A migration's name proves which VMI it was made for: a VMI
    of the same name that was made anew since is another VM."""
    run = label_value(run_id(plan))
    latest: dict[str, VMIM] = {}
    for vmim in own:
        vmi = snapshot.vmis.get(vmim.vmi_key)
        if vmi is None or vmim.metadata.labels.get(RUN) != run:
            continue
        if vmim.name != migration_name(plan.uid, run_id(plan), vmi, vmim.attempt):
            continue
        if vmi.uid not in latest or _later(vmim, latest[vmi.uid]):
            latest[vmi.uid] = vmim
    return latest


def _later(one: VMIM, other: VMIM) -> bool:
    if one.attempt != other.attempt:
        return one.attempt > other.attempt
    return not one.final and other.final


def _lingering(plan: MigrationPlan, sources: Nodes, cases: Sequence[Case], index: Index) -> tuple[str, ...]:
    if plan.spec.evacuate is None or plan.spec.virtual_machines is not None:
        return ()
    known = {case.uid for case in cases}
    return tuple(
        f"{pod.metadata.namespace}/{pod.metadata.name}"
        for node in sources.names
        for pod in index.on_node.get(node, ())
        if pod.vmi_uid not in known
    )
