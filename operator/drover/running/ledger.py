"""What became of each VM's attempts in a run: read from the MigrationReports, the only memory that outlives a VMIM."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from drover.api.reasons import Outcome
from drover.api.report import (
    KEPT_ATTEMPTS,
    KEPT_REJECTIONS,
    MAX_RECORDS,
    Attempt,
    MigrationReport,
    Record,
    RejectedTarget,
)
from drover.api.shared import FailurePolicy
from drover.facts.duration import duration
from drover.facts.index import Index
from drover.facts.kubevirt import VMIM
from drover.running.actions import ObjectRef, SaveRecords
from drover.running.names import jitter, report_name

HALF = 128 << 10
"""Bytes of records above which a report takes no further VM: the other half is for the retries of those it has."""
WHOLE = 248 << 10
"""Bytes of records that a report holds at most. With its metadata it stays below 256 KiB, a sixth of what etcd takes in
one request: where the API server escapes what we wrote, a byte becomes six at most."""
WORDY = 8 << 10
"""Bytes above which a record says less of what is long past."""
LONGEST_BACKOFF = timedelta(minutes=10)
REJECTION_HOLDS = timedelta(minutes=10)
SUCCESS = frozenset({Outcome.SUCCEEDED, Outcome.DONE})
OPEN = frozenset({Outcome.CANCELLING, Outcome.REJECTING})
"""Its end is wanted and has not come."""
UNSETTLED = OPEN | {Outcome.SUCCEEDED}
"""Something about it will still change by itself."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The records of one run by VMI UID, and the reports they are in. `closed` are the migrations, by UID, whose end is
    on record, so that nothing is left to learn from them."""

    plan: ObjectRef
    run: str
    records: Mapping[str, Record] = field(default_factory=dict)
    reports: Mapping[str, MigrationReport] = field(default_factory=dict)
    """By name."""
    closed: frozenset[str] = frozenset()

    def record(self, vmi_uid: str) -> Record | None:
        return self.records.get(vmi_uid)

    @property
    def unsettled(self) -> frozenset[str]:
        """VMs by UID whose last attempt is not known to have ended, or has not been verified."""
        return frozenset(uid for uid, record in self.records.items() if record.outcome in UNSETTLED)


def attempt_of(record: Record | None, vmim: VMIM) -> Attempt | None:
    """What a record says of a migration."""
    return next((each for each in record.attempts if each.uid == vmim.uid), None) if record is not None else None


def read(plan: ObjectRef, index: Index) -> dict[str, Ledger]:
    """The ledgers of a plan by run. A plan of the same name with another UID inherits nothing."""
    reports: dict[str, dict[str, MigrationReport]] = {}
    for report in index.reports.get(plan.uid, ()):
        reports.setdefault(report.spec.run, {})[report.name] = report
    return {run: _read(plan, run, mine) for run, mine in reports.items()}


def _read(plan: ObjectRef, run: str, reports: Mapping[str, MigrationReport]) -> Ledger:
    """A VM that outgrew its report is in two for a while: the later one is right."""
    ordered = dict(sorted(reports.items(), key=lambda item: (_number(item[0]), item[0])))
    records = {record.uid: record for report in ordered.values() for record in report.status.records}
    attempts = (attempt for record in records.values() for attempt in record.attempts)
    return Ledger(plan, run, records, ordered, frozenset(a.uid for a in attempts if a.outcome not in OPEN))


def _number(report: str) -> int:
    """Of a report, as its name ends with it; -1 for a name that is not of our making."""
    digits = report.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else -1


@dataclass(slots=True)
class _Shelf:
    """The records of a report as they are to be, by VM UID, and the bytes of those that were measured."""

    records: dict[str, Record] = field(default_factory=dict)
    _bytes: dict[str, int] = field(default_factory=dict)

    def takes(self, record: Record) -> bool:
        """Whether there is room for the record. One that is here already may use the half that is kept for that."""
        if not self.records:
            return True
        known = record.uid in self.records
        if not known and len(self.records) >= MAX_RECORDS:
            return False
        others = sum(self._measured().values()) - self._bytes.get(record.uid, 0)
        return others + _size(record) <= (WHOLE if known else HALF)

    def put(self, record: Record) -> None:
        self.records[record.uid] = record
        self._bytes.pop(record.uid, None)

    def _measured(self) -> Mapping[str, int]:
        new = self.records.keys() - self._bytes.keys()
        self._bytes |= {uid: _size(self.records[uid]) for uid in new}
        return self._bytes


def save(ledger: Ledger, changed: Iterable[Record]) -> tuple[SaveRecords, ...]:
    """The writes that bring these records into the reports, one per report. A VM stays in its report while that has
    room for its retries; new ones, and those that outgrow theirs, go to the last report and then the next.

    A VM is forgotten by the report it outgrew only when it is known to be stored in the other: whichever of the writes
    are made, nothing is lost.
    """
    changed = tuple(changed)
    if not changed and not _doubled(ledger):
        return ()
    where = {record.uid: name for name, report in ledger.reports.items() for record in report.status.records}
    shelves = {
        name: _Shelf({r.uid: r for r in report.status.records if where[r.uid] == name})
        for name, report in ledger.reports.items()
    }
    touched = {name for name, shelf in shelves.items() if len(shelf.records) < len(ledger.reports[name].status.records)}
    for record in map(_concise, changed):
        home = where.get(record.uid)
        name = home if home and shelves[home].takes(record) else _place(record, ledger, shelves)
        where[record.uid] = name
        shelves[name].put(record)
        touched.add(name)
    return tuple(
        SaveRecords(name, ledger.plan, ledger.run, tuple(shelves[name].records.values()), name in ledger.reports)
        for name in sorted(touched)
    )


def _doubled(ledger: Ledger) -> bool:
    """Whether a VM is in two reports."""
    return sum(len(report.status.records) for report in ledger.reports.values()) > len(ledger.records)


def _place(record: Record, ledger: Ledger, shelves: dict[str, _Shelf]) -> str:
    """The last report, or the next that has room. Never an earlier one: of two that have a VM the later is believed."""
    number = max((_number(name) for name in shelves), default=0)
    for each in count(max(0, number)):
        name = report_name(ledger.plan.name, ledger.plan.uid, ledger.run, each)
        if shelves.setdefault(name, _Shelf()).takes(record):
            break
    return name


def _size(record: Record) -> int:
    """Bytes of JSON, with the comma behind it."""
    return len(record.model_dump_json(by_alias=True, exclude_none=True).encode()) + 1


def _concise(record: Record) -> Record:
    """The record, with less said of earlier attempts and refusals where it has grown large. What retries, waits and
    refused targets are counted by stays, and so does the last attempt, which status shows."""
    for length in (150, 60, 0):
        if _size(record) <= WORDY:
            break
        record = _shortened(record, length)
    return record


def _shortened(record: Record, length: int) -> Record:
    """The record with texts of at most so many characters, and without steps when those are few."""

    def brief(text: str | None) -> str | None:
        if text is None or len(text) <= length:
            return text
        return text[: length - 1] + "…" if length else None

    def brief_attempt(each: Attempt) -> Attempt:
        said = {"error": brief(each.error), "why": brief(each.why), "steps": each.steps if length > 60 else None}
        return each.model_copy(update=said)

    attempts = (*map(brief_attempt, record.attempts[:-1]), *record.attempts[-1:])
    rejected = tuple(r.model_copy(update={"message": brief(r.message) or ""}) for r in record.rejected)
    return record.model_copy(update={"attempts": attempts, "rejected": rejected})


def with_attempt(record: Record, attempt: Attempt) -> Record:
    """The record after an attempt began to end or ended: the attempt's outcome becomes the VM's."""
    others = [a for a in record.attempts if a.number != attempt.number]
    attempts = _kept(sorted([*others, attempt], key=lambda a: a.number))
    return record.model_copy(update={"attempts": attempts, "outcome": attempts[-1].outcome})


def _kept(attempts: list[Attempt]) -> tuple[Attempt, ...]:
    """What fits a record: first what was before the last success goes, then what spent no retry, then the oldest. The
    last one stays: it says what the next one's number is."""
    success = max((n for n, each in enumerate(attempts) if each.outcome in SUCCESS), default=0)
    order = sorted(
        range(len(attempts) - 1),
        key=lambda n: (n >= success, n == success or attempts[n].outcome is Outcome.FAILED, n),
    )
    gone = set(order[: max(0, len(attempts) - KEPT_ATTEMPTS)])
    return tuple(each for n, each in enumerate(attempts) if n not in gone)


