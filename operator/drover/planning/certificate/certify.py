"""Can these VMs be placed? A proof of how many cannot, with what is short and where."""

from dataclasses import dataclass

from drover.planning.certificate.bound import at_most, whole
from drover.planning.certificate.groups import collapse
from drover.planning.certificate.question import Question
from drover.planning.certificate.relaxation import relax
from drover.planning.certificate.shortages import Shortage, shortages


@dataclass(frozen=True, slots=True)
class Certificate:
    """At least `unplaceable` of `total` VMs cannot be placed, however it is tried; `barred` of them may go nowhere,
    whatever room there is. Nothing is claimed of the rest: anti-affinity, spread and the way VMs fill a node by turns
    are not looked at."""

    total: int
    unplaceable: int
    barred: int
    shortages: tuple[Shortage, ...]

    @property
    def placeable(self) -> int:
        """No more can be placed than these."""
        return self.total - self.unplaceable

    @property
    def short(self) -> int:
        """How many of those that cannot be placed lack room and nothing else."""
        return self.unplaceable - self.barred


def certify(question: Question) -> Certificate:
    """The certificate of a question. With `free` as it is, about what can be placed with nothing else moved; with all
    VMs asked for and the nodes' whole capacity free, about what no plan at all can place."""
    groups = collapse(question)
    relaxed = relax(groups)
    total = int(groups.count.sum())
    barred = int(groups.count[~groups.allowed.any(axis=1)].sum())
    found = shortages(question, groups, relaxed)
    together = total - at_most(groups, whole(relaxed.price))
    # No VM is in two regions, so what is proven of each adds up; it may be more than the fractions of all together say.
    return Certificate(total, max(together, barred + sum(each.vms for each in found)), barred, found)
