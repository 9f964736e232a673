"""How migrations are to be carried out: for the cluster, and by MigrationPolicies for some VMs.

kubevirt api/core/v1/types.go (MigrationConfiguration) and api/migrations/v1alpha1/types.go.
"""

import msgspec

from drover.facts.wire import Metadata, Wire


class Options(Wire, frozen=True, kw_only=True):
    """What a policy may set, too; None, and an empty bandwidth, leave it as it is for the cluster."""

    allow_auto_converge: bool | None = None
    allow_post_copy: bool | None = None
    allow_workload_disruption: bool | None = None
    completion_timeout_per_gib: int | None = msgspec.field(name="completionTimeoutPerGiB", default=None)
    bandwidth_per_migration: str | int = ""


class Selectors(Wire, frozen=True, kw_only=True):
    """Labels that the VMI and its namespace must have."""

    virtual_machine_instance_selector: dict[str, str] = {}
    namespace_selector: dict[str, str] = {}


class PolicySpec(Options, frozen=True, kw_only=True):
    selectors: Selectors | None = None
    """None: it is for nobody. Empty ones are for everybody."""


class MigrationPolicy(Wire, frozen=True, kw_only=True):
    metadata: Metadata
    spec: PolicySpec = PolicySpec()
