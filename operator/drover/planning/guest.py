"""A VM that asks for a node: what it asks, and who it is among the others."""

from dataclasses import dataclass

from drover.planning.population import Occupant
from drover.planning.vmclass import VMClass
from drover.planning.volumes import Handle


@dataclass(frozen=True, slots=True)
class Guest:
    """A VM as the checks see it: `handles` are the CSI volumes a target has to attach for it."""

    occupant: Occupant
    vm_class: VMClass
    handles: frozenset[Handle] = frozenset()

    @property
    def uid(self) -> str:
        return self.occupant.uid
