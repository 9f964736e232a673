"""The planner's side: its verdict on a VM and every other node of a fleet."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import get_args, get_type_hints

import msgspec

from drover.facts.index import Index, index
from drover.facts.kubevirt import VMI
from drover.facts.snapshot import Snapshot
from drover.facts.wire import key_of
from drover.planning.proposal import admits, bars
from tests.integration.planning.fleets.draft import Object

FIELDS = {"persistentvolumes": "pvs", "persistentvolumeclaims": "pvcs"}
"""What a Snapshot calls a resource, where that is not its plural."""

_OWN_RULES = ("is cordoned", "is not Ready", "is under ")
"""Where we refuse what the scheduler would allow, and mean to: a toleration does not make a target of a node that is
being emptied."""


class Answer(Enum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Ours:
    """Our answer in words. `own_rule`: a no that the scheduler is not expected to share."""

    answer: Answer
    words: str
    own_rule: bool = False


def snapshot_of(objects: Mapping[str, Sequence[Object]]) -> Snapshot:
    """A Snapshot of plain objects, by the plural of their resource. What a Snapshot does not know is left out."""
    fields: dict[str, dict[tuple[str, str], object]] = {}
    hints = get_type_hints(Snapshot)
    for plural, items in objects.items():
        name = FIELDS.get(plural, plural)
        if name in hints:
            kind = get_args(hints[name])[1]
            decoded = [msgspec.json.decode(json.dumps(each), type=kind) for each in items]
            fields[name] = {key_of(each): each for each in decoded}
    return Snapshot(**fields)  # type: ignore[arg-type]  # each of the type that the field has


def judge(vmi: VMI, snapshot: Snapshot, relations: Index) -> dict[str, Ours]:
    """Our verdict on each node, by its name."""
    forbidden = bars(vmi, relations, ())
    names = [node.name for node in snapshot.nodes.values()]
    return {name: _ours(admits(vmi, name, forbidden, snapshot, relations)) for name in names}


def judge_all(snapshot: Snapshot) -> dict[str, dict[str, Ours]]:
    """Our verdicts on all VMs of a fleet, by VMI UID and node."""
    relations = index(snapshot)
    return {vmi.uid: judge(vmi, snapshot, relations) for vmi in snapshot.vmis.values()}


def _ours(refusal: str | None) -> Ours:
    if refusal is None:
        return Ours(Answer.YES, "")
    return Ours(Answer.NO, refusal, refusal.startswith(_OWN_RULES))
