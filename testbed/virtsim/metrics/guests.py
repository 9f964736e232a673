"""The virt-handlers' metrics of what guests dirty and what migrations move
(pkg/monitoring/metrics/virt-handler/{domainstats,migrationdomainstats}). A node whose virt-handler does not work says
nothing. Rates are by the second that the guest lives in, whatever the speed-up.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from virtsim.cluster.caches import Caches
from virtsim.metrics.vmis import place
from virtsim.objects.nodes import handler_runs
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import Key, Object, key_of
from virtsim.virt_handler.terms import dirty_rate
from virtsim.virt_handler.transfer.job import Job

LABELS = ("namespace", "name", "node")
PREFIX = "kubevirt_vmi_migration_"

PROGRESS: dict[str, tuple[str, Callable[[Job], float]]] = {
    "data_processed_bytes": ("The total Guest OS data processed and migrated to the new VM.", lambda job: job.sent),
    "data_remaining_bytes": ("The remaining guest OS data to be migrated to the new VM.", lambda job: job.remaining),
    "dirty_memory_rate_bytes": ("The rate of memory being dirty in the Guest OS.", lambda job: job.dirty_rate),
    "memory_transfer_rate_bytes": ("The rate at which the memory is being transferred.", lambda job: job.rate),
}


def families(caches: Caches, vmis: Iterable[Object], jobs: Mapping[Key, Job]) -> Iterator[Metric]:
    """Five series for each running job, which vanish with it; the dirty rate of every other running guest."""
    total = CounterMetricFamily(
        f"{PREFIX}data_bytes", "The total Guest OS data to be migrated to the new VM.", labels=LABELS
    )
    progress = {
        name: GaugeMetricFamily(f"{PREFIX}{name}", about, labels=LABELS) for name, (about, _) in PROGRESS.items()
    }
    dirty = GaugeMetricFamily("kubevirt_vmi_dirty_rate_bytes_per_second", "Guest dirty-rate in bytes per second.")
    for vmi in vmis:
        node, namespace, name = place(vmi)
        if (vmi.get("status") or {}).get("phase") != "Running" or not handler_runs(caches.nodes.get("", node)):
            continue
        job = jobs.get(key_of(vmi))
        if job is None:
            labels = {"node": node, "namespace": namespace, "name": name, **_vmi_labels(vmi)}
            dirty.add_sample(dirty.name, labels, dirty_rate(vmi))
            continue
        total.add_metric((namespace, name, node), job.terms.size)
        for series, (_, value) in PROGRESS.items():
            progress[series].add_metric((namespace, name, node), value(job))
    yield from (total, *progress.values(), dirty)


def _vmi_labels(vmi: Object) -> dict[str, str]:
    return {f"kubernetes_vmi_label_{re.sub('[./-]', '_', key)}": value for key, value in labels_of(vmi).items()}