def with_rejection(record: Record, target: RejectedTarget) -> Record:
    return record.model_copy(update={"rejected": (*record.rejected, target)[-KEPT_REJECTIONS:]})


def refused_targets(record: Record | None, now: datetime) -> frozenset[str]:
    """Targets the scheduler refused so lately that asking again would be noise: 10 minutes, doubled each time."""
    if record is None:
        return frozenset()
    return frozenset(r.node for r in record.rejected if now < _holds_until(record, r.node))


def _holds_until(record: Record, node: str) -> datetime:
    times = [r.at for r in record.rejected if r.node == node]
    return max(times) + REJECTION_HOLDS * (1 << min(len(times) - 1, 4))


def failed_targets(record: Record | None) -> frozenset[str]:
    """Targets of the attempts that failed since the last success: another one is tried first."""
    recent = _since_success(record) if record is not None else []
    return frozenset(a.target for a in recent if a.outcome is Outcome.FAILED)


def next_release(record: Record | None, now: datetime) -> datetime | None:
    """When the first of the refused targets may be asked again."""
    if record is None:
        return None
    times = [_holds_until(record, r.node) for r in record.rejected]
    return min((t for t in times if t > now), default=None)


def failures(record: Record | None, fingerprint: str) -> int:
    """Attempts that spent a retry since the VM's demands or eligible targets last changed."""
    if record is None:
        return 0
    return sum(1 for a in _since_success(record) if a.outcome is Outcome.FAILED and a.fingerprint == fingerprint)


def retries_spent(record: Record | None, fingerprint: str, policy: FailurePolicy) -> bool:
    """Whether no further attempt may follow."""
    return failures(record, fingerprint) > policy.retries


def backoff_until(record: Record | None, policy: FailurePolicy) -> datetime | None:
    """When the next attempt may start: after each failure the wait doubles, up to 10 minutes, with jitter.

    A target the scheduler refused costs no wait at first, as the next target is another one; from the third refusal in
    a row it does, and so does an attempt KubeVirt never began.
    """
    if record is None or not record.attempts:
        return None
    recent = _since_success(record)
    setbacks = [a for a in recent if a.outcome is Outcome.FAILED or a.outcome is Outcome.CANCELLED_BY_OTHERS]
    refusals = [a for a in recent if a.outcome is Outcome.REJECTED]
    count = len(setbacks) + max(0, len(refusals) - 2)
    last = record.attempts[-1]
    if count == 0 or last.ended_at is None:
        return None
    wait = duration(policy.backoff) * (1 << min(count - 1, 16))
    return last.ended_at + min(wait, LONGEST_BACKOFF) * jitter(record.uid, last.number)


def _since_success(record: Record) -> list[Attempt]:
    recent: list[Attempt] = []
    for attempt in reversed(record.attempts):
        if attempt.outcome in SUCCESS:
            break
        recent.append(attempt)
    return recent
