"""VMs that several plans mean. The first that has a target for one is who moves it, and there alone it takes room."""

from collections.abc import Mapping, Sequence

from drover.planning.placing.mover import Answers, Mover
from drover.planning.placing.placement import place
from drover.planning.proposal import Assignment
from drover.planning.site.fleet import Fleet
from drover.planning.timing.moves import Limits


def open_to(mover: Mover, target: str, barred: Mapping[str, str]) -> bool:
    """Whether the goal lets the VM go where an earlier one sends it."""
    return not (target in barred or target in mover.barred or target in mover.shunned)


def elsewhere(
    movers: Sequence[Mover],
    moved: Mapping[str, Assignment],
    ground: Fleet,
    barred: Mapping[str, str],
    limits: Limits | None,
) -> Answers:
    """Targets for VMs that an earlier goal sends where this one does not let them go, for when that has not moved them
    after all. Until then they take room there: none is taken here."""
    if not movers:
        return {}
    tried = ground.copy()
    for mover in movers:
        tried.take_back(mover.guest, tried.position[moved[mover.uid].target])
    return place(movers, tried, barred, limits)
