"""What is remembered of attempts, where, and what follows from it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from drover.api.shared import MOST_RETRIES, FailurePolicy, Steps
from drover.facts.index import index
from drover.running import ledger
from drover.running.actions import ObjectRef, SaveRecords
from drover.running.names import digest, report_name
from tests.builders import NOW, a_cluster, a_plan, a_record, a_report, a_vmim, an_attempt, at
from tests.examples import examples

PLAN = a_plan("p")
REF = ObjectRef("MigrationPlan", "p", "p-uid")
POLICY = FailurePolicy()
FAILED, REJECTED, DONE = Outcome.FAILED, Outcome.REJECTED, Outcome.DONE
OTHERS, CANCELLED = Outcome.CANCELLED_BY_OTHERS, Outcome.CANCELLED


def attempts(*outcomes: Outcome, fingerprint: str = "f") -> list[Attempt]:
    return [an_attempt(n, outcome, fingerprint=fingerprint) for n, outcome in enumerate(outcomes, start=1)]


def record(*outcomes: Outcome) -> Record:
    return a_record("web", *attempts(*outcomes))


def the_ledger(*reports: object, run: str = "initial") -> ledger.Ledger:
    return _read(*reports).get(run) or ledger.Ledger(REF, run)


def test_each_run_has_a_ledger_of_its_own() -> None:
    one, two = a_record("web", *attempts(DONE)), a_record("web", *attempts(FAILED))
    reports = a_report(PLAN, one), a_report(PLAN, two, run="2"), a_report(PLAN, a_record("db"), number=1)
    assert {run: {r.name: r.outcome for r in book.records.values()} for run, book in _read(*reports).items()} == {
        "initial": {"web": DONE, "db": Outcome.CANCELLING},
        "2": {"web": FAILED},
    }


def _read(*reports: object) -> dict[str, ledger.Ledger]:
    snapshot = a_cluster(PLAN).knows(*reports).snapshot()  # type: ignore[arg-type]  # reports, said loosely
    return ledger.read(REF, index(snapshot))


def test_a_plan_of_the_same_name_inherits_nothing() -> None:
    assert _read(a_report(a_plan("p").with_uid("another"), a_record("web"))) == {}


def test_what_is_closed_and_what_is_unsettled() -> None:
    book = the_ledger(
        a_report(
            PLAN,
            a_record("open", an_attempt(1, FAILED, uid="a"), an_attempt(2, Outcome.REJECTING, uid="b")),
            a_record("unverified", an_attempt(1, Outcome.SUCCEEDED, uid="c")),
            a_record("done", an_attempt(1, DONE, uid="d")),
        )
    )
    assert book.closed == {"a", "c", "d"}
    assert book.unsettled == {"open-uid", "unverified-uid"}


def test_an_attempt_is_found_by_the_uid_of_its_migration() -> None:
    vmim = a_vmim("web").of(PLAN, attempt=2)
    known = a_record("web", an_attempt(1), an_attempt(2, uid=vmim.uid))
    assert ledger.attempt_of(known, vmim.build()) == known.attempts[1]
    assert ledger.attempt_of(known, a_vmim("web").of(PLAN, attempt=3).build()) is None
    assert ledger.attempt_of(None, vmim.build()) is None


def test_new_vms_fill_the_last_report_and_then_the_next() -> None:
    full = [a_record(f"vm{n}") for n in range(MAX_RECORDS - 1)]
    book = the_ledger(a_report(PLAN, *full))
    saved = ledger.save(book, [a_record("web"), a_record("db"), a_record("vm0", an_attempt(1, DONE))])
    first, second = (report_name("p", "p-uid", "initial", n) for n in (0, 1))
    assert [(each.name, each.exists, len(each.records)) for each in saved] == [
        (first, True, MAX_RECORDS),
        (second, False, 1),
    ]
    assert saved[0].records[0].outcome is DONE, "a VM that is known stays where it is"


def test_nothing_is_saved_when_nothing_changed() -> None:
    assert ledger.save(the_ledger(a_report(PLAN, a_record("web"))), []) == ()


LONG = "x" * 300
NODE = "n" * 63
STEPS = Steps(queued=NOW, preparing_target=NOW, pre_copy=NOW)


def a_long_attempt(number: int, outcome: Outcome = FAILED, text: str = LONG) -> Attempt:
    """One that takes some 1.2 KB."""
    fields = {"error": text, "why": text, "source": NODE, "target": NODE, "fingerprint": "f", "steps": STEPS}
    return an_attempt(number, outcome, migration="m" * 63, uid=f"{number:036}", **fields)


def a_long_record(name: str, failures: int) -> Record:
    return a_record(name, *(a_long_attempt(n) for n in range(1, failures + 1)))


def saved(saves: Iterable[SaveRecords]) -> dict[int, list[str]]:
    """The VMs by the number of the report they go to."""
    return {int(each.name[-4:]): [r.name for r in each.records] for each in saves}


def written(saves: Iterable[SaveRecords]) -> dict[str, MigrationReport]:
    return {each.name: a_report(PLAN, *each.records, number=int(each.name[-4:])) for each in saves}


def full_of(failures: int) -> list[Record]:
    """As many VMs with so many failures as a report has room for, less one more failure of two of them."""
    each = a_long_record("vm00", failures)
    room = ledger.WHOLE - 2 * size(a_long_record("vm00", 1))
    return [a_long_record(f"vm{n:02}", failures) for n in range(room // size(each))]


def size(report: MigrationReport | Record) -> int:
    return len(report.model_dump_json(by_alias=True, exclude_none=True).encode())


def test_a_report_takes_no_further_vm_when_it_is_half_full() -> None:
    many = [a_long_record(f"vm{n}", failures=3) for n in range(60)]
    first, second = ledger.save(the_ledger(), many)
    assert 120 << 10 < size(written([first])[first.name]) <= 132 << 10
    assert len(first.records) + len(second.records) == 60


def test_vms_stay_in_their_report_while_it_has_room_for_their_retries() -> None:
    known = [a_long_record(f"vm{n}", failures=1) for n in range(90)]
    grown = [a_long_record(f"vm{n}", failures=2) for n in range(90)]
    assert saved(ledger.save(the_ledger(a_report(PLAN, *known)), grown)) == {0: [each.name for each in grown]}


def test_a_vm_that_outgrows_its_report_goes_to_a_later_one() -> None:
    """And is forgotten by the earlier when it is stored in the later, not before."""
    known = full_of(failures=3)
    changed = [ledger.with_attempt(each, a_long_attempt(4)) for each in known[:20]]
    saves = ledger.save(the_ledger(a_report(PLAN, *known)), changed)
    moved = saved(saves)[1]
    assert 0 < len(moved) < 20
    assert saved(saves)[0] == [each.name for each in known], "nothing is taken out yet"

    book = the_ledger(*written(saves).values())
    assert {len(book.records[each.uid].attempts) for each in changed} == {4}, "the later report is right"
    (forgotten,) = ledger.save(book, [])
    assert saved([forgotten]) == {0: [each.name for each in known if each.name not in moved]}

    book = the_ledger(*(written(saves) | written([forgotten])).values())
    assert len(book.records) == len(known)
    assert ledger.save(book, []) == ()


@pytest.mark.parametrize(
    ("number", "name", "after"), [(7, None, {8: ["vm00"]}), (7, "odd", {0: ["web", "vm00"]})], ids=["ours", "another"]
)
def test_a_vm_goes_to_no_earlier_report_although_there_is_room(
    number: int, name: str | None, after: dict[int, list[str]]
) -> None:
    """A later report is believed: an earlier one would be written in vain. First come those of another name, as
    somebody might restore one."""
    known = full_of(failures=3)
    full = a_report(PLAN, *known, number=number)
    named = full.metadata.model_copy(update={"name": name or full.name})
    changed = known[0]
    for n in range(4, 8):
        changed = ledger.with_attempt(changed, a_long_attempt(n))
    book = the_ledger(a_report(PLAN, a_record("web")), full.model_copy(update={"metadata": named}))
    assert saved(ledger.save(book, [changed])) == after


def test_what_was_said_of_earlier_attempts_is_shortened_when_there_are_many() -> None:
    known = a_long_record("web", failures=3)
    assert ledger.save(the_ledger(), [known])[0].records == (known,), "few are kept in full"
    known = a_long_record("web", failures=10)
    for n in range(KEPT_REJECTIONS):
        known = ledger.with_rejection(known, RejectedTarget(node=NODE, at=at(n), message=LONG))
    (kept,) = ledger.save(the_ledger(), [known])[0].records
    assert len(kept.model_dump_json(by_alias=True, exclude_none=True)) <= 8 << 10
    assert kept.attempts[-1] == known.attempts[-1], "the last is what status shows"
    assert [(a.number, a.uid, a.outcome) for a in kept.attempts] == [(a.number, a.uid, FAILED) for a in known.attempts]
    assert [(r.node, r.at) for r in kept.rejected] == [(r.node, r.at) for r in known.rejected]


@dataclass
class Books:
    """Reports as the API server keeps them, and beside them each VM's record in full."""

    vms: int
    name: str
    reports: dict[str, MigrationReport] = field(default_factory=dict)
    whole: dict[str, Record] = field(default_factory=dict)
    largest: int = 0

    @property
    def ledger(self) -> ledger.Ledger:
        return the_ledger(*self.reports.values())

    def turn(self, number: int, outcome: Outcome, text: str, every: int, refused: bool, done: int) -> None:
        """An attempt of some of the VMs ends; the operator is killed when so many of its writes are done."""
        book = self.ledger
        changed, after = [], {}
        for n in range(number % every, self.vms, every):
            uid = f"{n:036}"
            empty = Record(namespace=self.name, name=self.name, uid=uid, outcome=Outcome.CANCELLING)
            whole = self.whole.get(uid, empty)
            last = whole.attempts[-1].number if whole.attempts else 0
            after[uid] = self._ended(whole, last + 1, outcome, text, number, refused)
            changed.append(self._ended(book.record(uid) or empty, last + 1, outcome, text, number, refused))
        saves = sorted(ledger.save(book, changed), key=lambda each: digest(number, each.name))
        made = saves if done < 0 else saves[:done]
        self.keep(made)
        stored = {(record.uid, record.attempts[-1].number) for each in made for record in each.records}
        self.whole |= {uid: each for uid, each in after.items() if (uid, each.attempts[-1].number) in stored}

    def _ended(self, record: Record, number: int, outcome: Outcome, text: str, turn: int, refused: bool) -> Record:
        node = f"{turn}-{self.name}"[: len(self.name)]
        if refused:
            record = ledger.with_rejection(record, RejectedTarget(node=node, at=at(60 * turn), message=text))
        fields = {"error": text, "why": text, "source": node, "target": node, "fingerprint": f"f{turn // 6}"}
        ended = an_attempt(number, outcome, migration="m" * 63, uid=f"{record.uid[-8:]}-{number}", **fields)
        return ledger.with_attempt(record, ended.model_copy(update={"ended_at": at(60 * turn), "steps": STEPS}))

    def keep(self, saves: Iterable[SaveRecords]) -> None:
        for name, report in written(saves).items():
            self.reports[name] = report
            self.largest = max(self.largest, size(report))
            assert size(report) <= 256 << 10
            assert len(report.status.records) <= MAX_RECORDS


