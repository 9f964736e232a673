"""One transfer alone: how long it takes, whether it ends, and what is done at its deadline."""

from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.virtsim.objects import a_vmi
from tests.unit.virtsim.transfers import alone
from virtsim.virt_handler.faults import FORCED_FAILURE, LIBVIRT_FAILURE, PREPARING_FAILURE
from virtsim.virt_handler.terms import bandwidth, deadline_seconds, terms_of
from virtsim.virt_handler.transfer.events import begun, due, happened
from virtsim.virt_handler.transfer.job import (
    ABORTED,
    DOWNTIME_SECONDS,
    Fault,
    Job,
    Terms,
    at_rate,
    settled,
)

GI = 2**30

DEADLINES = [(2 * GI, 150, 450.0), (10**9, 150, 150.0), (10**9 + 1, 150, 300.0), (4 * GI, 0, inf)]


@pytest.mark.parametrize(("size", "per_gib", "expected"), DEADLINES)
def test_deadline(size: int, per_gib: int, expected: float) -> None:
    assert deadline_seconds(size, per_gib) == expected


BANDWIDTHS = [("0", inf), ("0Mi", inf), ("1", 2**20), ("64Mi", 64 * 2**20), ("100M", 95 * 2**20)]


@pytest.mark.parametrize(("given", "expected"), BANDWIDTHS)
def test_bandwidth_is_whole_mebibytes(given: str, expected: float) -> None:
    assert bandwidth({"bandwidthPerMigration": given}) == expected


def test_an_idle_guest_is_sent_once() -> None:
    job = alone(Terms(1000, 1000), 100)
    assert (job.at, job.sent, job.iteration, job.succeeded) == (10.0, 1000, 1, True)


def test_what_gets_dirty_is_sent_again() -> None:
    # 1000 in 10 s leave 500 dirty, these 250 in 5 s, then 125, 62.5: the rest of 31.25 > 30 is one round more
    job = alone(Terms(1000, 1000, dirty_rate=50), 100)
    assert job.iteration == 7  # the last one with the guest stopped
    assert job.at == pytest.approx(20.0, rel=0.02)


def closed_form(terms: Terms, speed: float) -> float:
    """Seconds of a transfer that converges: rounds of what the one before left dirty, the last one within 300 ms."""
    left, seconds = terms.size, 0.0
    while True:
        took = left / speed
        seconds += took
        left = min(terms.dirty_rate * took, terms.working_set)
        if left <= speed * DOWNTIME_SECONDS:
            return seconds + left / speed


sizes = st.integers(1, 10**12)
speeds = st.integers(10**6, 10**11)


@settings(deadline=None)
@given(memory=sizes, dirty=st.floats(0, 0.99), speed=speeds, share=st.floats(0, 1))
def test_alone_it_is_the_closed_form(memory: int, dirty: float, speed: int, share: float) -> None:
    terms = Terms(memory, memory, dirty_rate=dirty * speed, working_set=share * memory)
    job = alone(terms, speed)
    assert job.succeeded
    assert job.at == pytest.approx(closed_form(terms, speed), rel=1e-6)
    assert job.sent == pytest.approx(job.at * speed, rel=1e-6)


@settings(deadline=None)
@given(memory=st.integers(10**9, 10**11), excess=st.floats(1.01, 100), speed=st.integers(10**6, 10**9))
def test_a_guest_that_dirties_faster_than_it_is_sent_is_given_up_at_the_deadline(
    memory: int, excess: float, speed: int
) -> None:
    job = alone(Terms(memory, memory, excess * speed, deadline=50 * memory / speed), speed)
    assert job.failure == ABORTED
    assert job.at == pytest.approx(50 * memory / speed)


