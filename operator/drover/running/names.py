"""Names and jitter that are functions of what they are for, so that a repeated write meets its first self."""

import hashlib

from drover.facts.kubevirt import VMI

DEFAULT_RUN = "initial"


def digest(*parts: object) -> str:
    """A short hash that differs when any part does."""
    return hashlib.sha256("\x00".join(str(part) for part in parts).encode()).hexdigest()[:12]


def migration_name(plan_uid: str, run: str, vmi: VMI, attempt: int) -> str:
    """Of the VMIM for this attempt: a function of plan UID, run, VMI UID and attempt, at most 63 characters."""
    readable = vmi.metadata.name[:36].rstrip("-.")
    return f"{readable}-{digest(plan_uid, run, vmi.uid)}-{attempt}"


def report_name(plan: str, plan_uid: str, run: str, number: int) -> str:
    """Of the MigrationReport with this number, at most 253 characters."""
    return f"{report_series(plan, plan_uid, run)}-{number:04d}"


def report_series(plan: str, plan_uid: str, run: str) -> str:
    """What the names of all reports of a run begin with, before the dash and the number."""
    return f"{plan[:200].rstrip('-.')}-{digest(plan_uid, run)}"


def label_value(name: str) -> str:
    """A name as a label value; one of more than 63 characters is cut and told apart by a hash."""
    return name if len(name) <= 63 else f"{name[:50].rstrip('-._')}-{digest(name)}"


def jitter(vmi_uid: str, attempt: int) -> float:
    """Between 0.75 and 1.25, the same for the same VM and attempt, also after a crash."""
    return 0.75 + int(digest(vmi_uid, attempt)[:8], 16) / 0xFFFFFFFF / 2
