"""Targets for as many as possible: those that were kept, then such as nobody doubts, then any.

Where somebody is left out, all begin anew in other ways, and then those who were left out go first.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from drover.planning.checks.room import fits
from drover.planning.placing import portfolio
from drover.planning.placing.filling import Site
from drover.planning.placing.mover import Answers, Mover, Placed, Proven
from drover.planning.placing.relations import FleetRelations

IN_TURN = (True, False)
"""First only targets that nobody doubts, then any."""
INSISTING = 3
"""How often those who were left out go first."""
BEGIN_ANEW = 64
"""So many VMs are placed anew without the targets they had where that helps somebody; with more it takes too long."""


@dataclass(slots=True)
class Search:
    """For targets on a site, of which some have been taken already."""

    site: Site
    proven: Proven

    def best(self, movers: Sequence[Mover]) -> Answers:
        """Targets for as many as possible: those kept, then such as nobody doubts, then any. Where somebody is
        left out, and there are few, all begin anew if that helps more of them; then those who were left out go first.
        """
        kept = self.keep([mover for mover in movers if mover.kept])
        began = bool(kept)
        best = self._in_turn(kept, movers, IN_TURN)
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
        faithful = self._faithful(answers, movers)
        if len(faithful) == len(answers):
            return answers
        faithful |= self.spread_out([mover for mover in movers if mover.uid not in faithful], strict=turns[-1])
        return self._faithful(faithful, movers)

    def _faithful(self, answers: Answers, movers: Sequence[Mover]) -> Answers:
        """Without those whom the ones they follow have left in a later turn, and without those that may not go
        where they do not."""
        while alone := self.site.fleet.neighbours.forsaken() & answers.keys():
            before = self._targets(answers, movers)
            self._take_back(answers, movers)
            rest = ((mover, target) for mover, target in before if mover.uid not in alone)
            answers = self._one_by_one(rest)
        return answers

    def _take_back(self, answers: Answers, movers: Sequence[Mover]) -> None:
        """As if they had not been placed."""
        for mover, target in self._targets(answers, movers):
            self.site.fleet.take_back(mover.guest, target)

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
        if target is None or mover.kept in mover.shunned:
            return False
        answers |= self._one_by_one([(mover, target)])
        return mover.uid in answers

    def _one_by_one(self, targets: Iterable[tuple[Mover, int]]) -> Answers:
        """Those that may go there now, each once those before it are on their way."""
        answers: Answers = {}
        for mover, target in targets:
            if self.site.fits_on(mover, target):
                answers[mover.uid] = self.site.settle(mover, target, int(self.site.allowed(mover).sum()))
        return answers

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