@settings(deadline=None)
@given(memory=st.integers(10**9, 10**11), excess=st.floats(1.01, 100), speed=st.integers(10**8, 10**9))
def test_a_working_set_that_fits_into_the_downtime_ends_it_however_busy_the_guest_is(
    memory: int, excess: float, speed: int
) -> None:
    working_set = 0.9 * DOWNTIME_SECONDS * speed
    job = alone(Terms(memory, memory, excess * speed, working_set), speed)
    assert job.succeeded
    assert job.at == pytest.approx((memory + working_set) / speed)


ENDLESS: dict[str, Any] = {"size": 1000.0, "memory": 1000.0, "dirty_rate": 200.0, "deadline": 95.0}


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        # the ninth round has 500 left to send when the deadline comes, and all else is dirty again
        ({"at_deadline": "abort"}, ("PreCopy", 95.0, ABORTED)),
        ({"at_deadline": "post-copy"}, ("PostCopy", 105.0, None)),
        ({"at_deadline": "pause"}, ("Paused", 105.0, None)),
        ({"at_deadline": "pause", "size": 10**6, "memory": 10**6}, ("Paused", 190.0, ABORTED)),
        ({"at_deadline": "stretch"}, ("Paused", 105.0, None)),
        ({"at_deadline": "stretch", "size": 10**6, "memory": 10**6}, ("Paused", 190.0, ABORTED)),
        ({"at_deadline": "abort", "auto_converge": True}, ("PreCopy", 75.92, None)),
        ({"seconds": 40.0}, ("PreCopy", 40.0, None)),
        ({"seconds": 100.0}, ("PreCopy", 95.0, ABORTED)),
        ({"seconds": 100.0, "at_deadline": "post-copy"}, ("PostCopy", 100.0, None)),
        ({"seconds": 0.0}, ("PreCopy", 0.0, None)),
        ({"fault": Fault("start", "no")}, ("PreCopy", 0.0, "no")),
        ({"fault": Fault("half", "no")}, ("PreCopy", 5.0, "no")),
        ({"fault": Fault("half", "no"), "seconds": 2.0}, ("PreCopy", 1.0, "no")),
        ({"fault": Fault("switchover", "no"), "seconds": 2.0}, ("PreCopy", 2.0, "no")),
        ({"fault": Fault("post-copy", "no"), "at_deadline": "post-copy"}, ("PostCopy", 100.0, "no")),
    ],
)
def test_how_it_ends(terms: dict[str, Any], expected: tuple[str, float, str | None]) -> None:
    job = alone(Terms(**(ENDLESS | terms)), 100)
    mode, seconds, failure = expected
    assert (job.mode, job.failure) == (mode, failure)
    assert job.at == pytest.approx(seconds, rel=0.01)


def test_a_transfer_that_stands_still_is_given_up_unless_it_goes_on_in_time() -> None:
    def job(stopped: float) -> Job:
        return at_rate(at_rate(begun(Terms(1000, 1000, progress_timeout=150), 0.0), 100, 0.0), 0.0, stopped)

    assert due(job(4.0)) == 154.0
    assert happened(job(4.0)).failure == ABORTED
    on_again = at_rate(job(4.0), 100, 100.0)
    assert due(on_again) == 106.0
    assert happened(on_again).succeeded


def test_counters_between_events() -> None:
    job = settled(at_rate(begun(Terms(1000, 1000, dirty_rate=50), 0.0), 100, 0.0), 4.0)
    assert (job.sent, job.remaining, job.dirty, job.dirty_rate, job.rate) == (400, 600, 200, 50, 100)