TURNS = st.tuples(
    st.sampled_from((FAILED, FAILED, FAILED, REJECTED, OTHERS, DONE)),
    st.builds(lambda letter, length: letter * length, st.sampled_from("x…\x01"), st.sampled_from((0, 80, 300))),
    st.sampled_from((1, 1, 2, 7)),
    st.booleans(),
    st.sampled_from((-1, -1, -1, 0, 1)),
)


@settings(max_examples=examples(25))
@given(st.integers(20, 110), st.sampled_from(("n" * 12, "n" * 63, "n" * 253)), st.lists(TURNS, min_size=4, max_size=12))
def test_no_report_outgrows_its_bound_and_nothing_that_counts_is_lost(
    vms: int, name: str, turns: list[tuple[Outcome, str, int, bool, int]]
) -> None:
    """Whatever is recorded in whatever order, and whichever writes are not made: what follows from a record is what
    would follow if all had been kept in full."""
    books = Books(vms, name)
    for number, turn in enumerate(turns):
        books.turn(number, *turn)
    books.keep(ledger.save(books.ledger, ()))
    book = books.ledger
    assert book.records.keys() == books.whole.keys()
    assert ledger.save(book, ()) == ()
    assert sum(len(report.status.records) for report in books.reports.values()) == len(book.records)
    for uid, whole in books.whole.items():
        assert _consequences(book.records[uid]) == _consequences(whole)


