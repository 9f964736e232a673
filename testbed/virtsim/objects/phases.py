"""Phases of VMIs and VMIMs as they are written: each with the moment it was entered."""

from typing import Any

from virtsim.objects.resources import Object
from virtsim.objects.times import now


def with_status(obj: Object, **fields: Any) -> Object:
    """The object with some fields of its status replaced."""
    return {**obj, "status": {**(obj.get("status") or {}), **fields}}


def in_phase(obj: Object, phase: str, **fields: Any) -> Object:
    """The object in a new phase; the timestamp is the first time it was entered."""
    stamps = (obj.get("status") or {}).get("phaseTransitionTimestamps") or []
    if phase not in [stamp["phase"] for stamp in stamps]:
        stamps = [*stamps, {"phase": phase, "phaseTransitionTimestamp": now()}]
    return with_status(obj, phase=phase, phaseTransitionTimestamps=stamps, **fields)