VMIS: list[tuple[dict[str, str], dict[str, Any], Terms]] = [
    ({}, {}, Terms(4 * GI, 4 * GI, 0.0, 4 * GI, deadline=750.0)),
    (
        {"virtsim.drover.dev/dirty-rate": "20Mi", "virtsim.drover.dev/working-set": "1Gi"},
        {"bandwidthPerMigration": "64Mi", "progressTimeout": 150, "allowAutoConverge": True},
        Terms(4 * GI, 4 * GI, 20 * 2**20, GI, 64 * 2**20, 750.0, 150.0, auto_converge=True),
    ),
    ({}, {"allowPostCopy": True}, Terms(4 * GI, 4 * GI, 0.0, 4 * GI, deadline=750.0, at_deadline="post-copy")),
    (
        {},
        {"allowPostCopy": True, "allowWorkloadDisruption": False},
        Terms(4 * GI, 4 * GI, 0.0, 4 * GI, deadline=750.0, at_deadline="abort"),
    ),
    ({}, {"allowWorkloadDisruption": True}, Terms(4 * GI, 4 * GI, 0.0, 4 * GI, deadline=750.0, at_deadline="pause")),
    ({"virtsim.drover.dev/migration-seconds": "3"}, {}, Terms(4 * GI, 4 * GI, 0.0, 4 * GI, deadline=750.0, seconds=3)),
    ({"virtsim.drover.dev/dirty-rate": "a lot"}, {}, Terms(4 * GI, 4 * GI, 0.0, 4 * GI, deadline=750.0)),
]


@pytest.mark.parametrize(("annotations", "configuration", "expected"), VMIS)
def test_terms(annotations: dict[str, str], configuration: dict[str, Any], expected: Terms) -> None:
    assert terms_of(migrating(annotations, **configuration)) == expected


def migrating(annotations: dict[str, str], **configuration: Any) -> Any:
    vmi = a_vmi(memory={"guest": "4Gi"})
    vmi["metadata"]["annotations"] = annotations
    vmi["status"]["migrationState"] = {"migrationConfiguration": {"completionTimeoutPerGiB": 150} | configuration}
    return vmi


FAULTS = [
    ({}, None),
    ({"fail": "false"}, None),
    ({"fail": "true"}, Fault("half", LIBVIRT_FAILURE)),
    ({"fail": "no luck"}, Fault("half", "no luck")),
    ({"fail-at": "TargetReady"}, Fault("start", PREPARING_FAILURE)),
    ({"fail-at": "Switchover", "fail": "no luck"}, Fault("switchover", "no luck")),
    ({"fail-at": "PreparingTarget"}, None),
]


@pytest.mark.parametrize(("annotations", "expected"), FAULTS)
def test_injected_faults(annotations: dict[str, str], expected: Fault | None) -> None:
    named = {f"virtsim.drover.dev/{name}": text for name, text in annotations.items()}
    assert terms_of(migrating(named)).fault == expected


def test_kubevirts_own_failure_comes_first() -> None:
    annotations = {"kubevirt.io/func-test-force-launcher-migration-failure": "", "virtsim.drover.dev/fail": "true"}
    assert terms_of(migrating(annotations)).fault == Fault("start", FORCED_FAILURE)


def test_vfio_stretches_and_a_paused_guest_writes_nothing() -> None:
    vmi = migrating({"virtsim.drover.dev/dirty-rate": "20Mi"}, allowPostCopy=True)
    vmi["spec"]["domain"]["devices"]["gpus"] = [{"name": "gpu"}]
    vmi["status"]["conditions"] = [{"type": "Paused", "status": "True", "reason": "PausedByUser"}]
    assert (terms_of(vmi).at_deadline, terms_of(vmi).dirty_rate) == ("stretch", 0.0)


def test_disks_that_move_count() -> None:
    vmi = migrating({})
    vmi["status"] |= {
        "migrationMethod": "BlockMigration",
        "migratedVolumes": [{"volumeName": "root", "destinationPVCInfo": {"requests": {"storage": "10Gi"}}}],
    }
    vmi["spec"]["volumes"] = [{"name": "scratch", "emptyDisk": {"capacity": "2Gi"}}, {"name": "root"}]
    terms = terms_of(vmi)
    assert (terms.size, terms.memory, terms.deadline) == (16 * GI, 4 * GI, 18 * 150.0)
