"""Who belongs to whom in one Snapshot. Made anew each round; it is never kept."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from drover.api.report import MigrationReport
from drover.facts.kubevirt import HOSTNAME, VMI, VMIM
from drover.facts.namespace import ResourceQuota
from drover.facts.pod import Pod
from drover.facts.snapshot import Snapshot
from drover.facts.wire import Key

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Index:
    """The relations every part of a round asks for. Only pods that are not terminal are in it."""

    present: Sequence[tuple[Pod, VMI | None]]
    """All pods, each with the VMI that controls it, if one does."""
    launchers: Mapping[str, list[Pod]]
    """Launcher pods by the UID of their VMI."""
    targets: Mapping[str, Pod]
    """Target pods by the UID of their migration."""
    vmis_by_uid: Mapping[str, VMI]
    guests: Mapping[str, list[VMI]]
    """VMIs by the node their guest is on."""
    in_flight: Mapping[Key, list[VMIM]]
    """Migrations by the key of their VMI."""
    by_plan: Mapping[str, list[VMIM]]
    """Our migrations, final, gone and in flight, by plan UID."""
    on_node: Mapping[str, list[Pod]]
    """Launcher pods by node."""
    hostnames: Mapping[str, str]
    """Names of nodes by their hostname label, which is what a migration is pinned to."""
    namesakes: Mapping[str, tuple[str, ...]]
    """By node: the other nodes that have its hostname label, if any do."""
    quotas: Mapping[str, list[ResourceQuota]]
    """By namespace."""
    networked: frozenset[str]
    """Names of the nodes whose virt-handler is in the migration network; empty where KubeVirt has none."""
    reports: Mapping[str, list[MigrationReport]]
    """What became of a plan's VMs, by plan UID: of all its runs."""

    def pods_of(self, vmi: VMI) -> list[Pod]:
        return self.launchers.get(vmi.uid, [])

    def source_pod(self, vmi: VMI) -> Pod | None:
        """The pod the guest runs in: the newest that is not terminal on the VMI's node (kubevirt CurrentVMIPod)."""
        node = vmi.status.node_name
        here = [pod for pod in self.launchers.get(vmi.metadata.uid, ()) if pod.spec.node_name == node]
        return here[0] if len(here) == 1 else max(here, key=_age, default=None)


def _age(pod: Pod) -> tuple[float, str]:
    created = pod.metadata.creation_timestamp
    return created.timestamp() if created else 0.0, pod.metadata.name


def index(snapshot: Snapshot) -> Index:
    """The index of a snapshot, in one pass over each of its resources."""
    vmis = {vmi.uid: vmi for vmi in snapshot.vmis.values()}
    owned = [(pod, pod.vmi_uid) for pod in snapshot.pods.values() if not pod.terminal]
    launching = [(pod, uid) for pod, uid in owned if pod.is_launcher]
    pods = [pod for pod, _ in launching]
    return Index(
        present=[(pod, vmis.get(uid)) for pod, uid in owned],
        launchers=_by_owner(launching),
        targets={uid: pod for pod in pods if (uid := pod.migration_uid)},
        vmis_by_uid=vmis,
        guests=_grouped(snapshot.vmis.values(), lambda vmi: vmi.node),
        in_flight=_grouped((vmim for vmim in snapshot.vmims.values() if not vmim.final), lambda vmim: vmim.vmi_key),
        by_plan=_grouped((vmim for vmim in _known(snapshot) if vmim.plan_uid), lambda vmim: vmim.plan_uid),
        on_node=_grouped(pods, lambda pod: pod.node),
        hostnames=_hostnames(snapshot),
        namesakes=_namesakes(snapshot),
        quotas=_grouped(snapshot.quotas.values(), lambda quota: quota.metadata.namespace),
        networked=_networked(snapshot),
        reports=_grouped(snapshot.reports.values(), lambda report: report.spec.plan.uid),
    )


def _by_owner(owned: Iterable[tuple[Pod, str]]) -> dict[str, list[Pod]]:
    result: dict[str, list[Pod]] = {}
    for pod, uid in owned:
        result.setdefault(uid, []).append(pod)
    return result


def _networked(snapshot: Snapshot) -> frozenset[str]:
    kubevirt = snapshot.kubevirt
    if kubevirt is None or not kubevirt.has_migration_network:
        return frozenset()
    handlers = (pod for pod in snapshot.pods.values() if pod.is_handler and not pod.terminal)
    return frozenset(pod.node for pod in handlers if pod.node and pod.metadata.annotations.networks)


def _hostnames(snapshot: Snapshot) -> dict[str, str]:
    """A label counts before a name, and where two have one label the first by name, whatever came first."""
    nodes = sorted(snapshot.nodes.values(), key=lambda node: node.name, reverse=True)
    names = {node.name: node.name for node in nodes if HOSTNAME not in node.labels}
    return names | {node.labels[HOSTNAME]: node.name for node in nodes if HOSTNAME in node.labels}


def _namesakes(snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    named = _grouped(snapshot.nodes.values(), lambda node: node.labels.get(HOSTNAME))
    shared = [[node.name for node in nodes] for host, nodes in named.items() if host is not None and len(nodes) > 1]
    return {name: tuple(other for other in names if other != name) for names in shared for name in names}


def _known(snapshot: Snapshot) -> list[VMIM]:
    """The migrations that are there, and those that were."""
    there = {vmim.uid for vmim in snapshot.vmims.values()}
    return [*snapshot.vmims.values(), *(vmim for vmim in snapshot.gone.values() if vmim.uid not in there)]


def _grouped(things: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    result: dict[K, list[T]] = defaultdict(list)
    for thing in things:
        result[key(thing)].append(thing)
    return result
