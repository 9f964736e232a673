"""Namespaces and what they forbid: quotas and disruption budgets."""

from drover.facts.selector import LabelSelector
from drover.facts.wire import Metadata, Wire


class Namespace(Wire, frozen=True, kw_only=True):
    metadata: Metadata


class ScopedRequirement(Wire, frozen=True, kw_only=True):
    scope_name: str
    operator: str
    values: tuple[str, ...] = ()


class ScopeSelector(Wire, frozen=True, kw_only=True):
    match_expressions: tuple[ScopedRequirement, ...] = ()


class QuotaSpec(Wire, frozen=True, kw_only=True):
    hard: dict[str, str] = {}
    scopes: tuple[str, ...] = ()
    scope_selector: ScopeSelector | None = None


class QuotaStatus(Wire, frozen=True, kw_only=True):
    hard: dict[str, str] = {}
    used: dict[str, str] = {}


class ResourceQuota(Wire, frozen=True, kw_only=True):
    metadata: Metadata
    spec: QuotaSpec = QuotaSpec()
    status: QuotaStatus = QuotaStatus()


class BudgetSpec(Wire, frozen=True, kw_only=True):
    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    selector: LabelSelector | None = None


class PodDisruptionBudget(Wire, frozen=True, kw_only=True):
    metadata: Metadata
    spec: BudgetSpec = BudgetSpec()
