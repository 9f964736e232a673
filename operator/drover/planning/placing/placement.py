"""Where each VM goes: what it was given before while that still fits, else the best that a portfolio of placements has.

A VM keeps its target so that plans do not flutter. Where nobody can judge a node, or where the VM has failed before, it
goes only if there is nothing else.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from drover.planning.checks.room import fits
from drover.planning.placing import portfolio
from drover.planning.placing.filling import Site
from drover.planning.placing.mover import Answers, Mover, Placed, Proven
from drover.planning.placing.refusal import Refusals
from drover.planning.placing.relations import FleetRelations
from drover.planning.placing.waiting import waits
from drover.planning.site.fleet import Fleet
from drover.planning.timing.moves import Limits

IN_TURN = (True, False)
"""First only targets that nobody doubts, then any."""
INSISTING = 3
"""How often those who were left out go first."""
BEGIN_ANEW = 64
"""So many VMs are placed anew without the targets they had where that helps somebody; with more it takes too long."""


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
    site = Site(fleet, ~fleet.among(barred), limits)
    movers = sorted(movers, key=lambda mover: mover.uid)
    answers = _Search(site, proven).best(movers)
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
class _Search:
    """For targets on a site, of which some have been taken already."""

    site: Site
    proven: Proven

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
            if not short:
                break
            first |= {mover.uid: mover for mover in short}
            found = self._better(best, movers, partial(self._around, list(first.values()), short, movers))
            if found is best:
                break
            best = found
        return best

    def _around(self, first: Sequence[Mover], short: Sequence[Mover], movers: Sequence[Mover]) -> Answers:
        """The answers where some go first, those of them that fit anywhere then. Nothing if that cannot help, for as
        many as are `short` can have no target."""
        fitting = [mover for mover in first if self.site.fits_somewhere(mover)]
        able = [mover for mover in movers if self.site.may(mover)]
        if not fitting or sum(map(self.site.may, short)) <= self.proven(able, self.site.fleet):
            return {}
        answers = self._in_turn({}, fitting, IN_TURN)
        answers |= self.keep([mover for mover in movers if mover.kept and mover.uid not in answers])
        return self._in_turn(answers, movers, IN_TURN)

    def _others(self, movers: Sequence[Mover], kept: bool) -> Iterator[tuple[bool, ...]]:
        """In which other ways they could begin: without what was kept, and without regard to doubts."""
        if kept:
            yield IN_TURN
        if any((self.site.allowed(each) != self.site.allowed(each, strict=True)).any() for each in movers):
            yield (False,)

    def _in_turn(self, answers: Answers, movers: Sequence[Mover], turns: Sequence[bool]) -> Answers:
        for strict in turns:
            rest = [mover for mover in movers if mover.uid not in answers]
            answers |= self.spread_out(rest, strict=strict)
        return answers

    def _take_back(self, answers: Answers, movers: Sequence[Mover]) -> None:
        """As if they had not been placed."""
        for mover, target in self._targets(answers, movers):
            self.site.fleet.forget(mover.guest, target)
            self.site.fleet.take(target, -self.site.demand(mover))

    def _expect(self, answers: Answers, movers: Sequence[Mover]) -> None:
        for mover, target in self._targets(answers, movers):
            self.site.fleet.move(mover.guest, target)

    def _targets(self, answers: Answers, movers: Sequence[Mover]) -> list[tuple[Mover, int]]:
        known = {mover.uid: mover for mover in movers}
        placed = ((known[uid], each) for uid, each in answers.items())
        return [(mover, self.site.fleet.position[each.target]) for mover, each in placed if isinstance(each, Placed)]

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
        target = self.site.fleet.position.get(mover.kept)
        if target is None or mover.kept in mover.shunned or not self.site.fits_on(mover, target):
            return False
        answers[mover.uid] = self.site.settle(mover, target, int(self.site.allowed(mover).sum()))
        return True

    def spread_out(self, movers: Sequence[Mover], *, strict: bool) -> Answers:
        """Targets for as many as possible. `strict`: none that nobody can judge, and none on which the VM failed."""
        rows = [self.site.allowed(mover, strict=strict) for mover in movers]
        able = [n for n, row in enumerate(rows) if row.any() and self.site.offered(movers[n])]
        if not able:
            return {}
        asking = [movers[n] for n in able]
        relations = FleetRelations([mover.guest for mover in asking], self.site.fleet)
        problem = self.site.problem(asking, [rows[n] for n in able])
        found = portfolio.place(problem, relations.fresh, lambda: self.proven(asking, self.site.fleet))
        counts = problem.allowed.sum(axis=1)[problem.row].tolist()
        if found.standing:
            return self._taken(found.targets, asking, counts)
        return self._settled(found.targets, asking, relations.fresh(), counts)

    def _taken(self, targets: Mapping[int, int], movers: Sequence[Mover], counts: Sequence[int]) -> Answers:
        """Of those that are expected there already, in their order."""
        answers: Answers = {}
        for vm, target in targets.items():
            answers[movers[vm].uid] = self.site.placed(movers[vm], target, counts[vm])
            self.site.fleet.take(target, self.site.demand(movers[vm]))
        return answers

    def _settled(
        self, targets: Mapping[int, int], movers: Sequence[Mover], relations: FleetRelations, counts: Sequence[int]
    ) -> Answers:
        """One by one in their order, for who was placed early has perhaps been sent elsewhere since."""
        answers: Answers = {}
        for vm, target in targets.items():
            mover = movers[vm]
            if relations.allows(vm, target) and fits(self.site.demand(mover), self.site.fleet, target):
                answers[mover.uid] = self.site.settle(mover, target, counts[vm])
        return answers
