"""Claims that are wrong by themselves, so that their pod can run nowhere."""

from collections.abc import Callable

from tests.integration.planning.fleets.disks import a_volume, give, use
from tests.integration.planning.fleets.draft import VM, Draft, Object


def wrong(draft: Draft) -> None:
    """A claim is missing, not bound, half bound, lost, being deleted, for one pod, or its volume is not there."""
    for vm in draft.vms:
        if draft.chance(0.3):
            give(draft, vm.launcher, a_volume(draft))
        if draft.chance(0.5):
            draft.rng.choice(_WAYS)(draft, vm)


def _missing(draft: Draft, vm: VM) -> None:
    use(vm.launcher, f"{draft.key}-missing")


def _unbound(draft: Draft, vm: VM) -> None:
    claim = _claim(draft, vm)
    del claim["spec"]["volumeName"], claim["metadata"]["annotations"]
    claim["status"] = {"phase": "Pending"}
    draft.volumes.pop()


def _half_bound(draft: Draft, vm: VM) -> None:
    del _claim(draft, vm)["metadata"]["annotations"]


def _lost(draft: Draft, vm: VM) -> None:
    _claim(draft, vm)["status"] = {"phase": "Lost"}
    if draft.rng.random() < 0.5:
        draft.volumes.pop()


def _deleted(draft: Draft, vm: VM) -> None:
    claim = _claim(draft, vm)
    draft.doomed.add((claim["metadata"]["namespace"], claim["metadata"]["name"]))
    if draft.rng.random() < 0.3:
        _for_one(draft, vm)


def _for_one(draft: Draft, vm: VM) -> None:
    claim = _claim(draft, vm)
    claim["spec"]["accessModes"] = draft.volumes[-1]["spec"]["accessModes"] = ["ReadWriteOncePod"]


def _without_volume(draft: Draft, vm: VM) -> None:
    _claim(draft, vm)
    draft.volumes.pop()


_WAYS: tuple[Callable[[Draft, VM], None], ...] = (
    _missing, _unbound, _half_bound, _lost, _deleted, _deleted, _for_one, _without_volume, _without_volume,
)  # fmt: skip


def _claim(draft: Draft, vm: VM) -> Object:
    """A bound one, and its volume is the last."""
    give(draft, vm.launcher, a_volume(draft))
    return draft.claims[-1]
