"""What a round knows about each plan, read from the snapshot and the plans' records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from drover.api.plan import MigrationPlan, Run
from drover.api.shared import Targets
from drover.facts.index import Index
from drover.facts.kubevirt import RUN, VMI, VMIM
from drover.facts.snapshot import Snapshot
from drover.facts.wire import key_of
from drover.planning.candidates import Nodes, on_nodes, resolve_nodes, select
from drover.running import ledger
from drover.running.ledger import Ledger
from drover.running.names import migration_name, report_series
from drover.running.nodes import ended, plans_in_order, reference, run_id
from drover.running.view import Case, View


def views(snapshot: Snapshot, index: Index) -> list[View]:
    """All plans, the oldest first."""
    return [view(plan, snapshot, index) for plan in plans_in_order(snapshot)]


def view(plan: MigrationPlan, snapshot: Snapshot, index: Index) -> View:
    """What a round knows about a plan."""
    wanted = run_id(plan)
    run = _run(plan)
    books = ledger.read(reference(plan), index)
    own = _own(plan, books, snapshot, index)
    sources = _sources(plan, run, snapshot)
    now = View(
        plan=plan,
        run_id=wanted,
        run=run,
        ledger=books.get(wanted) or Ledger(reference(plan), wanted),
        owner_ended=_owner_ended(plan, snapshot),
        own=tuple(vmim for each in own.values() for vmim in each),
        sources=sources,
        source_set=frozenset(sources.names),
        illegible=_illegible(plan, snapshot),
    )
    cases = _cases(now, own.get(wanted, ()), snapshot, index)
    lingering = _lingering(now, cases, index)
    return replace(now, cases=cases, lingering=lingering, earlier=_earlier(now, books, own, snapshot, index))


def _illegible(plan: MigrationPlan, snapshot: Snapshot) -> tuple[str, ...]:
    runs = {run_id(plan)} | ({plan.status.run.id} if plan.status.run is not None else set())
    mine = {report_series(plan.name, plan.uid, run) for run in runs}
    unread = sorted(name for resource, name, _ in snapshot.illegible if resource == "reports")
    return tuple(name for name in unread if name.rpartition("-")[0] in mine)


def _run(plan: MigrationPlan) -> Run | None:
    """The run that is wanted, if it has started. A dry run belongs to none: it is about the goal as it is now."""
    run = plan.status.run
    return run if run is not None and run.id == run_id(plan) and plan.spec.mode == "Execute" else None


def _owner_ended(plan: MigrationPlan, snapshot: Snapshot) -> bool:
    owners = {owner.uid for owner in plan.metadata.owner_references if owner.kind == "NodeMaintenance"}
    return any(m.uid in owners and ended(m) for m in snapshot.maintenances.values()) if owners else False


def _own(plan: MigrationPlan, books: Mapping[str, Ledger], snapshot: Snapshot, index: Index) -> dict[str, list[VMIM]]:
    """Our migrations for a plan by their run, without those that are gone and of which nothing is left to learn."""
    result: dict[str, list[VMIM]] = {}
    for vmim in index.by_plan.get(plan.uid, ()):
        run = vmim.metadata.labels.get(RUN, "")
        book = books.get(run)
        if is_there(vmim, snapshot) or book is None or vmim.uid not in book.closed:
            result.setdefault(run, []).append(vmim)
    return result


def is_there(vmim: VMIM, snapshot: Snapshot) -> bool:
    """Whether a migration exists: this one, and not another of its name."""
    found = snapshot.vmims.get(key_of(vmim))
    return found is not None and found.uid == vmim.uid


def _sources(plan: MigrationPlan, run: Run | None, snapshot: Snapshot) -> Nodes:
    """Resolved once, when the run starts: relabelling widens nothing afterwards."""
    if plan.spec.evacuate is None:
        return Nodes()
    if run is not None:
        return Nodes(run.resolved_nodes)
    return resolve_nodes(plan.spec.evacuate.nodes, snapshot)


def _cases(view: View, own: Iterable[VMIM], snapshot: Snapshot, index: Index) -> tuple[Case, ...]:
    """The VMs on the sources, or selected for a plain move, and all that this run has moved or tried to."""
    found = {vmi.uid: vmi for vmi in _found(view, snapshot, index)}
    leaving = {vmi.uid for vmi in _leaving(view, found.values(), snapshot)}
    migrated = _migrated(view, own, snapshot)
    cases = []
    for uid in dict.fromkeys((*view.ledger.records, *found, *migrated)):
        case = case_of(uid, view.ledger, migrated.get(uid), index)
        lingers = view.evacuates and uid in found and uid not in leaving
        cases.append(replace(case, to_move=uid in leaving, lingers=lingers))
    return tuple(sorted(cases, key=lambda case: (case.key, case.uid)))


def _found(view: View, snapshot: Snapshot, index: Index) -> list[VMI]:
    """The VMs the run is about now. A finished one follows those that it left on purpose, and no new ones."""
    among = on_nodes(view.source_set, index) if view.evacuates else snapshot.vmis.values()
    if view.finished:
        left = view.plan.spec.non_migratable == "Leave"
        among = [vmi for vmi in among if left and vmi.not_migratable() is not None]
    return select(view.plan.spec.virtual_machines, among)


def _leaving(view: View, vmis: Iterable[VMI], snapshot: Snapshot) -> list[VMI]:
    """Those whose guest has to go elsewhere."""
    if view.evacuates:
        return [vmi for vmi in vmis if vmi.node in view.source_set]
    targets = _targets(view.plan, snapshot)
    return [vmi for vmi in vmis if vmi.node not in targets]


def _targets(plan: MigrationPlan, snapshot: Snapshot) -> frozenset[str]:
    """Of a plain move: the nodes where its VMs should be."""
    targets = plan.spec.targets or Targets()
    everywhere = [node.name for node in snapshot.nodes.values()]
    chosen = resolve_nodes(targets.nodes, snapshot).names if targets.nodes else everywhere
    excluded = resolve_nodes(targets.exclude, snapshot).names if targets.exclude else ()
    return frozenset(chosen) - frozenset(excluded)


def case_of(uid: str, book: Ledger, vmim: VMIM | None, index: Index) -> Case:
    """A VM as it is, or as its record or its migration remember it."""
    vmi, record = index.vmis_by_uid.get(uid), book.record(uid)
    if vmi is not None:
        namespace, name = key_of(vmi)
    elif record is not None:
        namespace, name = record.namespace, record.name
    else:
        assert vmim is not None
        namespace, name = vmim.vmi_key
    return Case(uid, namespace, name, vmi, False, False, vmim, record)


def _migrated(view: View, own: Iterable[VMIM], snapshot: Snapshot) -> dict[str, VMIM]:
    """Our last migration of each VM in the view's run, by VMI UID."""
    latest: dict[str, VMIM] = {}
    for vmim in own:
        uid = vmim.metadata.annotations.vmi_uid or _proven(vmim, view, snapshot)
        if uid and (uid not in latest or _later(vmim, latest[uid])):
            latest[uid] = vmim
    return latest