def _consequences(record: Record) -> object:
    now = at(60 * 12)
    return (
        record.outcome,
        [(a.number, a.uid, a.outcome, a.target) for a in record.attempts],
        [ledger.failures(record, f"f{n}") for n in range(2)],
        ledger.refused_targets(record, now),
        ledger.next_release(record, now),
        ledger.failed_targets(record),
        ledger.backoff_until(record, POLICY),
    )


@given(
    st.lists(st.sampled_from((FAILED, REJECTED, DONE, OTHERS)), max_size=40),
    st.integers(0, MOST_RETRIES),
)
def test_a_record_keeps_what_the_retries_are_counted_by(outcomes: list[Outcome], retries: int) -> None:
    """However many attempts there were, and although a record keeps ten: the count is that of the whole history."""
    known = a_record("web")
    for attempt in attempts(*outcomes):
        known = ledger.with_attempt(known, attempt)
    numbers = [attempt.number for attempt in known.attempts]
    assert len(numbers) <= KEPT_ATTEMPTS
    assert numbers == sorted(numbers)
    assert not outcomes or numbers[-1] == len(outcomes)
    since = outcomes[len(outcomes) - outcomes[::-1].index(DONE) :] if DONE in outcomes else outcomes
    spent = ledger.retries_spent(known, "f", FailurePolicy(retries=retries))
    assert spent == (since.count(FAILED) > retries)


