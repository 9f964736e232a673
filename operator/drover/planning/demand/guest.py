"""A VM that asks for a node: what it asks, and who it is among the others."""

import msgspec

from drover.planning.demand.vmclass import VMClass
from drover.planning.demand.volumes import Handle
from drover.planning.site.population import Occupant


class Guest(msgspec.Struct, frozen=True):
    """A VM as the checks see it: `handles` are the CSI volumes a target has to attach for it."""

    occupant: Occupant
    vm_class: VMClass
    handles: frozenset[Handle] = frozenset()

    @property
    def uid(self) -> str:
        return self.occupant.uid
