"""VMs that several plans mean. The first that has a target for one is who moves it, and there alone it takes room."""

from collections.abc import Mapping, Sequence

from drover.planning.placing.mover import Answers, Mover
from drover.planning.placing.placement import place
from drover.planning.proposal import Assignment
from drover.planning.site.fleet import Fleet
from drover.planning.timing.moves import Limits


def parted(
    movers: Sequence[Mover], moved: Mapping[str, Assignment], barred: Mapping[str, str]
) -> tuple[list[Mover], dict[str, Assignment], list[Mover]]:
    """Those that no earlier goal moves; of the others what stands, and those that this goal does not let go there."""
    own = [mover for mover in movers if mover.uid not in moved]
    sent = [mover for mover in movers if mover.uid in moved]
    standing = {mover.uid: moved[mover.uid] for mover in sent if _open_to(mover, moved[mover.uid].target, barred)}
    return own, standing, [mover for mover in sent if mover.uid not in standing]


def _open_to(mover: Mover, target: str, barred: Mapping[str, str]) -> bool:
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
