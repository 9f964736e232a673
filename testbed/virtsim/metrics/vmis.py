"""virt-controller's metrics of VMIs (pkg/monitoring/metrics/virt-controller/{vmistats_collector,vmi_metrics}.go)."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric

from virtsim.objects import keys
from virtsim.objects.conditions import is_true
from virtsim.objects.eviction import strategy_of
from virtsim.objects.overhead import overhead_of
from virtsim.objects.pods import annotations_of, labels_of
from virtsim.objects.resources import Key, Object, key_of

NONE = "<none>"
PLACE = ("node", "namespace", "name")
INFO = (
    *PLACE,
    *("phase", "os", "workload", "flavor", "instance_type", "preference"),
    *("guest_os_kernel_release", "guest_os_machine", "guest_os_arch", "guest_os_name", "guest_os_version_id"),
    *("evictable", "outdated", "vmi_pod"),
)
TIMES = {
    "start": ("The time at which the migration started.", ()),
    "end": ("The time at which the migration ended.", ("status",)),
}


def families(
    kubevirts: Iterable[Object], vmis: Iterable[Object], vmims: Iterable[Object], pods: Mapping[Key, Object | None]
) -> Iterator[Metric]:
    """One series a VMI, and two for its last migration. `pods`: the one that each VM is in."""
    kubevirts, migrations = list(kubevirts), {vmim["metadata"]["uid"]: vmim["metadata"]["name"] for vmim in vmims}
    info = GaugeMetricFamily("kubevirt_vmi_info", "Information about VirtualMachineInstances.", labels=INFO)
    blocker = GaugeMetricFamily(
        "kubevirt_vmi_non_evictable",
        "Indication for a VirtualMachine that its eviction strategy is set to Live Migration but is not migratable.",
        labels=PLACE,
    )
    overhead = GaugeMetricFamily(
        "kubevirt_vmi_launcher_memory_overhead_bytes",
        "Estimation of the memory amount required for virt-launcher's infrastructure components.",
        labels=("namespace", "name"),
    )
    times = {
        kind: GaugeMetricFamily(
            f"kubevirt_vmi_migration_{kind}_time_seconds", about, labels=(*PLACE, "migration_name", *more)
        )
        for kind, (about, more) in TIMES.items()
    }
    outdated = 0
    for vmi in vmis:
        outdated += keys.OUTDATED_LAUNCHER in labels_of(vmi)
        can_leave = is_evictable(kubevirts, vmi)
        info.add_metric(_info(pods.get(key_of(vmi)), vmi, can_leave), 1)
        blocker.add_metric(place(vmi), 0 if can_leave else 1)
        overhead.add_metric(key_of(vmi), overhead_of(vmi))
        _add_times(times, migrations, vmi)
    yield from (info, blocker, overhead, *times.values())
    number = "Indication for the total number of VirtualMachineInstance workloads that are not running within the most "
    yield GaugeMetricFamily("kubevirt_vmi_number_of_outdated", f"{number}up-to-date version.", value=outdated)


def place(vmi: Object) -> tuple[str, str, str]:
    """Node, namespace and name."""
    return ((vmi.get("status") or {}).get("nodeName", ""), *key_of(vmi))


def is_evictable(kubevirts: Iterable[Object], vmi: Object) -> bool:
    """False for a VM that is to migrate when it is evicted and is not known to be able to."""
    migrates = strategy_of(vmi, kubevirts) == "LiveMigrate"
    return not migrates or is_true(vmi, "LiveMigratable")


def _info(pod: Object | None, vmi: Object, can_leave: bool) -> list[str]:
    status, annotations = vmi.get("status") or {}, annotations_of(vmi)
    guest = status.get("guestOSInfo") or {}
    runs = pod is not None and (pod.get("status") or {}).get("phase") == "Running"
    return [
        *place(vmi),
        status.get("phase", "").lower(),
        *(annotations.get(f"vm.kubevirt.io/{name}", NONE) for name in ("os", "workload", "flavor")),
        *(NONE, NONE),
        guest.get("kernelRelease", ""),
        (status.get("machine") or {}).get("type", ""),
        *(guest.get(field, "") for field in ("machine", "name", "versionId")),
        str(can_leave).lower(),
        str(keys.OUTDATED_LAUNCHER in labels_of(vmi)).lower(),
        pod["metadata"]["name"] if pod is not None and runs else NONE,
    ]


def _add_times(times: dict[str, GaugeMetricFamily], migrations: Mapping[str, str], vmi: Object) -> None:
    state = (vmi.get("status") or {}).get("migrationState") or {}
    over = "failed" if state.get("failed") else "succeeded"
    labels = (*place(vmi), migrations.get(state.get("migrationUid", ""), NONE))
    if start := state.get("startTimestamp"):
        times["start"].add_metric(labels, datetime.fromisoformat(start).timestamp())
    if end := state.get("endTimestamp"):
        status = over if state.get("completed") else ""
        times["end"].add_metric((*labels, status), datetime.fromisoformat(end).timestamp())
