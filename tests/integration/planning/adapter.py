"""The planner's side: its verdict on a VM and every other node of a fleet."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args, get_type_hints

import msgspec

from drover.facts.index import Index, index
from drover.facts.kubevirt import HOSTNAME, VMI
from drover.facts.snapshot import Snapshot
from drover.facts.wire import key_of
from drover.planning.barred import bars
from drover.planning.checks import chain
from drover.planning.checks.check import Answer as Answer
from drover.planning.checks.check import Verdict
from drover.planning.site import survey
from tests.integration.planning.fleets.draft import Object

FIELDS = {"persistentvolumes": "pvs", "persistentvolumeclaims": "pvcs", "volumeattachments": "attachments"}
"""What a Snapshot calls a resource, where that is not its plural."""

_OWN_RULES = ("Cordoned", "NotReady", "Pressure", "Hostname")
"""Checks that refuse what the scheduler would allow, and mean to: a toleration does not make a target of a node that is
being emptied, and a migration cannot be pinned to one without a hostname label."""


@dataclass(frozen=True)
class Ours:
    """Our answer in words. `plugin`: the filter that is to say no; `own_rule`: it is not expected to."""

    answer: Answer
    words: str
    plugin: str = ""
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
    fleet = survey.build(snapshot, relations, {})
    guest, forbidden = survey.guest(vmi, snapshot, relations, fleet.position), bars(vmi, relations, ())
    assert guest is not None
    said = {node.name: chain.verdict(guest, fleet, n) for n, node in enumerate(fleet.nodes)}
    return {name: _ours(said[name]) for name in said} | {
        node.name: _barred(said[node.name], forbidden[node.name], known=HOSTNAME in node.labels)
        for node in fleet.nodes
        if node.name in forbidden
    }


def judge_all(snapshot: Snapshot) -> dict[str, dict[str, Ours]]:
    """Our verdicts on all VMs of a fleet, by VMI UID and node."""
    relations = index(snapshot)
    return {vmi.uid: judge(vmi, snapshot, relations) for vmi in snapshot.vmis.values()}


def _ours(said: Verdict) -> Ours:
    """A doubt whether a pin means this node or another of its name is none about the node."""
    if said.answer is Answer.UNKNOWN and said.check == "Hostname":
        return Ours(Answer.YES, said.words)
    return Ours(said.answer, said.words, said.plugin, said.check in _OWN_RULES)


def _barred(said: Verdict, words: str, *, known: bool) -> Ours:
    """Where pods of the VM are. Its target shuns them by the hostname label, if no other filter is asked before; on a
    node without one it is only us who keep two pods of a VM apart."""
    if said.answer is Answer.NO:
        return Ours(Answer.NO, words, said.plugin, said.check in _OWN_RULES)
    return Ours(Answer.NO, words, "InterPodAffinity", own_rule=not known)
