"""Who belongs to whom in one Snapshot. Made anew each round; it is never kept."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from drover.facts.kubevirt import VMI, VMIM
from drover.facts.pod import Pod
from drover.facts.snapshot import Snapshot
from drover.facts.wire import Key


@dataclass(frozen=True, slots=True)
class Index:
    """The relations every part of a round asks for. Only pods that are not terminal are in it."""

    launchers: Mapping[str, list[Pod]]
    """Launcher pods by the UID of their VMI."""
    targets: Mapping[str, Pod]
    """Target pods by the UID of their migration."""
    vmis_by_uid: Mapping[str, VMI]
    in_flight: Mapping[Key, list[VMIM]]
    """Migrations by the key of their VMI."""
    by_plan: Mapping[str, list[VMIM]]
    """Our migrations, final, gone and in flight, by plan UID."""
    on_node: Mapping[str, list[Pod]]
    """Launcher pods by node."""

    def pods_of(self, vmi: VMI) -> list[Pod]:
        return self.launchers.get(vmi.uid, [])

    def source_pod(self, vmi: VMI) -> Pod | None:
        """The pod the guest runs in: the newest that is not terminal on the VMI's node (kubevirt CurrentVMIPod)."""
        here = [pod for pod in self.pods_of(vmi) if pod.node == vmi.node]
        return max(here, key=_age, default=None)


def _age(pod: Pod) -> tuple[float, str]:
    created = pod.metadata.creation_timestamp
    return created.timestamp() if created else 0.0, pod.metadata.name


def index(snapshot: Snapshot) -> Index:
    """The index of a snapshot, in one pass over its pods, VMIs and migrations."""
    launchers: dict[str, list[Pod]] = defaultdict(list)
    on_node: dict[str, list[Pod]] = defaultdict(list)
    targets: dict[str, Pod] = {}
    for pod in snapshot.pods.values():
        if pod.terminal or not pod.is_launcher:
            continue
        launchers[pod.vmi_uid].append(pod)
        on_node[pod.node].append(pod)
        if pod.migration_uid:
            targets[pod.migration_uid] = pod
    return Index(
        launchers=launchers,
        targets=targets,
        vmis_by_uid={vmi.uid: vmi for vmi in snapshot.vmis.values()},
        in_flight=_in_flight(snapshot.vmims.values()),
        by_plan=_by_plan([*snapshot.vmims.values(), *snapshot.gone.values()]),
        on_node=on_node,
    )


def _in_flight(vmims: Iterable[VMIM]) -> dict[Key, list[VMIM]]:
    result: dict[Key, list[VMIM]] = defaultdict(list)
    for vmim in vmims:
        if not vmim.final:
            result[vmim.vmi_key].append(vmim)
    return result


def _by_plan(vmims: Iterable[VMIM]) -> dict[str, list[VMIM]]:
    result: dict[str, list[VMIM]] = defaultdict(list)
    for vmim in vmims:
        if vmim.plan_uid:
            result[vmim.plan_uid].append(vmim)
    return result
