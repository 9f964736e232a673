"""Targets for VMs that lack nothing but room: behind VMs in flight, then behind others that would go first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from drover.facts.index import Index
from drover.facts.snapshot import Snapshot
from drover.planning.bystanders import could_leave, leaving
from drover.planning.placing.making_room import Room, as_others_leave, make_room, nearly
from drover.planning.placing.mover import Answers, Mover, Placed, Proven
from drover.planning.placing.placement import place, waiting
from drover.planning.placing.refusal import Unplaced
from drover.planning.site.fleet import Fleet
from drover.planning.timing.moves import Limits

MOST_SHORT = 48
"""If more lack room the fleet is full, and no shuffling helps."""
NAMED = 3
"""How many moves, or names, are spelled out."""


@dataclass(frozen=True, slots=True)
class Asking:
    """The movers of a goal on the ground they are placed on, and that ground `before` they were; `kept` are VMs (by
    UID) that may not be asked to make room, `avoid` nodes where the scheduler refused one, `asked` those that were
    asked to last time."""

    movers: Sequence[Mover]
    ground: Fleet
    before: Fleet
    barred: Mapping[str, str]
    limits: Limits | None
    kept: frozenset[str]
    avoid: Mapping[str, frozenset[str]]
    asked: frozenset[str]
    proven: Proven
    snapshot: Snapshot
    relations: Index


@dataclass(frozen=True, slots=True)
class Relief:
    """The answers, by VMI UID, with what was found for those that had no target; the targets of those that make room
    for them; and, for those that would have one only then, what would have to be moved, in words."""

    answers: Answers
    extra: Mapping[str, Placed] = field(default_factory=dict)
    suggestions: Mapping[str, str] = field(default_factory=dict)


def relieve(answers: Answers, asking: Asking, *, may_move: bool) -> Relief:
    """What becomes of the movers that lack room, the others having these answers. Takes the room from the ground;
    without `may_move` nobody else is moved, and it is only said who would have to be."""
    answers = _behind(answers, asking.movers, asking, asking.ground)
    short = _short(asking.movers, answers)
    if not 0 < len(short) <= MOST_SHORT:
        return Relief(answers)
    fresh = asking.before.copy()
    room = _room(short, asking, fresh)
    if not room.placed:
        return Relief(answers)
    found = _around(room, asking, fresh)
    if _placed(found) - len(room.extra) <= _placed(answers) or fresh.neighbours.forsaken() & found.keys():
        return Relief(answers)
    if room.extra and not may_move:
        return Relief(answers, suggestions={uid: _suggestion(uid, room, asking) for uid in room.placed})
    asking.ground.become(fresh)
    extra = {uid: _making_way(found[uid], uid, room, asking) for uid in room.extra}
    return Relief({uid: each for uid, each in found.items() if uid not in extra}, extra)


def _short(movers: Sequence[Mover], answers: Answers) -> list[Mover]:
    found = ((mover, answers[mover.uid]) for mover in movers)
    return [mover for mover, answer in found if isinstance(answer, Unplaced) and answer.eligible]


def _placed(answers: Answers) -> int:
    return sum(isinstance(answer, Placed) for answer in answers.values())


def _behind(answers: Answers, movers: Sequence[Mover], asking: Asking, ground: Fleet) -> Answers:
    """The answers, with targets for those that fit where VMs in flight are leaving; with none where another was to go
    near one of them."""
    short = _short(movers, answers)
    gone = [
        (each.uid, ground.position[each.node], each.target, ground.vector(each.amounts))
        for each in (leaving(asking.snapshot, asking.relations) if short else ())
        if each.node in ground.position and each.node not in asking.barred
    ]
    if not gone:
        return answers
    tried = ground.copy()
    late = as_others_leave(short, gone, tried, asking.barred, asking.limits)
    found = {**{uid: answer for uid, answer in answers.items() if uid not in late}, **late}
    if tried.neighbours.forsaken() & found.keys():
        return answers
    ground.become(tried)
    return waiting(found, movers, ground)


def _room(short: Sequence[Mover], asking: Asking, ground: Fleet) -> Room:
    """Room for those that lack it, before anybody else has taken any: they are hard to place. First with those alone
    that were asked last time, so that plans do not flutter."""
    nodes = nearly(short, ground, asking.barred)
    could = could_leave(nodes, asking.kept, asking.avoid, asking.snapshot, asking.relations, ground)
    found = Room()
    for others in ([other for other in could if other.uid in asking.asked], could):
        rest = [mover for mover in short if mover.uid not in found.placed]
        free = [other for other in others if other.uid not in found.extra]
        more = make_room(rest, free, ground, asking.barred, asking.limits) if rest else Room()
        found = found.beside(more)
    return found


def _around(room: Room, asking: Asking, ground: Fleet) -> Answers:
    """The answers of all, those who make room among them, where those for whom it is made go first."""
    rest = [mover for mover in asking.movers if mover.uid not in room.placed]
    answers = place(rest, ground, asking.barred, asking.limits, asking.proven)
    whole = {**room.moves, **_behind(answers, rest, asking, ground)}
    return waiting(whole, [*room.movers, *rest], ground)


def _making_way(answer: Placed | Unplaced, uid: str, room: Room, asking: Asking) -> Placed:
    assert isinstance(answer, Placed)
    return replace(answer, why=f"makes room for {_names(uid, room, asking)}")


def _names(uid: str, room: Room, asking: Asking) -> str:
    """Of those that wait for the VM."""
    waiting = [who for who, each in (*room.placed.items(), *room.extra.items()) if uid in dict(each.after)]
    return _listed([_name(who, asking) for who in waiting])


def _name(uid: str, asking: Asking) -> str:
    metadata = asking.relations.vmis_by_uid[uid].metadata
    return f"{metadata.namespace}/{metadata.name}"


def _suggestion(uid: str, room: Room, asking: Asking) -> str:
    """What has to go first, and how to have it done."""
    needed = _first(uid, room)
    moves = [
        f"{_name(who, asking)} from {asking.relations.vmis_by_uid[who].node} to {room.extra[who].target}"
        for who in needed
    ]
    return f"it fits once others have moved: {_listed(moves)}; makeRoom: Move lets the plan do so"


def _listed(words: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    return ", ".join(words[:NAMED]) + (f" and {len(words) - NAMED} more" if len(words) > NAMED else "")


def _first(uid: str, room: Room) -> list[str]:
    """Those that have to move before the VM, the first first."""
    found: list[str] = []
    for who, _ in room.placed[uid].after if uid in room.placed else room.extra[uid].after:
        if who in room.extra and who not in found:
            found += [each for each in (*_first(who, room), who) if each not in found]
    return found
