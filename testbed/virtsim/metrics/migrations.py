"""virt-controller's metrics of VMIMs (pkg/monitoring/metrics/virt-controller/migrationstats_collector.go)."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from math import inf

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric

from virtsim.cluster.store import Store
from virtsim.objects.migrations import phase_of
from virtsim.objects.resources import Object
from virtsim.objects.times import seconds_between

GAUGES = {
    "": "unset",
    "Pending": "pending",
    "Scheduling": "scheduling",
    "Succeeded": "succeeded",
    "Failed": "failed",
}
"""What a phase counts as; all the others are running."""

COUNTED = ("pending", "scheduling", "unset", "running")
ENDED = ("succeeded", "failed")

BUCKETS = (0.5, 1, 2, 5, 10, 20, 30, 40, 50, 60, 90, 120, 180, 300, 600, 1200, 1800, 3600, inf)


def families(vmims: Iterable[Object]) -> Iterator[Metric]:
    """How many are where, and one series for each that is over, for as long as the object is there."""
    counts: Counter[str] = Counter()
    ended = {
        kind: GaugeMetricFamily(
            f"kubevirt_vmi_migration_{kind}",
            f"Indicates if the VMI migration {kind}.",
            labels=("vmi", "vmim", "namespace"),
        )
        for kind in ENDED
    }
    for vmim in vmims:
        kind = GAUGES.get(phase_of(vmim), "running")
        counts[kind] += 1
        if kind in ended:
            metadata = vmim["metadata"]
            ended[kind].add_metric((vmim["spec"].get("vmiName", ""), metadata["name"], metadata["namespace"]), 1)
    for kind in COUNTED:
        name, about = f"kubevirt_vmi_migrations_in_{kind}_phase", f"Number of current {kind} migrations."
        yield GaugeMetricFamily(name, about, value=counts[kind])
    yield from ended.values()


class Transitions:
    """The histogram of how long after their creation migrations enter their phases, from this process's start on."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def watch(self, vmims: Store) -> None:
        vmims.subscribe(self._on_vmim)

    def family(self) -> Metric:
        family = HistogramMetricFamily(
            "kubevirt_vmi_migration_phase_transition_time_from_creation_seconds",
            "Histogram of VM migration phase transitions duration from creation time in seconds.",
            labels=("phase",),
        )
        for phase, counts in list(self._counts.items()):
            so_far = [sum(counts[: number + 1]) for number in range(len(BUCKETS))]
            edges = ["+Inf" if edge == inf else str(float(edge)) for edge in BUCKETS]
            family.add_metric((phase,), list(zip(edges, so_far, strict=True)), self._sums[phase])
        return family

    def _on_vmim(self, before: Object | None, after: Object | None) -> None:
        if before is None or after is None or phase_of(before) == phase_of(after):
            return
        phase = phase_of(after)
        stamps = (after.get("status") or {}).get("phaseTransitionTimestamps") or ()
        entered = next((stamp["phaseTransitionTimestamp"] for stamp in stamps if stamp["phase"] == phase), None)
        if entered is not None:
            seconds = max(0.0, seconds_between(after["metadata"]["creationTimestamp"], entered))
            self._counts.setdefault(phase, [0] * len(BUCKETS))[bisect_left(BUCKETS, seconds)] += 1
            self._sums[phase] = self._sums.get(phase, 0.0) + seconds
