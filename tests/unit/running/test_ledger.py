"""What is remembered of attempts, where, and what follows from it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drover.api.reasons import Outcome
from drover.api.report import KEPT_ATTEMPTS, KEPT_REJECTIONS, MAX_RECORDS, Attempt, Record, RejectedTarget
from drover.api.shared import MOST_RETRIES, FailurePolicy
from drover.running import ledger
from drover.running.actions import ObjectRef
from drover.running.names import report_name
from tests.builders import NOW, a_cluster, a_plan, a_record, a_report, a_vmim, an_attempt, at

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
    snapshot = a_cluster(PLAN).knows(*reports).snapshot()  # type: ignore[arg-type]  # reports, said loosely
    return ledger.read(REF, snapshot).get(run) or ledger.Ledger(REF, run)


def test_each_run_has_a_ledger_of_its_own() -> None:
    one, two = a_record("web", *attempts(DONE)), a_record("web", *attempts(FAILED))
    reports = a_report(PLAN, one), a_report(PLAN, two, run="2"), a_report(PLAN, a_record("db"), number=1)
    assert {run: {r.name: r.outcome for r in book.records.values()} for run, book in _read(*reports).items()} == {
        "initial": {"web": DONE, "db": Outcome.CANCELLING},
        "2": {"web": FAILED},
    }


def _read(*reports: object) -> dict[str, ledger.Ledger]:
    return ledger.read(REF, a_cluster(PLAN).knows(*reports).snapshot())  # type: ignore[arg-type]


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
