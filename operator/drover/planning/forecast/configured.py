"""How the migration of a VM is configured: for the cluster, and by the MigrationPolicy that means it.

Rules: kubevirt pkg/virt-controller/watch/migration/migrationpolicy.go (matchPolicy, applyMigrationPolicySpec) and
pkg/virt-config/virt-config.go (GetMigrationConfiguration).
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import inf
from typing import TypeVar

from drover.facts.kubevirt import VMI, KubeVirt
from drover.facts.policy import MigrationPolicy, Options, Selectors
from drover.facts.quantity import units
from drover.facts.snapshot import Snapshot
from drover.planning.forecast.policy import Policy

V = TypeVar("V")
Labels = Mapping[str, str]
_NONE = Options()


def policy_of(vmi: VMI, snapshot: Snapshot) -> Policy:
    """The configuration of the VM's next migration, as far as it decides how that goes and ends."""
    found = _meaning(vmi, snapshot) if snapshot.policies else None
    cluster = _of_cluster(snapshot.kubevirt)
    return combined(found.spec, cluster) if found is not None else _plain(cluster)


def _meaning(vmi: VMI, snapshot: Snapshot) -> MigrationPolicy | None:
    namespace = snapshot.namespaces.get(("", vmi.metadata.namespace))
    labels = namespace.metadata.labels if namespace is not None else {}
    return matching(snapshot.policies.values(), vmi.metadata.labels, labels)


def matching(policies: Iterable[MigrationPolicy], vmi: Labels, namespace: Labels) -> MigrationPolicy | None:
    """The policy with the most labels, among those the one with the most of the VMI's, among those the first by name;
    None if none means the VM."""
    meant = [policy for policy in policies if _means(policy.spec.selectors, vmi, namespace)]
    return min(meant, key=lambda policy: _rank(policy, vmi), default=None)


@lru_cache(maxsize=64)
def _plain(cluster: Options) -> Policy:
    """Of the many that no policy means."""
    return combined(_NONE, cluster)


def combined(above: Options, below: Options) -> Policy:
    """What the policy says, else what the cluster says, else what KubeVirt does. To end a migration that takes too long
    by force goes with post-copy, unless it is said, on either level."""
    defaults = Policy()
    bandwidth = above.bandwidth_per_migration or below.bandwidth_per_migration
    return Policy(
        completion_timeout_per_gib=_first(
            above.completion_timeout_per_gib, below.completion_timeout_per_gib, defaults.completion_timeout_per_gib
        ),
        auto_converge=_first(above.allow_auto_converge, below.allow_auto_converge, False),
        post_copy=_first(above.allow_post_copy, below.allow_post_copy, False),
        workload_disruption=_first(
            above.allow_workload_disruption,
            above.allow_post_copy,
            below.allow_workload_disruption,
            below.allow_post_copy,
            False,
        ),
        bandwidth=(units(bandwidth) if bandwidth else 0) or inf,
    )


def _of_cluster(kubevirt: KubeVirt | None) -> Options:
    return (kubevirt.spec.configuration.migrations if kubevirt is not None else None) or _NONE


def _means(selectors: Selectors | None, vmi: Labels, namespace: Labels) -> bool:
    """Of a VMI without any label KubeVirt asks nothing."""
    if selectors is None or not vmi:
        return selectors is not None
    wanted = ((selectors.virtual_machine_instance_selector, vmi), (selectors.namespace_selector, namespace))
    return all(has.get(key) == value for selector, has in wanted for key, value in selector.items())


def _rank(policy: MigrationPolicy, vmi: Labels) -> tuple[int, int, str]:
    """The smaller the better."""
    selectors = policy.spec.selectors or Selectors()
    mine = len(selectors.virtual_machine_instance_selector) if vmi else 0
    return -(mine + len(selectors.namespace_selector) if vmi else 0), -mine, policy.metadata.name


def _first(*values: V | None) -> V:
    """The first that is said; the last one is."""
    return next(value for value in values if value is not None)
