"""Where each VM goes: what it was given before while that still fits, else the best that a portfolio of placements has.

A VM keeps its target so that plans do not flutter. Where nobody can judge a node, or where the VM has failed before, it
goes only if there is nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from drover.planning.placing.filling import Site
from drover.planning.placing.mover import Answers, Mover, Placed, Proven
from drover.planning.placing.refusal import Refusals
from drover.planning.placing.search import Search
from drover.planning.placing.waiting import waits
from drover.planning.site.fleet import Fleet
from drover.planning.timing.moves import Limits


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
    answers = Search(site, proven).best(movers)
    answers = waiting(answers, movers, fleet)
    refusals = Refusals(fleet, barred)
    for mover in movers:
        if mover.uid not in answers:
            answers[mover.uid] = refusals.of(mover.guest, mover.barred, site.allowed(mover))
    return answers


def waiting(answers: Answers, movers: Sequence[Mover], fleet: Fleet) -> Answers:
    """The same, each with whom it waits for; in an order in which each is legal when all before it have been made."""
    guests = {mover.uid: mover.guest for mover in movers}
    placed = {uid: answer for uid, answer in answers.items() if isinstance(answer, Placed)}
    awaited = waits([(guests[uid], fleet.position[each.target]) for uid, each in placed.items()], fleet)
    names = {uid: sorted((other, fleet.nodes[node].name) for other, node in some) for uid, some in awaited.items()}
    after = {uid: tuple(sorted({*each.after, *names.get(uid, ())})) for uid, each in placed.items()}
    return answers | {uid: replace(each, after=after[uid]) for uid, each in placed.items()}