def test_no_number_of_retries_is_endless() -> None:
    known = a_record("web")
    for attempt in attempts(*[FAILED] * 30):
        known = ledger.with_attempt(known, attempt)
    assert ledger.retries_spent(known, "f", FailurePolicy(retries=MOST_RETRIES))


@pytest.mark.parametrize(
    ("outcomes", "count"),
    [
        ([], 0),
        ([FAILED], 1),
        ([FAILED, FAILED], 2),
        ([FAILED, DONE], 0),
        ([FAILED, DONE, FAILED], 1),
        ([REJECTED, OTHERS, CANCELLED], 0),
        ([FAILED, REJECTED, FAILED], 2),
    ],
)
def test_what_spends_a_retry(outcomes: list[Outcome], count: int) -> None:
    known = record(*outcomes) if outcomes else None
    assert ledger.failures(known, "f") == count
    assert ledger.failures(known, "another fingerprint") == 0
    assert ledger.retries_spent(known, "f", FailurePolicy(retries=1)) == (count > 1)


@pytest.mark.parametrize(
    ("outcomes", "doublings"),
    [
        ([DONE], None),
        ([CANCELLED], None),
        ([REJECTED], None),
        ([REJECTED, REJECTED], None),
        ([REJECTED, REJECTED, REJECTED], 0),
        ([FAILED], 0),
        ([OTHERS], 0),
        ([FAILED, FAILED], 1),
        ([FAILED, REJECTED], 0),
        ([FAILED, FAILED, FAILED], 2),
        ([FAILED, DONE, FAILED], 0),
        ([FAILED] * 5, 4),
        ([FAILED] * 9, None),
    ],
)
def test_the_back_off_doubles(outcomes: list[Outcome], doublings: int | None) -> None:
    """From the end of the last attempt, 20 s at first, up to ten minutes, with a quarter of jitter either way."""
    until = ledger.backoff_until(record(*outcomes), POLICY)
    if len(outcomes) == 9:
        assert until is not None
        assert timedelta(minutes=7.5) <= until - at(-60) <= timedelta(minutes=12.5)
    elif doublings is None:
        assert until is None
    else:
        assert until is not None
        wait = timedelta(seconds=20) * 2**doublings
        assert wait * 0.75 <= until - at(-60) <= wait * 1.25


def test_nobody_waits_before_the_first_attempt() -> None:
    assert ledger.backoff_until(None, POLICY) is None
    assert ledger.backoff_until(a_record("web"), POLICY) is None


def test_the_jitter_is_the_same_after_a_crash_and_differs_between_vms() -> None:
    waits = {ledger.backoff_until(a_record(name, an_attempt(1)), POLICY) for name in ("web", "web", "db", "app")}
    assert len(waits) == 3


def rejection(node: str, seconds: float) -> RejectedTarget:
    return RejectedTarget(node=node, at=at(seconds), message="no")


@pytest.mark.parametrize(
    ("rejections", "refused", "release"),
    [
        ([], set(), None),
        ([rejection("n2", -60)], {"n2"}, at(540)),
        ([rejection("n2", -600)], set(), None),
        ([rejection("n2", -2000), rejection("n2", -660)], {"n2"}, at(540)),
        ([rejection("n2", -60), rejection("n3", -300)], {"n2", "n3"}, at(300)),
        ([rejection("n2", -5000)] * 9 + [rejection("n2", 0)], {"n2"}, at(9600)),
    ],
    ids=["none", "ten minutes", "over", "twenty the second time", "each for itself", "at most 160"],
)
def test_a_target_the_scheduler_refused_is_left_alone(
    rejections: list[RejectedTarget], refused: set[str], release: object
) -> None:
    known = a_record("web", an_attempt(1, REJECTED), rejected=tuple(rejections))
    assert ledger.refused_targets(known, NOW) == refused
    assert ledger.next_release(known, NOW) == release


def test_a_record_remembers_so_many_rejections() -> None:
    known = a_record("web")
    for n in range(KEPT_REJECTIONS + 5):
        known = ledger.with_rejection(known, rejection(f"n{n}", 0))
    assert [r.node for r in known.rejected] == [f"n{n}" for n in range(5, KEPT_REJECTIONS + 5)]


def test_targets_it_failed_on_since_it_last_moved() -> None:
    known = a_record("web", *attempts(FAILED, DONE), an_attempt(3, target="n5"), an_attempt(4, REJECTED, target="n6"))
    assert ledger.failed_targets(known) == {"n5"}
    assert ledger.failed_targets(None) == frozenset()
