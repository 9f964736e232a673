"""Which VMs a plan moves that are not its own, so that others fit where they were."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from drover.facts.index import Index
from drover.planning.proposal import Assignment, Proposal
from drover.running.view import Case, View
from drover.running.views import case_of


def with_extra(view: View, proposal: Proposal | None, index: Index, ready: Callable[[Case], bool]) -> View:
    """The view with the VMs that are to make room for one that is `ready` to use it, as long as they are where the
    proposal found them."""
    if proposal is None or view.plan.spec.make_room != "Move":
        return view
    cases = {case.uid: case for case in view.cases}
    planned = proposal.assignments
    held = [case for case in view.cases if case.to_move and case.uid in planned and planned[case.uid].after]
    for each in _awaited(proposal, [case.uid for case in held if ready(case)]):
        vmi = index.vmis_by_uid.get(each.vm)
        case = cases.get(each.vm)
        if vmi is None or vmi.final or vmi.node != each.source or (case is not None and not case.resumes):
            continue
        case = case or case_of(each.vm, view.ledger, None, index)
        cases[each.vm] = replace(case, to_move=True, extra=True)
    return replace(view, cases=tuple(sorted(cases.values(), key=lambda case: (case.key, case.uid))))


def _awaited(proposal: Proposal, leaving: Iterable[str]) -> list[Assignment]:
    """The extra moves that somebody who has to leave waits for, or an extra move of that kind."""
    planned, found = proposal.assignments, dict[str, Assignment]()
    rest = [planned[uid] for uid in leaving if uid in planned and not planned[uid].extra]
    while rest:
        awaited = (planned[uid] for uid, _ in rest.pop().after if uid in planned)
        new = {each.vm: each for each in awaited if each.extra and each.vm not in found}
        found |= new
        rest += new.values()
    return list(found.values())
