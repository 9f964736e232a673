"""Who is where, as an attempt at placement sees it: the filters of a Fleet that depend on others, moves taken back."""

from collections.abc import Callable, Sequence

from drover.planning.checks.others import NEIGHBOURS, SPREAD
from drover.planning.checks.room import PORTS
from drover.planning.checks.volumes import LIMIT
from drover.planning.demand.guest import Guest
from drover.planning.placing.ground import NOWHERE
from drover.planning.site.fleet import Fleet
from drover.planning.site.topology import Mask


class FleetRelations:
    """Affinity between pods, topology spread, volume limits and host ports for VMs numbered as the guests are.

    Moves are made on the fleet itself; whoever has made them takes them back with `fresh`.
    """

    def __init__(self, guests: Sequence[Guest], fleet: Fleet) -> None:
        self._guests = guests
        self._fleet = fleet
        self._log: list[tuple[int, int | None]] = []
        self._targets: dict[int, int] = {}
        self._minding = [self._who_minds(guest) for guest in guests]
        for guest in guests:
            # So that whom they count is told where not to go for their sake.
            fleet.spreading.constraints(guest.vm_class)

    def fresh(self) -> "FleetRelations":
        """As it was in the beginning."""
        while self._log:
            self.undo()
        return self

    def mask(self, vm: int) -> Mask | None:
        """bool[nodes]: where the VM may be, all others being where they are now; None: anywhere."""
        masks = [allowed(self._guests[vm], self._fleet) for allowed in self._minding[vm]]
        if not masks:
            return None
        result = masks[0]
        for each in masks[1:]:
            result = result & each
        return result

    def kind(self, vm: int) -> Mask | None:
        """bool[nodes]: where the VM breaks nobody's spread."""
        return self._fleet.spreading.unharmed(self._guests[vm].occupant)

    def allows(self, vm: int, node: int) -> bool:
        """Whether the VM may be on this node, all others being where they are now."""
        mask = self.mask(vm)
        return mask is None or bool(mask[node])

    def move(self, vm: int, node: int) -> None:
        """From now on the VM counts on this node, or where it is if that is NOWHERE."""
        self._log.append((vm, self._targets.get(vm)))
        self._go(vm, node if node != NOWHERE else None)

    def undo(self) -> None:
        """Take the last `move` back."""
        vm, before = self._log.pop()
        self._go(vm, before)

    def content(self, vm: int) -> bool:
        """Whether the VM has near it, where it goes, whom it requires."""
        target = self._targets.get(vm)
        return target is None or self._fleet.neighbours.content(self._guests[vm].occupant, target)

    def _who_minds(self, guest: Guest) -> list[Callable[[Guest, Fleet], Mask]]:
        """The checks that can ever matter to the VM: who requires what of whom does not change."""
        fleet = self._fleet
        asked = (
            (fleet.neighbours.matters(guest.occupant), NEIGHBOURS),
            (bool(guest.vm_class.spread), SPREAD),
            (fleet.attaching.limited(guest.handles), LIMIT),
            (bool(guest.vm_class.ports), PORTS),
        )
        return [check.allows for minds, check in asked if minds]

    def _go(self, vm: int, node: int | None) -> None:
        guest, before = self._guests[vm], self._targets.pop(vm, None)
        if before is not None:
            self._fleet.forget(guest, before)
        if node is not None:
            self._targets[vm] = node
            self._fleet.expect(guest, node)
