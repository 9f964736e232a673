"""One VM and a node, asked by themselves: by the same checks as placement, on the facts of this moment."""

from collections.abc import Mapping

from drover.facts.index import Index
from drover.facts.kubevirt import VMI
from drover.facts.snapshot import Snapshot
from drover.planning.checks import chain
from drover.planning.checks.check import Answer, Verdict
from drover.planning.demand.vmclass import VMClass
from drover.planning.site import survey
from drover.planning.site.nodeclass import NodeClasses


def static_homes(vm_class: VMClass, classes: NodeClasses) -> tuple[str, ...]:
    """The nodes a VM of the class may go to as far as labels, taints, volumes and conditions say."""
    codes = chain.static(vm_class, classes)
    return tuple(node.name for node, code in zip(classes.topology.nodes, codes, strict=True) if code <= chain.FITS)


def judge(vmi: VMI, node: str, forbidden: Mapping[str, str], snapshot: Snapshot, relations: Index) -> Verdict:
    """May the VM go to this node now? `forbidden` are nodes that are out of the question whatever the checks say, with
    the reason.

    The same checks and the same counting as placement, on a fresh snapshot: asked again before every dispatch.
    """
    position = survey.positions(snapshot)
    guest = survey.guest(vmi, snapshot, relations, position)
    if guest is None:
        return Verdict(Answer.NO, words="cannot be judged: no launcher pod of the VM runs on its node")
    if node not in position:
        return Verdict(Answer.NO, words="does not exist")
    if node in forbidden:
        return Verdict(Answer.NO, words=forbidden[node])
    return chain.verdict(guest, survey.around(guest, node, snapshot, relations), position[node])


def admits(vmi: VMI, node: str, forbidden: Mapping[str, str], snapshot: Snapshot, relations: Index) -> str | None:
    """Why the VM may not go to this node now, in words that follow "the node", or None if it may or nobody knows."""
    verdict = judge(vmi, node, forbidden, snapshot, relations)
    return verdict.words if verdict.answer == Answer.NO else None
