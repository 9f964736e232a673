"""Label selectors, node selectors, taints: who is matched by what.

Rules: apimachinery pkg/labels/selector.go, component-helpers scheduling/corev1/{nodeaffinity,helpers}.go.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from drover.facts.wire import Wire

_NUMBER = re.compile(r"[+-]?[0-9]+")
"""Python's int would also take "1_000", which a label may be."""


class Requirement(Wire, frozen=True, kw_only=True):
    """One expression over labels or fields."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels satisfy it. An unknown operator is satisfied by nothing, as in the scheduler."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value is not None and value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt" | "Lt":
                return _compares(value, self.operator, self.values)
        return False


def _compares(value: str | None, operator: str, bound: tuple[str, ...]) -> bool:
    known, limit = _number(value or ""), _number(bound[0]) if len(bound) == 1 else None
    if known is None or limit is None:
        return False
    return known > limit if operator == "Gt" else known < limit


def _number(text: str) -> int | None:
    """What Go's ParseInt makes of it with 64 bits."""
    number = int(text) if _NUMBER.fullmatch(text) and len(text) < 64 else None
    return number if number is not None and -(1 << 63) <= number < 1 << 63 else None


class LabelSelector(Wire, frozen=True, kw_only=True):
    match_labels: dict[str, str] = {}
    match_expressions: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether all of it holds. An empty selector matches everything: we refuse those at admission."""
        return includes(labels, self.match_labels) and all(r.matches(labels) for r in self.match_expressions)

    def requirements(self) -> tuple[Requirement, ...]:
        """The same as expressions only, in one order: a value that can be a key."""
        return _requirements(tuple(self.match_labels.items()), self.match_expressions)


@lru_cache(maxsize=4096)
def _requirements(labels: tuple[tuple[str, str], ...], others: tuple[Requirement, ...]) -> tuple[Requirement, ...]:
    """Made once: many pods of a fleet have the same selectors."""
    exact = (Requirement(key=key, operator="In", values=(text,)) for key, text in labels)
    return tuple(sorted((*exact, *others), key=lambda r: (r.key, r.operator, r.values)))


def includes(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether all wanted labels are there with these values."""
    return all(labels.get(key) == value for key, value in wanted.items())


class NodeSelectorTerm(Wire, frozen=True, kw_only=True):
    match_expressions: tuple[Requirement, ...] = ()
    match_fields: tuple[Requirement, ...] = ()

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a node satisfies every expression; a term without any matches no node (nodeaffinity.go).

        A node without a name is not asked for its fields: so it is with the node affinity of volumes, which looks at
        labels alone (storage/volume CheckNodeAffinity).
        """
        if not self.match_expressions and not self.match_fields:
            return False
        fields = {"metadata.name": name}
        return all(r.matches(labels) for r in self.match_expressions) and (
            not name or all(r.matches(fields) for r in self.match_fields)
        )


class Taint(Wire, frozen=True, kw_only=True):
    key: str
    effect: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"


class Toleration(Wire, frozen=True, kw_only=True):
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    def tolerates(self, taint: Taint) -> bool:
        """api core/v1 Toleration.ToleratesTaint. Gt and Lt are off by default (TaintTolerationComparisonOperators)."""
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        if self.operator in ("", "Equal"):
            return bool(self.key) and self.value == taint.value
        return self.operator == "Exists"


def untolerated(taints: Iterable[Taint], tolerations: tuple[Toleration, ...]) -> Taint | None:
    """The first taint that keeps the pod away (NoSchedule or NoExecute), if there is one."""
    return next(
        (
            taint
            for taint in taints
            if taint.effect in ("NoSchedule", "NoExecute") and not any(t.tolerates(taint) for t in tolerations)
        ),
        None,
    )
