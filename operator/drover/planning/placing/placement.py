"""Where each VM goes: what it was given before while that still fits, else the best that a portfolio of placements has.

A VM keeps its target so that plans do not flutter. Where nobody can judge a node, or where the VM has failed before, it
goes only if there is nothing else.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from drover.planning.checks import chain
from drover.planning.checks.room import fits
from drover.planning.demand.guest import Guest
from drover.planning.demand.vmclass import GUEST_MEMORY, VMClass
from drover.planning.placing import company, portfolio
from drover.planning.placing.ground import NOWHERE
from drover.planning.placing.problem import KUBEVIRTS_OWN, Problem
from drover.planning.placing.refusal import Refusals
from drover.planning.placing.refusal import Unplaced as Unplaced
from drover.planning.placing.relations import FleetRelations
from drover.planning.placing.waiting import waits
from drover.planning.site.fleet import IMPOSSIBLE, Amounts, Fleet
from drover.planning.site.topology import Mask
from drover.planning.timing.moves import Limits

IN_TURN = (True, False)
"""First only targets that nobody doubts, then any."""
INSISTING = 3
"""How often those who were left out go first."""
BEGIN_ANEW = 64
"""So many VMs are placed anew without the targets they had where that helps somebody; with more it takes too long."""


@dataclass(frozen=True, slots=True)
class Mover:
    """A VM that needs a target. `barred` are nodes it may not go to whatever the checks say, each with the reason in
    words; `kept` is the target it was given before, `rank` its place among those that were; `shunned` are targets it
    failed on, taken only if nothing else is left."""

    guest: Guest
    barred: Mapping[str, str]
    kept: str = ""
    shunned: frozenset[str] = frozenset()
    rank: int = 0

    @property
    def uid(self) -> str:
        return self.guest.uid


@dataclass(frozen=True, slots=True)
class Placed:
    """A target and why it. `doubt` is what nobody can judge of it; `after` are the VMs (by UID) that have to arrive
    first, each with the node where."""

    target: str
    why: str
    doubt: str = ""
    after: tuple[tuple[str, str], ...] = ()


Answers = dict[str, Placed | Unplaced]
"""By VMI UID."""


Proven = Callable[[Sequence[Mover], Fleet], int]
"""How many of the VMs cannot have a target in the room that is free there, whatever is tried."""


def place(
    movers: Sequence[Mover],
    fleet: Fleet,
    barred: Mapping[str, str],
    limits: Limits | None = None,
    proven: Proven = lambda *_: 0,
) -> Answers:
    """A target or a refusal for each mover; takes the room from `fleet`.

    `barred` holds for all of them (nodes the goal excludes or empties), with the reason in words. With `limits`, no
    target is given so much that it makes the whole longer than it has to be. No more is tried than `proven` lets hope.
    """
    site = Site(fleet, ~fleet.among(barred), limits, proven)
    movers = sorted(movers, key=lambda mover: mover.uid)
    answers = site.best(movers)
    answers = waiting(answers, movers, fleet)
    refusals = Refusals(fleet, barred)
    for mover in movers:
        if mover.uid not in answers:
            answers[mover.uid] = refusals.of(mover.guest, mover.barred, site.allowed(mover))
    return answers


def waiting(answers: Answers, movers: Sequence[Mover], fleet: Fleet) -> Answers:
    """The same, each with whom it waits for."""
    guests = {mover.uid: mover.guest for mover in movers}
    placed = {uid: answer for uid, answer in answers.items() if isinstance(answer, Placed)}
    awaited = waits([(guests[uid], fleet.position[each.target]) for uid, each in placed.items()], fleet)
    names = {uid: sorted((other, fleet.nodes[node].name) for other, node in some) for uid, some in awaited.items()}
    return answers | {uid: replace(each, after=tuple(names.get(uid, ()))) for uid, each in placed.items()}


@dataclass(slots=True)
class Site:
    """A fleet that fills; `open` is bool[nodes], the nodes that the goal does not bar."""

    fleet: Fleet
    open: Mask
    limits: Limits | None
    proven: Proven = lambda *_: 0
    _rows: dict[tuple[VMClass, bool], Mask] = field(default_factory=dict)

    def codes(self, mover: Mover) -> chain.Codes:
        return chain.static(mover.guest.vm_class, self.fleet.classes)

    def allowed(self, mover: Mover, *, strict: bool = False) -> Mask:
        """bool[nodes]: where the VM may go as far as the goal and the node checks say; `strict`: as long as anything
        else is left. Not to be changed: VMs of a class share it."""
        row = self._without(self._row(mover, strict), mover.barred)
        return self._without(row, mover.shunned) if strict else row

    def _row(self, mover: Mover, strict: bool) -> Mask:
        key = mover.guest.vm_class, strict
        if key not in self._rows:
            codes = self.codes(mover)
            self._rows[key] = self.open & ((codes == chain.FITS) if strict else (codes <= chain.FITS))
        return self._rows[key]

    def _without(self, row: Mask, names: Iterable[str]) -> Mask:
        position = self.fleet.position
        closed = [n for n in (position.get(name) for name in names) if n is not None and row[n]]
        if not closed:
            return row
        result = row.copy()
        result[closed] = False
        return result

    def best(self, movers: Sequence[Mover]) -> Answers:
        """Targets for as many as possible: those kept, then such as nobody doubts, then any. Where somebody is
        left out, and there are few, all begin anew if that helps more of them; then those who were left out go first.
        """
        kept = self.keep([mover for mover in movers if mover.kept])
        best, began = self._in_turn(kept, movers, IN_TURN), bool(kept)
        for turns in self._others(movers, began) if len(movers) <= BEGIN_ANEW else ():
            if len(best) == len(movers):
                break
            best = self._better(best, movers, partial(self._in_turn, {}, movers, turns))
        return best if len(best) == len(movers) else self._insisting(best, movers)

    def _better(self, best: Answers, movers: Sequence[Mover], attempt: Callable[[], Answers]) -> Answers:
        """The answers of another attempt from the beginning if it helps more of them."""
        self._take_back(best, movers)
        found = attempt()
        if len(found) > len(best):
            return found
        self._take_back(found, movers)
        self._expect(best, movers)
        return best

    def _insisting(self, best: Answers, movers: Sequence[Mover]) -> Answers:
        """Who was left out goes first, as long as that helps (squeaky wheel optimization: Joslin and Clements, JAIR
        1999)."""
        first: dict[str, Mover] = {}
        for _ in range(INSISTING):
            short = [mover for mover in movers if mover.uid not in best]
            first |= {mover.uid: mover for mover in short}
            found = self._better(best, movers, partial(self._around, list(first.values()), short, movers))
            if found is best:
                break
            best = found
        return best

    def _around(self, first: Sequence[Mover], short: Sequence[Mover], movers: Sequence[Mover]) -> Answers:
        """The answers where some go first, those of them that fit anywhere then. Nothing if that cannot help, for as
        many as are `short` can have no target."""
        fitting = [mover for mover in first if self._fits_somewhere(mover)]
        able = [mover for mover in movers if self._may(mover)]
        if not fitting or sum(map(self._may, short)) <= self.proven(able, self.fleet):
            return {}
        answers = self._in_turn({}, fitting, IN_TURN)
        answers |= self.keep([mover for mover in movers if mover.kept and mover.uid not in answers])
        return self._in_turn(answers, movers, IN_TURN)

    def _may(self, mover: Mover) -> bool:
        """Whether any node would take it if there were room."""
        return bool(self.allowed(mover).any()) and self.offered(mover)

    def _fits_somewhere(self, mover: Mover) -> bool:
        """Whether any node would take it now."""
        guest, fleet = mover.guest, self.fleet
        return bool((self.allowed(mover) & chain.moving(guest, fleet) & chain.roomy(guest, fleet)).any())

    def _others(self, movers: Sequence[Mover], kept: bool) -> Iterator[tuple[bool, ...]]:
        """In which other ways they could begin: without what was kept, and without regard to doubts."""
        if kept:
            yield IN_TURN
        if any((self.allowed(each) != self.allowed(each, strict=True)).any() for each in movers):
            yield (False,)

    def _in_turn(self, answers: Answers, movers: Sequence[Mover], turns: Sequence[bool]) -> Answers:
        for strict in turns:
            rest = [mover for mover in movers if mover.uid not in answers]
            answers |= self.spread_out(rest, strict=strict)
        return answers

    def _take_back(self, answers: Answers, movers: Sequence[Mover]) -> None:
        """As if they had not been placed."""
        for mover, target in self._targets(answers, movers):
            self.fleet.forget(mover.guest, target)
            self.fleet.take(target, -self._demand(mover))

    def _expect(self, answers: Answers, movers: Sequence[Mover]) -> None:
        for mover, target in self._targets(answers, movers):
            self.fleet.move(mover.guest, target)

    def _targets(self, answers: Answers, movers: Sequence[Mover]) -> list[tuple[Mover, int]]:
        known = {mover.uid: mover for mover in movers}
        placed = ((known[uid], each) for uid, each in answers.items())
        return [(mover, self.fleet.position[each.target]) for mover, each in placed if isinstance(each, Placed)]

    def keep(self, movers: Sequence[Mover]) -> Answers:
        """The targets they were given before, where those still fit and they did not fail there. In the order of then,
        for a target may be right only when others have gone; and again as long as that helps somebody."""
        rest, answers = sorted(movers, key=lambda mover: mover.rank), Answers()
        while True:
            kept = [mover for mover in rest if self._keep(mover, answers)]
            rest = [mover for mover in rest if mover.uid not in answers]
            if not kept or not rest:
                return answers

    def _keep(self, mover: Mover, answers: Answers) -> bool:
        target = self.fleet.position.get(mover.kept)
        if target is None or mover.kept in mover.shunned or not self._fits(mover, target):
            return False
        answers[mover.uid] = self.settle(mover, target, int(self.allowed(mover).sum()))
        return True

    def spread_out(self, movers: Sequence[Mover], *, strict: bool) -> Answers:
        """Targets for as many as possible. `strict`: none that nobody can judge, and none on which the VM failed."""
        rows = [self.allowed(mover, strict=strict) for mover in movers]
        able = [n for n, row in enumerate(rows) if row.any() and self.offered(movers[n])]
        if not able:
            return {}
        asking = [movers[n] for n in able]
        relations = FleetRelations([mover.guest for mover in asking], self.fleet)
        problem = self.problem(asking, [rows[n] for n in able])
        found = portfolio.place(problem, relations.fresh, lambda: self.proven(asking, self.fleet))
        counts = problem.allowed.sum(axis=1)[problem.row].tolist()
        if found.standing:
            return self._taken(found.targets, asking, counts)
        return self._settled(found.targets, asking, relations.fresh(), counts)

    def _taken(self, targets: Mapping[int, int], movers: Sequence[Mover], counts: Sequence[int]) -> Answers:
        """Of those that are expected there already, in their order."""
        answers: Answers = {}
        for vm, target in targets.items():
            answers[movers[vm].uid] = self._placed(movers[vm], target, counts[vm])
            self.fleet.take(target, self._demand(movers[vm]))
        return answers

    def _settled(
        self, targets: Mapping[int, int], movers: Sequence[Mover], relations: FleetRelations, counts: Sequence[int]
    ) -> Answers:
        """One by one in their order, for who was placed early has perhaps been sent elsewhere since."""
        answers: Answers = {}
        for vm, target in targets.items():
            mover = movers[vm]
            if relations.allows(vm, target) and fits(self._demand(mover), self.fleet, target):
                answers[mover.uid] = self.settle(mover, target, counts[vm])
        return answers

    def _demand(self, mover: Mover) -> Amounts:
        return self.fleet.demand(mover.guest.vm_class)

    def offered(self, mover: Mover) -> bool:
        """Whether any node has all that it asks for at all."""
        return bool(max(self._demand(mover).tolist()) < IMPOSSIBLE)

    def problem(self, movers: Sequence[Mover], masks: Sequence[Mask]) -> Problem:
        """Nodes that a VM may not go to are in its row already: the problem's `barred` is for others."""
        fleet = self.fleet
        demand = np.array([self._demand(mover) for mover in movers], dtype=np.int64)
        numbers, examples = _numbered(masks)
        memory, guests = fleet.resources.index(GUEST_MEMORY), [mover.guest for mover in movers]
        return Problem(
            demand=demand,
            free=fleet.free,
            whole=fleet.allocatable,
            allowed=np.array(examples, dtype=np.bool_),
            row=np.array(numbers, dtype=np.int64),
            at=np.array([self._source(mover) for mover in movers], dtype=np.int64),
            work=demand[:, memory].astype(np.float64),
            movers=range(len(movers)),
            anchors=company.anchors(guests, fleet),
            lanes=_lanes(self.limits),
            ordered=company.ordered(guests, fleet),
            bundles=company.bundles(guests, fleet),
        )

    def _source(self, mover: Mover) -> int:
        """The node it leaves."""
        pods = mover.guest.occupant.pods
        return pods[0] if pods else NOWHERE

    def _fits(self, mover: Mover, target: int) -> bool:
        """Whether the VM may go there now, all counted that were settled before."""
        guest, fleet = mover.guest, self.fleet
        return bool(
            self.allowed(mover)[target] and chain.moving(guest, fleet)[target] and chain.roomy(guest, fleet)[target]
        )

    def settle(self, mover: Mover, target: int, count: int) -> Placed:
        """It goes there, one of so many nodes that may take it."""
        placed = self._placed(mover, target, count)
        self.fleet.move(mover.guest, target)
        return placed

    def _placed(self, mover: Mover, target: int, count: int) -> Placed:
        guest, fleet = mover.guest, self.fleet
        what = "the only node that may take it" if count == 1 else f"one of {count} nodes that may take it"
        left = _left(self._demand(mover), fleet, target)
        doubt = chain.doubt(guest, fleet, target) if self.codes(mover)[target] < chain.FITS else ""
        why = f"{what}; {left:.0%} of its scarcest resource stays free"
        return Placed(fleet.nodes[target].name, why, doubt)


def _numbered(masks: Sequence[Mask]) -> tuple[list[int], list[Mask]]:
    """Equal masks with the same number, and one of each. Most are the same object, so that few are compared."""
    rows: dict[bytes, int] = {}
    objects = {id(mask): mask for mask in masks}
    number = {key: rows.setdefault(mask.tobytes(), len(rows)) for key, mask in objects.items()}
    examples = {number[key]: mask for key, mask in objects.items()}
    return [number[id(mask)] for mask in masks], [examples[n] for n in range(len(rows))]


def _lanes(limits: Limits | None) -> Limits:
    """Where nothing may start now, targets are chosen for when it may."""
    usable = limits is not None and min(limits.total, limits.per_source, limits.per_target) > 0
    return limits if limits is not None and usable else KUBEVIRTS_OWN


def _left(demand: Amounts, fleet: Fleet, node: int) -> float:
    """The fraction of its scarcest asked-for resource that the node would have left."""
    each = zip(demand.tolist(), fleet.free[node].tolist(), fleet.allocatable[node].tolist(), strict=True)
    return min([(free - asked) / max(has, 1) for asked, free, has in each if 0 < asked < IMPOSSIBLE], default=1.0)
