"""Admission of MigrationPolicies (admitters/migrationpolicy-admitter.go)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from virtsim.objects import gates, quantity
from virtsim.objects.resources import Object
from virtsim.versions import Version
from virtsim.virt_api.review import Cause, Denial, Request, denied_for

NEGATIVE = "must not be negative"


@dataclass(frozen=True, slots=True)
class Range:
    """What a factor of the stall detector may be. `above`: more than the least, not the least itself."""

    least: int
    most: int | None = None
    above: bool = False


FACTORS = {
    "ewmaAlpha": Range(0, 1, above=True),
    "precopyPossibleFactor": Range(1),
    "patienceWindowDecayFactor": Range(0, 1),
    "completionTimeoutFactor": Range(1),
}


def admit(request: Request, kubevirts: Iterable[Object], version: Version) -> Denial | None:
    """Why this policy may be neither created nor changed so, or None: all that is wrong with it at once."""
    spec, before = request.new.get("spec") or {}, request.old.get("spec") or {}
    tuning = gates.is_open(gates.MIGRATION_STALL_DETECTION, kubevirts, version)
    causes = []
    if (spec.get("completionTimeoutPerGiB") or 0) < 0:
        causes.append(Cause("FieldValueInvalid", NEGATIVE, "spec.completionTimeoutPerGiB"))
    if not tuning:
        causes += _changed("maxDowntimeMs", spec.get("maxDowntimeMs"), before.get("maxDowntimeMs"))
        causes += _changed("experimental.stallDetector", _detector(spec), _detector(before))
    causes += [cause for name, given in FACTORS.items() for cause in _factor(name, given, _detector(spec))]
    bandwidth = spec.get("bandwidthPerMigration")
    if bandwidth is not None and quantity.parse(bandwidth) < 0:
        causes.append(Cause("FieldValueInvalid", NEGATIVE, "spec.bandwidthPerMigration"))
    return denied_for(causes)


def _detector(spec: Object) -> Object | None:
    detector: Object | None = (spec.get("experimental") or {}).get("stallDetector")
    return detector


def _changed(field: str, given: Any, before: Any) -> list[Cause]:
    """What is behind the gate may stay as it was."""
    if given is None or given == before:
        return []
    gate = gates.MIGRATION_STALL_DETECTION
    message = f"{field} cannot be modified without enabling the {gate} feature gate"
    return [Cause("FieldValueInvalid", message, f"spec.{field}")]


def _factor(name: str, allowed: Range, detector: Object | None) -> list[Cause]:
    text = (detector or {}).get(name)
    if text is None:
        return []
    message = _out_of(allowed, text)
    return [Cause("FieldValueInvalid", message, f"spec.experimental.stallDetector.{name}")] if message else []


def _out_of(allowed: Range, text: str) -> str | None:
    """What is wrong with a factor, which is written as text, or None."""
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not math.isfinite(factor):
        return f'invalid factor "{text}"'
    if allowed.above and factor <= allowed.least:
        return f"must be greater than {allowed.least}"
    if factor < allowed.least:
        return f"must be greater than or equal to {allowed.least}"
    if allowed.most is not None and factor > allowed.most:
        return f"must be less than or equal to {allowed.most}"
    return None