def _proven(vmim: VMIM, view: View, snapshot: Snapshot) -> str:
    """The UID of the VMI a migration was made for, if its name proves it: one of the same name that was made anew since
    is another VM."""
    vmi = snapshot.vmis.get(vmim.vmi_key)
    if vmi is None or vmim.name != migration_name(view.plan.uid, view.run_id, vmi, vmim.attempt):
        return ""
    return vmi.uid


def _later(one: VMIM, other: VMIM) -> bool:
    if one.attempt != other.attempt:
        return one.attempt > other.attempt
    return not one.final and other.final


def _lingering(view: View, cases: Sequence[Case], index: Index) -> tuple[str, ...]:
    if not view.evacuates or view.plan.spec.virtual_machines is not None:
        return ()
    known = {case.uid for case in cases if case.to_move or case.lingers}
    return tuple(
        f"{pod.metadata.namespace}/{pod.metadata.name}"
        for node in view.sources.names
        for pod in index.on_node.get(node, ())
        if pod.vmi_uid not in known
    )


def _earlier(
    view: View, books: Mapping[str, Ledger], own: Mapping[str, list[VMIM]], snapshot: Snapshot, index: Index
) -> tuple[View, ...]:
    """The runs before this one of which a migration flies, or has not come to its end on record."""
    result = []
    for run in sorted({*books, *own} - {view.run_id}):
        book = books.get(run) or Ledger(view.ref, run)
        past = View(view.plan, run, None, book, view.owner_ended)
        migrated = _migrated(past, own.get(run, ()), snapshot)
        cases = (case_of(uid, book, migrated.get(uid), index) for uid in sorted({*book.unsettled, *migrated}))
        unsettled = tuple(case for case in cases if case.unrecorded or case.uid in book.unsettled)
        if unsettled:
            result.append(replace(past, cases=unsettled))
    return tuple(result)
