"""The question made small: nodes that the same VMs may use are one group, VMs that ask the same are one kind.

Kinds and groups come in an order of their own, so that the order of the question changes nothing.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drover.planning.certificate.question import Ints, Mask, Question


@dataclass(frozen=True, slots=True)
class Groups:
    """`members` are the node indexes of each group, by name. By kind: `demand` int64[kinds, resources] and `count`;
    by kind and group: `allowed`, and `most` int64[kinds, groups], how many VMs of the kind its nodes would hold if
    they came alone. `free` is Python integers[groups, resources]: their sum may be beyond 64 bits."""

    members: tuple[Ints, ...]
    demand: Ints
    count: Ints
    allowed: Mask
    most: Ints
    free: NDArray[np.object_]


def collapse(question: Question) -> Groups:
    """The same question about groups and kinds. VMs and nodes of it only ever gain by that: what cannot be placed here
    cannot be placed there."""
    question = _present(question)
    rows, row_of = _distinct(question.allowed)
    members = _members(rows, question.nodes)
    first = np.array([each[0] for each in members], dtype=np.int64)
    demand, count, allowed = _kinds(question, rows[:, first], row_of)
    most = np.where(allowed, _most(demand, question.free, members, count), 0)
    return Groups(members, demand, count, allowed, most, _sums(np.maximum(question.free, 0), members))


def names(question: Question, groups: Groups, which: Ints) -> tuple[str, ...]:
    """The nodes of these groups, sorted."""
    return tuple(sorted(question.nodes[n] for group in which.tolist() for n in groups.members[group].tolist()))


def _present(question: Question) -> Question:
    """Without the classes that nobody is of: they must not tell nodes apart."""
    some = question.count > 0
    if some.all():
        return question
    return replace(question, demand=question.demand[some], count=question.count[some], allowed=question.allowed[some])


def _distinct(matrix: Mask) -> tuple[Mask, Ints]:
    """The distinct rows in the order they first appear, and which of them each row is."""
    packed = np.packbits(matrix, axis=1)
    known: dict[bytes, int] = {}
    which = [known.setdefault(row.tobytes(), len(known)) for row in packed]
    index = np.array(which, dtype=np.int64)
    _, first = np.unique(index, return_index=True)
    return matrix[first], index


def _members(rows: Mask, names: object) -> tuple[Ints, ...]:
    """The nodes with the same column, in groups in the order of their first names."""
    order = np.argsort(np.array(names, dtype=np.str_), kind="stable")
    _, group_of = _distinct(rows.T[order])
    by_group = np.argsort(group_of, kind="stable")
    bounds = np.flatnonzero(np.diff(group_of[by_group])) + 1
    return tuple(np.split(order[by_group], bounds)) if len(order) else ()


def _kinds(question: Question, rows: Mask, row_of: Ints) -> tuple[Ints, Ints, Mask]:
    """Demand, count and allowed groups of each kind: classes with the same demand and the same groups are one."""
    counts: dict[tuple[tuple[int, ...], bytes], int] = {}
    where = [row.tobytes() for row in rows]
    asked = zip(question.demand.tolist(), row_of.tolist(), question.count.tolist(), strict=True)
    for demand, row, count in asked:
        key = tuple(demand), where[row]
        counts[key] = counts.get(key, 0) + count
    kinds = sorted(counts)
    shape = len(kinds), question.demand.shape[1]
    allowed = np.frombuffer(b"".join(row for _, row in kinds), dtype=np.bool_).reshape(len(kinds), rows.shape[1])
    demand_of = np.array([each for each, _ in kinds], dtype=np.int64).reshape(shape)
    return demand_of, np.array([counts[kind] for kind in kinds], dtype=np.int64), allowed


def _most(demand: Ints, free: Ints, members: tuple[Ints, ...], count: Ints) -> Ints:
    """int64[kinds, groups]: how many VMs of each kind the nodes of a group hold, each node by itself and whole VMs."""
    different, which = np.unique(demand, axis=0, return_inverse=True)
    ordered = free[np.concatenate(members)] if members else free
    limit = int(count.sum())
    room = np.full((len(different), len(ordered)), limit, dtype=np.int64)
    for resource in range(demand.shape[1]):
        amounts, index = np.unique(different[:, resource], return_inverse=True)
        for number, amount in enumerate(amounts.tolist()):
            if amount > 0:
                fits = np.clip(ordered[:, resource] // amount, 0, limit)
                room[index == number] = np.minimum(room[index == number], fits)
    if not members:
        return np.zeros((len(demand), 0), dtype=np.int64)
    result: Ints = np.add.reduceat(room, _starts(members), axis=1)[which.reshape(-1)]
    return result


def _sums(free: Ints, members: tuple[Ints, ...]) -> NDArray[np.object_]:
    if not members:
        return np.zeros((0, free.shape[1]), dtype=np.object_)
    result: NDArray[np.object_] = np.add.reduceat(free[np.concatenate(members)].astype(np.object_), _starts(members))
    return result


def _starts(members: tuple[Ints, ...]) -> Ints:
    return np.cumsum([0, *(len(each) for each in members[:-1])])
